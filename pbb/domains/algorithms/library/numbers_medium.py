"""Programs of medium difficulty on whole numbers: nested steps, or a list built on the way."""

from random import Random


def prime_factors(n: int) -> list[int]:
    """Given a number n greater than 1, return the list of its prime factors in ascending order,
    each as often as it divides n.

    >>> prime_factors(60)
    [2, 2, 3, 5]
    """
    b = []
    d = 2
    while d * d <= n:
        while n % d == 0:
            b.append(d)
            n //= d
        d += 1
    if n > 1:
        b.append(n)
    return b


def inputs_prime_factors(rng: Random) -> tuple[int]:
    return (rng.randint(2, 12) * rng.randint(2, 15),)


def divisor_total(n: int) -> int:
    """Given a number n, return the sum of all numbers that divide it, 1 and n too.

    >>> divisor_total(12)
    28
    """
    s = 0
    i = 1
    while i * i <= n:
        if n % i == 0:
            s += i
            if i * i < n:
                s += n // i
        i += 1
    return s


def inputs_divisor_total(rng: Random) -> tuple[int]:
    return (rng.randint(4, 160),)


def digits_in_base(n: int, b: int) -> list[int]:
    """Given a number n and a base b, return the list of the digits of n written in base b, the most
    significant one first.

    >>> digits_in_base(11, 3)
    [1, 0, 2]
    """
    a: list[int] = []
    while n > 0:
        a.insert(0, n % b)
        n //= b
    return a


def inputs_digits_in_base(rng: Random) -> tuple[int, int]:
    return rng.randint(8, 99), rng.randint(2, 7)


def reverse_digits(n: int) -> int:
    """Given a number n, return the number whose digits are those of n in reverse order.

    >>> reverse_digits(1204)
    4021
    """
    r = 0
    while n > 0:
        r = 10 * r + n % 10
        n //= 10
    return r


def inputs_reverse_digits(rng: Random) -> tuple[int]:
    return (rng.randint(100, 9999),)


def power_by_squaring(a: int, k: int, m: int) -> int:
    """Given a, k and m, return the remainder by m of 3 times a raised to the power k. Square a and
    halve k until k is 0.

    >>> power_by_squaring(2, 5, 100)
    96
    """
    r = 3
    while k > 0:
        if k % 2 == 1:
            r = r * a % m
        a = a * a % m
        k //= 2
    return r


def inputs_power_by_squaring(rng: Random) -> tuple[int, int, int]:
    return rng.randint(2, 20), rng.randint(3, 30), rng.randint(31, 99)


def least_common_multiple(a: int, b: int) -> int:
    """Given two numbers a and b, return the smallest number above 0 that both divide.

    >>> least_common_multiple(6, 8)
    24
    """
    x = a
    y = b
    while x != y:
        if x < y:
            x += a
        else:
            y += b
    return x


def inputs_least_common_multiple(rng: Random) -> tuple[int, int]:
    c = rng.randint(1, 6)
    return c * rng.randint(2, 7), c * rng.randint(2, 7)


def collatz_peak(n: int) -> list[int]:
    """Given n, halve it if it is even, else make it three times n plus 1, until it is 1. Return the
    number of steps and the largest number met.

    >>> collatz_peak(3)
    [7, 16]
    """
    b = n
    k = 0
    while n > 1:
        if n % 2 == 0:
            n //= 2
        else:
            n = 3 * n + 1
        b = max(b, n)
        k += 1
    return [k, b]


def inputs_collatz_peak(rng: Random) -> tuple[int]:
    return (rng.randint(2, 160),)


def root_and_rest(n: int) -> list[int]:
    """Given a number n, return the largest number whose square is not greater than n, and what n
    has more than that square. Find it by halving the range in which it lies.

    >>> root_and_rest(30)
    [5, 5]
    """
    a = 0
    b = n + 1
    while b - a > 1:
        m = (a + b) // 2
        if m * m <= n:
            a = m
        else:
            b = m
    return [a, n - a * a]


def inputs_root_and_rest(rng: Random) -> tuple[int]:
    return (rng.randint(3, 200),)
