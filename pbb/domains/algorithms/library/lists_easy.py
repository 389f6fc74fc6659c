"""Easy programs on lists of whole numbers: one loop, one branch at most."""

# ruff: noqa: B007 - loop variables that only count keep a plain name

from random import Random


def _numbers(rng: Random) -> list[int]:
    return [rng.randint(0, 20) for _ in range(rng.randint(3, 5))]


def _few_numbers(rng: Random) -> list[int]:
    return [rng.randint(0, 20) for _ in range(rng.randint(3, 4))]


def sum_of_evens(a: list[int]) -> int:
    """Given a list a of numbers, return the sum of the even ones.

    >>> sum_of_evens([3, 4, 8])
    12
    """
    s = 0
    for x in a:
        if x % 2 == 0:
            s += x
    return s


def inputs_sum_of_evens(rng: Random) -> tuple[list[int]]:
    return (_numbers(rng),)


def sum_above(a: list[int], k: int) -> int:
    """Given a list a of numbers and a number k, return the sum of those greater than k.

    >>> sum_above([9, 4, 15], 8)
    24
    """
    s = 0
    for x in a:
        if x > k:
            s += x
    return s


def inputs_sum_above(rng: Random) -> tuple[list[int], int]:
    return _numbers(rng), rng.randint(3, 12)


def largest(a: list[int]) -> int:
    """Given a list a of numbers, return the largest of them.

    >>> largest([6, 13, 2])
    13
    """
    b = a[0]
    for x in a:
        if x > b:
            b = x
    return b


def inputs_largest(rng: Random) -> tuple[list[int]]:
    return (_numbers(rng),)


def spread(a: list[int]) -> int:
    """Given a list a of numbers, return how far the largest lies above the smallest.

    >>> spread([6, 13, 2])
    11
    """
    b = a[0]
    c = a[0]
    for x in a:
        b = min(b, x)
        c = max(c, x)
    return c - b


def inputs_spread(rng: Random) -> tuple[list[int]]:
    return (_numbers(rng),)


def differences(a: list[int]) -> list[int]:
    """Given a list a of numbers, return the list of what each number after the first has more than
    the one before it.

    >>> differences([4, 9, 3])
    [5, -6]
    """
    b = []
    for i in range(1, len(a)):
        b.append(a[i] - a[i - 1])
    return b


def inputs_differences(rng: Random) -> tuple[list[int]]:
    return (_few_numbers(rng),)


def back_to_front(a: list[int]) -> list[int]:
    """Given a list a of numbers, return the same numbers in reverse order.

    >>> back_to_front([4, 9, 3])
    [3, 9, 4]
    """
    b: list[int] = []
    for x in a:
        b.insert(0, x)
    return b


def inputs_back_to_front(rng: Random) -> tuple[list[int]]:
    return (_few_numbers(rng),)


def lift_to(a: list[int], k: int) -> list[int]:
    """Given a list a of numbers and a number k, return the list with k in place of every number
    less than k.

    >>> lift_to([4, 9, 3], 6)
    [6, 9, 6]
    """
    b = []
    for x in a:
        if x < k:
            x = k
        b.append(x)
    return b


def inputs_lift_to(rng: Random) -> tuple[list[int], int]:
    return _few_numbers(rng), rng.randint(6, 14)


def alternating_sum(a: list[int]) -> int:
    """Given a list a of numbers, add the first, subtract the second, add the third and so on, and
    return the result.

    >>> alternating_sum([9, 4, 3])
    8
    """
    s = 0
    k = 1
    for x in a:
        s += k * x
        k = -k
    return s


def inputs_alternating_sum(rng: Random) -> tuple[list[int]]:
    return (_numbers(rng),)


def prefix_sums(a: list[int]) -> list[int]:
    """Given a list a of numbers, return the list of the sums of the first one, the first two, the
    first three and so on.

    >>> prefix_sums([4, 9, 3])
    [4, 13, 16]
    """
    s = 0
    b = []
    for x in a:
        s += x
        b.append(s)
    return b


def inputs_prefix_sums(rng: Random) -> tuple[list[int]]:
    return (_few_numbers(rng),)


def keep_odd(a: list[int]) -> list[int]:
    """Given a list a of numbers, return the list of the odd ones in the same order.

    >>> keep_odd([4, 9, 3])
    [9, 3]
    """
    b = []
    for x in a:
        if x % 2 == 1:
            b.append(x)
    return b


def inputs_keep_odd(rng: Random) -> tuple[list[int]]:
    return (_numbers(rng),)


def add_position(a: list[int]) -> list[int]:
    """Given a list a of numbers, add to each number its position, counted from 0, and return the
    list.

    >>> add_position([4, 9, 3])
    [4, 10, 5]
    """
    b = []
    for i in range(len(a)):
        b.append(a[i] + i)
    return b


def inputs_add_position(rng: Random) -> tuple[list[int]]:
    return (_few_numbers(rng),)


def rotate_left(a: list[int], k: int) -> list[int]:
    """Given a list a of numbers and a number k, move the first number to the end k times and return
    the list.

    >>> rotate_left([4, 9, 3], 2)
    [3, 4, 9]
    """
    for i in range(k):
        a = a[1:] + a[:1]
    return a


def inputs_rotate_left(rng: Random) -> tuple[list[int], int]:
    a = _few_numbers(rng)
    return a, rng.randint(1, len(a) - 1)


def fill_up_to(a: list[int], k: int) -> int:
    """Given a list a of numbers and a number k, add up numbers from the front until the next one
    would make the sum greater than k, and return the sum.

    >>> fill_up_to([4, 9, 3], 15)
    13
    """
    s = 0
    for x in a:
        if s + x > k:
            break
        s += x
    return s


def inputs_fill_up_to(rng: Random) -> tuple[list[int], int]:
    return _numbers(rng), rng.randint(15, 45)
