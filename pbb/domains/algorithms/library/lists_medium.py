"""Programs of medium difficulty on lists: nested loops, or several variables at once."""

from random import Random


def _numbers(rng: Random, top: int, least: int, most: int) -> list[int]:
    return [rng.randint(0, top) for _ in range(rng.randint(least, most))]


def insertion_sort(a: list[int]) -> list[int]:
    """Given a list a of numbers, return the same numbers in ascending order. Put each number in
    turn into its place among those before it.

    >>> insertion_sort([4, 9, 3])
    [3, 4, 9]
    """
    b = a[:]
    for i in range(1, len(b)):
        x = b[i]
        j = i
        while j > 0 and b[j - 1] > x:
            b[j] = b[j - 1]
            j -= 1
        b[j] = x
    return b


def inputs_insertion_sort(rng: Random) -> tuple[list[int]]:
    return (_numbers(rng, 30, 3, 5),)


def merge_sorted(a: list[int], b: list[int]) -> list[int]:
    """Given two lists a and b of numbers in ascending order, return the list of all their numbers
    in ascending order.

    >>> merge_sorted([2, 8], [1, 5, 9])
    [1, 2, 5, 8, 9]
    """
    c = []
    i = 0
    j = 0
    while i < len(a) or j < len(b):
        if j == len(b) or (i < len(a) and a[i] <= b[j]):
            c.append(a[i])
            i += 1
        else:
            c.append(b[j])
            j += 1
    return c


def inputs_merge_sorted(rng: Random) -> tuple[list[int], list[int]]:
    return sorted(_numbers(rng, 30, 1, 4)), sorted(_numbers(rng, 30, 1, 4))


def second_largest(a: list[int]) -> int:
    """Given a list a of at least two different numbers, return the second largest of them.

    >>> second_largest([6, 13, 2])
    6
    """
    b = max(a[0], a[1])
    c = min(a[0], a[1])
    for x in a[2:]:
        if x > b:
            c = b
            b = x
        elif x > c:
            c = x
    return c


def inputs_second_largest(rng: Random) -> tuple[list[int]]:
    return (rng.sample(range(40), rng.randint(3, 6)),)


def best_run_sum(a: list[int]) -> int:
    """Given a list a of numbers, some of them negative, return the largest sum that neighbours in
    the list can have; one number alone counts too.

    >>> best_run_sum([4, -7, 5, -1, 6])
    10
    """
    s = a[0]
    b = a[0]
    for x in a[1:]:
        s = max(s + x, x)
        b = max(b, s)
    return b


def inputs_best_run_sum(rng: Random) -> tuple[list[int]]:
    return ([rng.randint(-12, 15) for _ in range(rng.randint(4, 6))],)


def distinct_in_order(a: list[int]) -> list[int]:
    """Given a list a of numbers, return the list with each number kept only where it stands first.

    >>> distinct_in_order([4, 9, 4, 3, 9])
    [4, 9, 3]
    """
    b: list[int] = []
    for x in a:
        if x not in b:
            b.append(x)
    return b


def inputs_distinct_in_order(rng: Random) -> tuple[list[int]]:
    a = _numbers(rng, 9, 3, 4)
    a += rng.choices(a, k=2)
    rng.shuffle(a)
    return (a,)


def window_sums(a: list[int], k: int) -> list[int]:
    """Given a list a of numbers and a number k, return the list of the sums of every k neighbours,
    from left to right.

    >>> window_sums([4, 9, 3, 1], 2)
    [13, 12, 4]
    """
    s = sum(a[:k])
    b = [s]
    for i in range(k, len(a)):
        s += a[i] - a[i - k]
        b.append(s)
    return b


def inputs_window_sums(rng: Random) -> tuple[list[int], int]:
    return _numbers(rng, 20, 4, 6), rng.randint(2, 3)


def split_by_pivot(a: list[int], k: int) -> list[int]:
    """Given a list a of numbers and a number k, return the list with the numbers below k first and
    the others after them, each group in the order of a.

    >>> split_by_pivot([4, 9, 3, 12], 8)
    [4, 3, 9, 12]
    """
    b = []
    c = []
    for x in a:
        if x < k:
            b.append(x)
        else:
            c.append(x)
    return b + c


def inputs_split_by_pivot(rng: Random) -> tuple[list[int], int]:
    a = _numbers(rng, 30, 4, 6)
    return a, rng.choice(a)


def pair_with_sum(a: list[int], k: int) -> list[int]:
    """Given a list a of numbers and a number k, return the first number that makes k together with
    one before it, after that one; an empty list if there is none.

    >>> pair_with_sum([4, 9, 3, 8], 12)
    [9, 3]
    """
    b: list[int] = []
    for x in a:
        if k - x in b:
            return [k - x, x]
        b.append(x)
    return []


def inputs_pair_with_sum(rng: Random) -> tuple[list[int], int]:
    a = _numbers(rng, 20, 4, 6)
    return a, sum(rng.sample(a, 2))


def run_lengths(a: list[int]) -> list[list[int]]:
    """Given a list a of numbers, return for each run of equal neighbours a list of the number and
    of how often it stands there.

    >>> run_lengths([4, 4, 9, 4])
    [[4, 2], [9, 1], [4, 1]]
    """
    b: list[list[int]] = []
    for x in a:
        if b and b[-1][0] == x:
            b[-1][1] += 1
        else:
            b.append([x, 1])
    return b


def inputs_run_lengths(rng: Random) -> tuple[list[int]]:
    return ([x for x in rng.choices(range(10), k=3) for _ in range(rng.randint(1, 3))],)


def transpose(m: list[list[int]]) -> list[list[int]]:
    """Given a table m as a list of rows, return the list of its columns.

    >>> transpose([[1, 2, 3], [4, 5, 6]])
    [[1, 4], [2, 5], [3, 6]]
    """
    b = []
    for j in range(len(m[0])):
        c = []
        for i in range(len(m)):
            c.append(m[i][j])
        b.append(c)
    return b


def inputs_transpose(rng: Random) -> tuple[list[list[int]]]:
    n = rng.randint(2, 3)
    return ([[rng.randint(0, 9) for _ in range(n)] for _ in range(rng.randint(2, 3))],)


def most_common(a: list[int]) -> int:
    """Given a list a of numbers, return the one that stands in it most often; of several such, the
    smallest.

    >>> most_common([4, 9, 4, 3, 9])
    4
    """
    d: dict[int, int] = {}
    for x in a:
        d[x] = d.get(x, 0) + 1
    b = min(a)
    for x in sorted(d):
        if d[x] > d[b]:
            b = x
    return b


def inputs_most_common(rng: Random) -> tuple[list[int]]:
    a = rng.sample(range(21), 3)
    a += rng.choices(a, k=2)
    rng.shuffle(a)
    return (a,)
