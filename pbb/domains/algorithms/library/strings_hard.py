"""Hard programs on strings: tables over two words, recursion, a small calculator."""

from random import Random


def longest_common_part(s: str, t: str) -> str:
    """Given two words s and t, take letters out of both so that they become the same word, and
    return the longest such word; of several, the one found first from the ends of both.

    >>> longest_common_part("cabd", "abcd")
    'abd'
    """
    if s == "" or t == "":
        return ""
    if s[-1] == t[-1]:
        return longest_common_part(s[:-1], t[:-1]) + s[-1]
    a = longest_common_part(s[:-1], t)
    b = longest_common_part(s, t[:-1])
    if len(b) > len(a):
        return b
    return a


def inputs_longest_common_part(rng: Random) -> tuple[str, str]:
    s, t = ("".join(rng.choices("abcd", k=rng.randint(2, 4))) for _ in range(2))
    return s, t


def border_lengths(s: str) -> list[int]:
    """Given a word s, return for each of its beginnings the length of the longest shorter word with
    which that beginning both begins and ends.

    >>> border_lengths("abab")
    [0, 0, 1, 2]
    """
    b = [0]
    k = 0
    for i in range(1, len(s)):
        while k > 0 and s[i] != s[k]:
            k = b[k - 1]
        if s[i] == s[k]:
            k += 1
        b.append(k)
    return b


def inputs_border_lengths(rng: Random) -> tuple[str]:
    return ("".join(rng.choices("ab", k=rng.randint(5, 7))),)


def postfix_value(a: list[str]) -> int:
    """Given a list a of numbers and signs as texts, where each sign stands after the two values
    that it joins, return the value of the whole.

    >>> postfix_value(["4", "3", "2", "*", "-"])
    -2
    """
    b: list[int] = []
    for c in a:
        if c.isdigit():
            b.append(int(c))
        else:
            y = b.pop()
            x = b.pop()
            if c == "+":
                b.append(x + y)
            elif c == "-":
                b.append(x - y)
            else:
                b.append(x * y)
    return b[0]


def inputs_postfix_value(rng: Random) -> tuple[list[str]]:
    a, k = [str(rng.randint(1, 9))], 1
    for _ in range(rng.randint(2, 3)):
        a.append(str(rng.randint(1, 9)))
        k += 1
        while k > 1 and rng.random() < 0.6:
            a.append(rng.choice("+-*"))
            k -= 1
    return ([*a, *rng.choices("+-*", k=k - 1)],)


def longest_mirror(s: str) -> str:
    """Given a word s, return its longest part that reads the same from both ends; of several such,
    the first.

    >>> longest_mirror("cabbad")
    'abba'
    """
    b = ""
    for i in range(len(s)):
        for j in range(i + len(b) + 1, len(s) + 1):
            t = s[i:j]
            if t == t[::-1] and len(t) > len(b):
                b = t
    return b


def inputs_longest_mirror(rng: Random) -> tuple[str]:
    a = rng.choices("abcd", k=rng.randint(1, 2))
    b = rng.choices("abcdefgh", k=rng.randint(0, 1))
    rest = [rng.choice("abcdefgh") for _ in range(rng.randint(1, 2))]
    s = [*a, *b, *a[::-1]]
    return ("".join(rest + s if rng.random() < 0.5 else s + rest),)


def word_at_place(s: str, k: int) -> str:
    """Given the letters s in alphabetical order and a number k, return the word that has k words
    before it when all words that use every letter of s once are ordered.

    >>> word_at_place("abc", 3)
    'bca'
    """
    p = 1
    for i in range(2, len(s)):
        p *= i
    t = ""
    for n in range(len(s) - 1, -1, -1):
        j = k // p
        k %= p
        t += s[j]
        s = s[:j] + s[j + 1 :]
        p //= max(n, 1)
    return t


def inputs_word_at_place(rng: Random) -> tuple[str, int]:
    return "".join(sorted(rng.sample("abcdefgh", 4))), rng.randint(1, 23)


def edit_steps(s: str, t: str) -> list[int]:
    """Given two words s and t, return for each beginning of t, the empty one too, the least number
    of letters to put in, take out or change that makes s of it.

    >>> edit_steps("ab", "cb")
    [2, 2, 1]
    """
    b = list(range(len(t) + 1))
    for i in range(len(s)):
        d = [i + 1]
        for j in range(len(t)):
            x = b[j]
            if s[i] != t[j]:
                x = 1 + min(b[j], b[j + 1], d[j])
            d.append(x)
        b = d
    return b


def inputs_edit_steps(rng: Random) -> tuple[str, str]:
    s, t = ("".join(rng.choices("abcd", k=rng.randint(2, 3))) for _ in range(2))
    return s, t
