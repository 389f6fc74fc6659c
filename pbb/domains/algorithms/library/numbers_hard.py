"""Hard programs on whole numbers."""

from random import Random


def primes_between(a: int, b: int) -> list[int]:
    """Given a and b, return the list of the prime numbers from a up to b, without b. Cross out the
    multiples of each number that is not crossed out yet.

    >>> primes_between(4, 12)
    [5, 7, 11]
    """
    d: list[int] = []
    p = []
    for i in range(2, b):
        if i not in d:
            d += range(i * i, b, i)
            if i >= a:
                p.append(i)
    return p


def inputs_primes_between(rng: Random) -> tuple[int, int]:
    a = rng.randint(2, 24)
    return a, a + rng.randint(3, 10)


def bezout_numbers(a: int, b: int) -> list[int]:
    """Given a and b, return the greatest number that divides both, and two numbers such that the
    first times a plus the second times b is that number, as the method of dividing in turn gives
    them.

    >>> bezout_numbers(12, 18)
    [6, -1, 1]
    """
    x, y = 1, 0
    u, v = 0, 1
    while b > 0:
        q = a // b
        a, b = b, a - q * b
        x, u = u, x - q * u
        y, v = v, y - q * v
    return [a, x, y]


def inputs_bezout_numbers(rng: Random) -> tuple[int, int]:
    c = rng.randint(1, 4)
    return c * rng.randint(3, 25), c * rng.randint(3, 25)


def roman_numeral(n: int) -> str:
    """Given a number n, return it written in Roman numerals, in small letters.

    >>> roman_numeral(49)
    'xlix'
    """
    a = [100, 90, 50, 40, 10, 9, 5, 4, 1]
    b = ["c", "xc", "l", "xl", "x", "ix", "v", "iv", "i"]
    t = ""
    for i in range(len(a)):
        while n >= a[i]:
            t += b[i]
            n -= a[i]
    return t


def inputs_roman_numeral(rng: Random) -> tuple[int]:
    return (rng.randint(4, 299),)


def continued_fraction(a: int, b: int) -> list[int]:
    """Given a and b, divide a by b in whole numbers, then b by the rest, then that rest by the next
    one and so on until no rest is left, and return the list of the quotients.

    >>> continued_fraction(43, 19)
    [2, 3, 1, 4]
    """
    c = []
    while b > 0:
        c.append(a // b)
        a, b = b, a % b
    return c


def inputs_continued_fraction(rng: Random) -> tuple[int, int]:
    return rng.randint(10, 99), rng.randint(5, 60)


def remainder_puzzle(a: int, m: int, b: int, n: int) -> int:
    """Given a, m, b and n, where no number above 1 divides both m and n, return the smallest number
    that leaves a when divided by m and b when divided by n.

    >>> remainder_puzzle(2, 3, 3, 5)
    8
    """
    x = a
    while x % n != b:
        x += m
    return x


def inputs_remainder_puzzle(rng: Random) -> tuple[int, int, int, int]:
    m, n = rng.choice([(3, 5), (4, 7), (5, 8), (7, 9), (8, 11), (9, 10), (6, 11)])
    return rng.randrange(m), m, rng.randrange(n), n
