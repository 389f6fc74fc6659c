"""Hard programs on lists: recursion, search over choices, tables."""

from random import Random


def quick_sort_down(a: list[int]) -> list[int]:
    """Given a list a of numbers, return the same numbers in descending order. Take the first
    number, order those above it and the others in the same way, and put it between them.

    >>> quick_sort_down([4, 9, 3])
    [9, 4, 3]
    """
    if len(a) < 2:
        return a
    b = [x for x in a[1:] if x > a[0]]
    c = [x for x in a[1:] if x <= a[0]]
    return [*quick_sort_down(b), a[0], *quick_sort_down(c)]


def inputs_quick_sort_down(rng: Random) -> tuple[list[int]]:
    return ([rng.randint(0, 40) for _ in range(rng.randint(4, 6))],)


def longest_rise(a: list[int]) -> list[int]:
    """Given a list a of numbers, take out numbers so that every number left is above the one before
    it, and return the longest list that can be left; of several such, the one that ends first.

    >>> longest_rise([4, 9, 5, 7])
    [4, 5, 7]
    """
    b: list[list[int]] = []
    d: list[int] = []
    for i in range(len(a)):
        c: list[int] = []
        for j in range(i):
            if a[j] < a[i] and len(b[j]) > len(c):
                c = b[j]
        b.append([*c, a[i]])
        if len(b[i]) > len(d):
            d = b[i]
    return d


def inputs_longest_rise(rng: Random) -> tuple[list[int]]:
    return (rng.sample(range(40), rng.randint(4, 5)),)


def next_arrangement(a: list[int]) -> list[int]:
    """Given a list a of different numbers, return the arrangement that follows it when all
    arrangements of its numbers are ordered like words; after the last one comes the first.

    >>> next_arrangement([2, 4, 3])
    [3, 2, 4]
    """
    b = a[:]
    i = len(b) - 1
    while i > 0 and b[i - 1] > b[i]:
        i -= 1
    if i > 0:
        j = len(b) - 1
        while b[j] < b[i - 1]:
            j -= 1
        b[i - 1], b[j] = b[j], b[i - 1]
    return b[:i] + b[i:][::-1]


def inputs_next_arrangement(rng: Random) -> tuple[list[int]]:
    return (rng.sample(range(1, 10), rng.randint(4, 5)),)


def spiral_order(m: list[list[int]]) -> list[int]:
    """Given a table m as a list of rows, return its numbers in the order of a spiral that starts at
    the top left, goes right, and turns inward.

    >>> spiral_order([[1, 2], [4, 3]])
    [1, 2, 3, 4]
    """
    b: list[int] = []
    while m:
        b += m[0]
        r: list[list[int]] = []
        for i in range(len(m[0])):
            c = [x[i] for x in m[1:]]
            r.insert(0, c)
        m = [x for x in r if x]
    return b


def inputs_spiral_order(rng: Random) -> tuple[list[list[int]]]:
    n = rng.randint(2, 3)
    return ([[rng.randint(0, 20) for _ in range(n)] for _ in range(rng.randint(2, 3))],)


def join_ranges(a: list[list[int]]) -> list[list[int]]:
    """Given a list a of ranges, each with its first and its last number, return the ranges in
    ascending order, those joined that share a number.

    >>> join_ranges([[5, 8], [1, 3], [2, 4]])
    [[1, 4], [5, 8]]
    """
    b: list[list[int]] = []
    for x, y in sorted(a):
        if b and x <= b[-1][1]:
            b[-1][1] = max(b[-1][1], y)
        else:
            b.append([x, y])
    return b


def inputs_join_ranges(rng: Random) -> tuple[list[list[int]]]:
    return ([[i, i + rng.randint(1, 6)] for i in rng.sample(range(20), rng.randint(3, 4))],)


def best_load(w: list[int], v: list[int], k: int) -> int:
    """Given the weights w and the values v of some things, return the largest value that things
    have together whose weights are not more than k in all.

    >>> best_load([3, 4, 2], [5, 6, 3], 6)
    9
    """
    b = [0] * (k + 1)
    for i in range(len(w)):
        for j in range(k, w[i] - 1, -1):
            b[j] = max(b[j], b[j - w[i]] + v[i])
    return b[k]


def inputs_best_load(rng: Random) -> tuple[list[int], list[int], int]:
    w = [rng.randint(2, 5) for _ in range(3)]
    return w, [rng.randint(1, 15) for _ in range(3)], rng.randint(5, 7)


def fewest_coins(c: list[int], n: int) -> list[int]:
    """Given the coins c that there are, the 1 among them, and an amount n, return the fewest coins
    that make n; of several ways, the one that ends with the earliest coin of c.

    >>> fewest_coins([1, 4, 5], 8)
    [4, 4]
    """
    b: list[list[int]] = [[]]
    for i in range(1, n + 1):
        t = [1] * i
        for x in c:
            if x <= i and len(b[i - x]) + 1 < len(t):
                t = [*b[i - x], x]
        b.append(t)
    return b[n]


def inputs_fewest_coins(rng: Random) -> tuple[list[int], int]:
    return [1, *sorted(rng.sample(range(2, 10), 2))], rng.randint(4, 7)


def circle_order(n: int, k: int) -> list[int]:
    """Given n people in a circle, numbered from 1, of whom every k-th leaves until none is there,
    return the numbers in the order of leaving.

    >>> circle_order(4, 3)
    [3, 2, 4, 1]
    """
    a = list(range(1, n + 1))
    b: list[int] = []
    i = 0
    while a:
        i = (i + k - 1) % len(a)
        b.append(a.pop(i))
    return b


def inputs_circle_order(rng: Random) -> tuple[int, int]:
    return rng.randint(4, 7), rng.randint(2, 30)


def table_product(a: list[list[int]], b: list[list[int]]) -> list[list[int]]:
    """Given two tables a and b as lists of rows, return their matrix product.

    >>> table_product([[1, 2], [3, 0]], [[4, 1], [2, 5]])
    [[8, 11], [12, 3]]
    """
    c = []
    for r in a:
        d = []
        for j in range(len(b[0])):
            s = 0
            for i in range(len(b)):
                s += r[i] * b[i][j]
            d.append(s)
        c.append(d)
    return c


def inputs_table_product(rng: Random) -> tuple[list[list[int]], list[list[int]]]:
    a = [[rng.randint(0, 6) for _ in range(2)] for _ in range(2)]
    return a, [[rng.randint(0, 6) for _ in range(2)] for _ in range(2)]
