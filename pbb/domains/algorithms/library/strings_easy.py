"""Easy programs on short words: one loop over the letters."""

from random import Random


def _word(rng: Random, size: int) -> str:
    return "".join(rng.choice("abcdefghij") for _ in range(size))


def _any_word(rng: Random) -> str:
    return _word(rng, rng.randint(3, 5))


def reverse_word(s: str) -> str:
    """Given a word s, return its letters in reverse order.

    >>> reverse_word("cab")
    'bac'
    """
    t = ""
    for c in s:
        t = c + t
    return t


def inputs_reverse_word(rng: Random) -> tuple[str]:
    return (_any_word(rng),)


def letter_total(s: str) -> int:
    """Given a word s, count 1 for each a, 2 for each b, 3 for each c and so on, and return the sum.

    >>> letter_total("cab")
    6
    """
    n = 0
    for c in s:
        n += ord(c) - 96
    return n


def inputs_letter_total(rng: Random) -> tuple[str]:
    return (_any_word(rng),)


def double_letters(s: str) -> str:
    """Given a word s, return the word in which every letter stands twice.

    >>> double_letters("cab")
    'ccaabb'
    """
    t = ""
    for c in s:
        t += c + c
    return t


def inputs_double_letters(rng: Random) -> tuple[str]:
    return (_word(rng, rng.randint(2, 4)),)


def drop_vowels(s: str) -> str:
    """Given a word s, return what is left of it without the letters a, e, i, o and u.

    >>> drop_vowels("cabe")
    'cb'
    """
    t = ""
    for c in s:
        if c not in "aeiou":
            t += c
    return t


def inputs_drop_vowels(rng: Random) -> tuple[str]:
    return (_any_word(rng),)


def replace_letter(s: str, a: str, b: str) -> str:
    """Given a word s and two letters a and b, return the word with b in place of every a.

    >>> replace_letter("cabc", "c", "d")
    'dabd'
    """
    t = ""
    for c in s:
        if c == a:
            c = b
        t += c
    return t


def inputs_replace_letter(rng: Random) -> tuple[str, str, str]:
    s = _any_word(rng)
    return s, rng.choice(s), _word(rng, 1)


def every_second(s: str) -> str:
    """Given a word s, return the word made of its first letter, its third, its fifth and so on.

    >>> every_second("cabde")
    'cbe'
    """
    t = ""
    for i in range(0, len(s), 2):
        t += s[i]
    return t


def inputs_every_second(rng: Random) -> tuple[str]:
    return (_word(rng, rng.randint(3, 6)),)


def letters_before(s: str, k: str) -> str:
    """Given a word s and a letter k, return the letters of s that come before k in the alphabet, in
    the order of the word.

    >>> letters_before("fabd", "d")
    'ab'
    """
    t = ""
    for c in s:
        if c < k:
            t += c
    return t


def inputs_letters_before(rng: Random) -> tuple[str, str]:
    return _any_word(rng), rng.choice("defgh")


def mirror_word(s: str) -> str:
    """Given a word s, put its letters in reverse order before the word itself and return both.

    >>> mirror_word("cab")
    'baccab'
    """
    t = s
    for c in s:
        t = c + t
    return t


def inputs_mirror_word(rng: Random) -> tuple[str]:
    return (_word(rng, rng.randint(2, 4)),)


def weave_words(s: str, t: str) -> str:
    """Given two words s and t of equal length, return the word that takes letters from s and t in
    turn.

    >>> weave_words("cab", "def")
    'cdaebf'
    """
    u = ""
    for i in range(len(s)):
        u += s[i] + t[i]
    return u


def inputs_weave_words(rng: Random) -> tuple[str, str]:
    n = rng.randint(2, 3)
    return _word(rng, n), _word(rng, n)


def put_between(s: str, k: str) -> str:
    """Given a word s and a letter k, return the word with k between any two letters next to each
    other.

    >>> put_between("cab", "j")
    'cjajb'
    """
    t = s[0]
    for i in range(1, len(s)):
        t += k + s[i]
    return t


def inputs_put_between(rng: Random) -> tuple[str, str]:
    return _word(rng, rng.randint(2, 4)), _word(rng, 1)
