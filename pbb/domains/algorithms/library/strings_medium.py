"""Programs of medium difficulty on strings: codes, orders, counts."""

from random import Random


def _word(rng: Random, letters: str, least: int, most: int) -> str:
    return "".join(rng.choices(letters, k=rng.randint(least, most)))


def encode_runs(s: str) -> str:
    """Given a word s, return the text that gives for each run of equal letters the letter and how
    often it stands there.

    >>> encode_runs("aabc")
    'a2b1c1'
    """
    t = ""
    i = 0
    while i < len(s):
        j = i
        while j < len(s) and s[j] == s[i]:
            j += 1
        t += s[i] + str(j - i)
        i = j
    return t


def inputs_encode_runs(rng: Random) -> tuple[str]:
    return ("".join(rng.choice("abcdefgh") * rng.randint(1, 3) for _ in range(3)),)


def decode_runs(s: str) -> str:
    """Given a text s of letters, each with a digit after it, return the word in which each letter
    stands as often as its digit says.

    >>> decode_runs("a2b1c1")
    'aabc'
    """
    t = ""
    for i in range(0, len(s), 2):
        t += s[i] * int(s[i + 1])
    return t


def inputs_decode_runs(rng: Random) -> tuple[str]:
    n = rng.randint(2, 4)
    return ("".join(rng.choice("abcdefgh") + str(rng.randint(1, 4)) for _ in range(n)),)


def caesar_shift(s: str, k: int) -> str:
    """Given a word s and a number k, return the word with each letter moved k places on in the
    alphabet, from z back to a.

    >>> caesar_shift("cabz", 3)
    'fdec'
    """
    t = ""
    for c in s:
        t += chr((ord(c) - 97 + k) % 26 + 97)
    return t


def inputs_caesar_shift(rng: Random) -> tuple[str, int]:
    return _word(rng, "abcdefghijklmnopqrstuvwxyz", 3, 6), rng.randint(1, 12)


def common_letters(s: str, t: str) -> str:
    """Given two words s and t, return the letters of s that are in t too, each once, in the order
    of s.

    >>> common_letters("cabac", "ace")
    'ca'
    """
    u = ""
    for c in s:
        if c in t and c not in u:
            u += c
    return u


def inputs_common_letters(rng: Random) -> tuple[str, str]:
    return _word(rng, "abcdefg", 5, 7), _word(rng, "abcdefg", 4, 6)


def order_letters(s: str) -> str:
    """Given a word s, return its letters in alphabetical order.

    >>> order_letters("cabac")
    'aabcc'
    """
    t = ""
    for c in s:
        i = 0
        while i < len(t) and t[i] <= c:
            i += 1
        t = t[:i] + c + t[i:]
    return t


def inputs_order_letters(rng: Random) -> tuple[str]:
    return (_word(rng, "abcdefghij", 3, 6),)


def bracket_depths(s: str) -> list[int]:
    """Given a text s of brackets, return for each opening bracket how many are open with it.

    >>> bracket_depths("(()())")
    [1, 2, 2]
    """
    k = 0
    b = []
    for c in s:
        if c == "(":
            k += 1
            b.append(k)
        else:
            k -= 1
    return b


def inputs_bracket_depths(rng: Random) -> tuple[str]:
    s, k = "", 0
    for i in range(rng.choice([8, 10, 12]), 0, -1):
        if k == 0 or (k < i and rng.random() < 0.55):
            s, k = s + "(", k + 1
        else:
            s, k = s + ")", k - 1
    return (s,)


def swap_pairs(s: str) -> str:
    """Given a word s, let its first and second letter change places, its third and fourth, and so
    on; a last letter alone stays. Return the word.

    >>> swap_pairs("cabde")
    'acdbe'
    """
    t = ""
    for i in range(0, len(s) - 1, 2):
        t += s[i + 1] + s[i]
    if len(s) % 2 == 1:
        t += s[-1]
    return t


def inputs_swap_pairs(rng: Random) -> tuple[str]:
    return (_word(rng, "abcdefghij", 3, 7),)
