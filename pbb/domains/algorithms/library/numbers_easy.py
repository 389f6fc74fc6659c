"""Easy programs on whole numbers: one loop, few steps, small values."""

# ruff: noqa: B007 - loop variables that only count keep a plain name

from random import Random


def digit_sum(n: int) -> int:
    """Given a number n, add up its digits and return the sum.

    >>> digit_sum(57)
    12
    """
    s = 0
    while n > 0:
        s += n % 10
        n //= 10
    return s


def inputs_digit_sum(rng: Random) -> tuple[int]:
    return (rng.randint(10, 99),)


def greatest_common_divisor(a: int, b: int) -> int:
    """Given two numbers a and b, return the greatest number that divides both.

    >>> greatest_common_divisor(12, 18)
    6
    """
    while b > 0:
        a, b = b, a % b
    return a


def inputs_greatest_common_divisor(rng: Random) -> tuple[int, int]:
    c = rng.randint(1, 12)
    return c * rng.randint(1, 8), c * rng.randint(1, 8)


def quotient_and_rest(n: int, k: int) -> list[int]:
    """Given n and k, return how often k can be taken away from n, and what is left then.

    >>> quotient_and_rest(17, 5)
    [3, 2]
    """
    c = 0
    while n >= k:
        n -= k
        c += 1
    return [c, n]


def inputs_quotient_and_rest(rng: Random) -> tuple[int, int]:
    return rng.randint(10, 40), rng.randint(6, 12)


def sum_between(a: int, b: int) -> int:
    """Given a and b, return the sum of all numbers from a up to b, without b.

    >>> sum_between(3, 6)
    12
    """
    s = 0
    for i in range(a, b):
        s += i
    return s


def inputs_sum_between(rng: Random) -> tuple[int, int]:
    a = rng.randint(0, 16)
    return a, a + rng.randint(2, 6)


def product_by_addition(a: int, k: int) -> int:
    """Given a and k, start from 0, add a k times and return the sum.

    >>> product_by_addition(7, 3)
    21
    """
    s = 0
    for i in range(k):
        s += a
    return s


def inputs_product_by_addition(rng: Random) -> tuple[int, int]:
    return rng.randint(2, 19), rng.randint(2, 6)


def power_with_modulus(a: int, k: int, m: int) -> int:
    """Given a, k and m, return the remainder by m of a raised to the power k.

    >>> power_with_modulus(2, 5, 7)
    4
    """
    p = 1
    for i in range(k):
        p = p * a % m
    return p


def inputs_power_with_modulus(rng: Random) -> tuple[int, int, int]:
    return rng.randint(2, 9), rng.randint(2, 5), rng.randint(11, 23)


def collatz_after(n: int, k: int) -> int:
    """Given n and k, do k times: halve n if it is even, else make it three times n plus 1. Return
    n.

    >>> collatz_after(6, 3)
    5
    """
    for i in range(k):
        if n % 2 == 0:
            n //= 2
        else:
            n = 3 * n + 1
    return n


def inputs_collatz_after(rng: Random) -> tuple[int, int]:
    return rng.randint(3, 30), rng.randint(2, 5)


def fibonacci_from(a: int, b: int, k: int) -> int:
    """Given a and b, the first two numbers of a row in which each number is the sum of the two
    before it, return the number k places after the first.

    >>> fibonacci_from(1, 2, 4)
    8
    """
    for i in range(k):
        a, b = b, a + b
    return a


def inputs_fibonacci_from(rng: Random) -> tuple[int, int, int]:
    return rng.randint(0, 9), rng.randint(0, 9), rng.randint(2, 5)


def countdown_total(n: int, k: int) -> int:
    """Given n and k, go down from n in steps of k while above 0, and return the sum of all numbers
    met, n too.

    >>> countdown_total(10, 4)
    18
    """
    s = 0
    while n > 0:
        s += n
        n -= k
    return s


def inputs_countdown_total(rng: Random) -> tuple[int, int]:
    k = rng.randint(2, 9)
    return rng.randint(k, 5 * k), k


def doublings_below(n: int, k: int) -> int:
    """Given n and k, double n as long as it is less than k, and return how far it is above k then.

    >>> doublings_below(3, 20)
    4
    """
    while n < k:
        n += n
    return n - k


def inputs_doublings_below(rng: Random) -> tuple[int, int]:
    return rng.randint(2, 9), rng.randint(10, 40)
