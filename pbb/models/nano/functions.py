"""Random small Python functions over lists, words, numbers and edges: one loop, few statements.

What the nano bases read so that they can follow the easy tier of `algorithms`, none of which they
read. `SyntheticFunctions.drafts` runs each proposal and drops the unfair ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeVar

import numpy as np

T = TypeVar("T")

INDENT: Final = "    "
_SECOND_STATEMENT: Final = 0.15
_SECOND_ACCUMULATOR: Final = 0.15
_ELSE: Final = 0.3


@dataclass(frozen=True)
class Proposal:
    """A function's parameters and body (indented lines), and what draws arguments for it."""

    parameters: str
    body: str
    arguments: Callable[[np.random.Generator], tuple[object, ...]]


@dataclass(frozen=True)
class Scope:
    """What a loop's body can use: the element's forms first, then everything else of the type.

    before, within: lines that stand before the loop, and at the end of its body.
    """

    header: str
    before: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    letters: tuple[str, ...] = ()
    also_numbers: tuple[str, ...] = ()
    also_letters: tuple[str, ...] = ()
    within: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()


def propose(rng: np.random.Generator) -> Proposal:
    """One random function; it may well fail, or compute nothing of interest."""
    kinds = (_on_list, _on_word, _on_numbers, _on_edges)
    return kinds[int(rng.choice(len(kinds), p=(0.36, 0.28, 0.22, 0.14)))](rng)


def _pick(options: Sequence[T], rng: np.random.Generator) -> T:
    return options[int(rng.integers(len(options)))]


def _small(rng: np.random.Generator, low: int = 1, high: int = 9) -> str:
    return str(int(rng.integers(low, high + 1)))


# --- kinds of arguments


def _number_list(rng: np.random.Generator) -> list[int]:
    return [int(n) for n in rng.integers(0, 21, size=int(rng.integers(3, 6)))]


def _word(rng: np.random.Generator, low: int = 3, high: int = 5) -> str:
    size = int(rng.integers(low, high + 1))
    return "".join("abcdefghij"[i] for i in rng.integers(10, size=size))


def _on_list(rng: np.random.Generator) -> Proposal:
    keyed = rng.random() < 0.45
    also = ("k",) if keyed else ()
    scopes = (
        Scope("for x in a:", numbers=("x",), also_numbers=also, taken=("a", "k", "x")),
        Scope("for x in a:", numbers=("x",), also_numbers=also, taken=("a", "k", "x")),
        Scope(
            "for i in range(len(a)):",
            numbers=("a[i]",),
            also_numbers=("i", *also),
            taken=("a", "k"),
        ),
        Scope(
            "for i in range(0, len(a), 2):", numbers=("a[i]",), also_numbers=also, taken=("a", "k")
        ),
        Scope(
            "for i in range(1, len(a)):",
            numbers=("a[i]",),
            also_numbers=("a[i - 1]", "a[i - 1]", *also),
            taken=("a", "k"),
        ),
        Scope(
            "for x in a:",
            before=("p = 1",),
            numbers=("x", "p * x"),
            also_numbers=("p", *also),
            within=(f"p = {_pick(('-p', '-p', 'p + 1', 'p * 2', '1 - p'), rng)}",),
            taken=("a", "k", "x", "p"),
        ),
    )
    if keyed and rng.random() < 0.15:
        return _turning(rng)
    starts = ("0", "0", "a[0]", *(("k",) if keyed else ("1",)))
    body = _loop(_pick(scopes, rng), starts, ('""',), rng)

    def arguments(rng: np.random.Generator) -> tuple[object, ...]:
        return (_number_list(rng), *((int(rng.integers(2, 15)),) if keyed else ()))

    return Proposal("a, k" if keyed else "a", body, arguments)


def _turning(rng: np.random.Generator) -> Proposal:
    """A list rebuilt from its own parts, k times."""
    move = _pick(
        (
            "a = a[1:] + a[:1]",
            "a = a[-1:] + a[:-1]",
            "a = a[1:] + [a[0] + {c}]",
            "a = [a[-1]] + a[:-1]",
            "a = a[1:]",
            "a = a[1:] + [{c}]",
            "a = [a[0] + a[1]] + a[1:]",
            "a = a[2:] + a[:2]",
        ),
        rng,
    ).format(c=_small(rng))
    lines = ["for i in range(k):", INDENT + move]
    if rng.random() < 0.4:
        lines = ["s = 0", *lines, f"{INDENT}s += {_pick(('a[0]', 'a[-1]', 'a[0] * i'), rng)}"]
        lines.append(_pick(("return s", "return [s, a[0]]", "return a + [s]"), rng))
    else:
        lines.append(_pick(("return a", "return a[0]", "return a[::-1]", "return a[-1]"), rng))

    def arguments(rng: np.random.Generator) -> tuple[object, ...]:
        a = _number_list(rng)
        return a, int(rng.integers(1, len(a)))

    return Proposal("a, k", _indented(lines), arguments)


def _on_word(rng: np.random.Generator) -> Proposal:
    kind = _pick(("plain", "plain", "keyed", "keyed", "pair", "swap"), rng)
    also = {"plain": (), "keyed": ("k",), "pair": ("t[i]",), "swap": ("a", "b")}[kind]
    taken = ("s", "k", "t", "a", "b", "c")
    each = Scope("for c in s:", letters=("c",), also_letters=also, taken=taken)
    placed = Scope(
        "for i in range(len(s)):",
        letters=("s[i]",),
        also_letters=also,
        also_numbers=("i",),
        taken=taken,
    )
    after = Scope(
        "for i in range(1, len(s)):",
        letters=("s[i]",),
        also_letters=("s[i - 1]", *also),
        taken=taken,
    )
    second = Scope(
        "for i in range(0, len(s), 2):", letters=("s[i]",), also_letters=also, taken=taken
    )
    options = (placed, after) if kind == "pair" else (each, each, each, placed, after, second)
    starts = ('""', '""', '""', "s", "s[0]", *(also if kind == "keyed" else ()))
    body = _loop(_pick(options, rng), ("0", "0", "1"), starts, rng)

    def arguments(rng: np.random.Generator) -> tuple[object, ...]:
        s = _word(rng)
        within = s[int(rng.integers(len(s)))]
        return {
            "plain": (s,),
            "keyed": (s, _pick((within, _word(rng, 1, 1)), rng)),
            "pair": (s, _word(rng, len(s), len(s))),
            "swap": (s, within, _word(rng, 1, 1)),
        }[kind]

    parameters = {"plain": "s", "keyed": "s, k", "pair": "s, t", "swap": "s, a, b"}[kind]
    return Proposal(parameters, body, arguments)


def _on_edges(rng: np.random.Generator) -> Proposal:
    kind = _pick(("pairs", "keyed", "keyed", "weights", "places", "walk"), rng)
    if kind == "walk":
        return _walking(rng)
    scope = {
        "pairs": Scope("for x, y in e:", numbers=("x", "y"), also_numbers=("x", "y")),
        "keyed": Scope("for x, y in e:", numbers=("x", "y"), also_numbers=("k", "k", "y", "x")),
        "weights": Scope(
            "for x, y, w in e:", numbers=("w", "x", "y"), also_numbers=("k", "k", "x", "y")
        ),
        "places": Scope(
            "for x, y in e:", numbers=("a[x]", "a[y]"), also_numbers=("a[y]", "a[x]", "x")
        ),
    }[kind]
    scope = replace(scope, taken=tuple("aekxyw"))
    body = _loop(scope, ("0", "0", "1"), (), rng)

    def arguments(rng: np.random.Generator) -> tuple[object, ...]:
        nodes = 3 if kind == "places" else 6
        pairs = [[i, j] for i in range(nodes) for j in range(nodes) if i != j]
        picks = rng.choice(len(pairs), size=int(rng.integers(2, 5)), replace=False)
        edges = [pairs[int(i)] for i in picks]
        key = int(_pick(_pick(edges, rng), rng))
        if kind == "weights":
            weights = rng.integers(1, 21, size=3)
            return [[*p, int(w)] for p, w in zip(edges[:3], weights, strict=False)], key
        if kind == "places":
            return [int(n) for n in rng.choice(21, size=nodes, replace=False)], edges[:3]
        return (edges, key) if kind == "keyed" else (edges[:3],)

    parameters = {"pairs": "e", "keyed": "e, k", "weights": "e, k", "places": "a, e"}[kind]
    return Proposal(parameters, body, arguments)


def _walking(rng: np.random.Generator) -> Proposal:
    """From place to place along a list that says which place comes next."""
    update = _pick(
        ("b.append({v})", "b.insert(0, {v})", "s += {v}", "s += i * {c}", "b.append({v} + {c})"),
        rng,
    ).format(v=_pick(("i", "a[i]", "i + j", "j - i"), rng), c=_small(rng, 2, 5))
    name = update[0]
    move = _pick(("i = a[i]", "i = a[i]", "i = a[a[i]]", "i = a[i - 1]"), rng)
    steps = [move, update] if rng.random() < 0.6 else [update, move]
    start = "[]" if name == "b" else _pick(("0", "i", "k"), rng)
    ends = (f"return {name}",) * 3 + (
        (f"return {name} + [i]",) if name == "b" else (f"return [{name}, i]",)
    )
    lines = [f"{name} = {start}", "for j in range(k):", *(INDENT + step for step in steps)]
    lines.append(_pick(ends, rng))

    def arguments(rng: np.random.Generator) -> tuple[object, ...]:
        n = int(rng.integers(4, 6))
        return (
            [int(i) for i in rng.integers(n, size=n)],
            int(rng.integers(n)),
            int(rng.integers(2, 5)),
        )

    return Proposal("a, i, k", _indented(lines), arguments)


def _on_numbers(rng: np.random.Generator) -> Proposal:
    return _pick((_counted, _between, _worn_down, _digits, _pair_of_numbers), rng)(rng)


def _counted(rng: np.random.Generator) -> Proposal:
    """k times something is done to n."""
    c, d = _small(rng, 2, 5), _small(rng)
    step = (
        f"n += {c}",
        f"n -= {d}",
        f"n = {c} * n + {d}",
        f"n = n * {c} % {_small(rng, 11, 29)}",
        "n += i",
        "n += i * i",
        f"n = abs(n - {d})",
        "n //= 2",
        f"n = {d} * i - n",
    )
    lines = ["for i in range(k):"]
    if rng.random() < 0.6:
        lines += [
            f"{INDENT}if {_number_test('n', ('i', 'k'), rng)}:",
            INDENT * 2 + _pick(step, rng),
        ]
        if rng.random() < 0.7:
            lines += [f"{INDENT}else:", INDENT * 2 + _pick(step, rng)]
    else:
        lines += [INDENT + _pick(step, rng)]
    if rng.random() < 0.4:
        lines = ["s = 0", *lines, f"{INDENT}s += n", _pick(("return s", "return [s, n]"), rng)]
    else:
        lines.append(_pick(("return n", "return n", f"return n % {_small(rng, 3, 9)}"), rng))

    def arguments(rng: np.random.Generator) -> tuple[object, ...]:
        return int(rng.integers(2, 21)), int(rng.integers(2, 6))

    return Proposal("n, k", _indented(lines), arguments)


def _between(rng: np.random.Generator) -> Proposal:
    """Over the numbers from a to b."""
    scope = Scope(
        "for i in range(a, b):", numbers=("i",), also_numbers=("a", "b"), taken=("a", "b", "i")
    )
    body = _loop(scope, ("0", "0", "1", "a", "b"), (), rng)

    def arguments(rng: np.random.Generator) -> tuple[object, ...]:
        a = int(rng.integers(0, 15))
        return a, a + int(rng.integers(2, 6))

    return Proposal("a, b", body, arguments)


def _worn_down(rng: np.random.Generator) -> Proposal:
    """While n is large enough, k is taken from it."""
    test = _pick(("n > 0", "n >= k", "n > k", "n >= 0"), rng)
    scope = Scope(
        f"while {test}:", numbers=("n",), also_numbers=("k",), within=("n -= k",), taken=("n", "k")
    )
    body = _loop(scope, ("0", "0", "0", "1", "k"), (), rng, also=("n",))

    def arguments(rng: np.random.Generator) -> tuple[object, ...]:
        k = int(rng.integers(2, 9))
        return int(rng.integers(k, 5 * k)), k

    return Proposal("n, k", body, arguments)


def _digits(rng: np.random.Generator) -> Proposal:
    """The digits of n, in some base, from the last."""
    base = _pick(("10", "10", "2", "3", "4", "5"), rng)
    scope = Scope(
        "while n > 0:",
        numbers=(f"n % {base}",),
        also_numbers=("n",),
        within=(f"n //= {base}",),
        taken=("n",),
    )
    body = _loop(scope, ("0", "0", "0", "1"), (), rng)
    high = {"10": 100, "2": 20}.get(base, 70)

    def arguments(rng: np.random.Generator) -> tuple[object, ...]:
        return (int(rng.integers(5, high)),)

    return Proposal("n", body, arguments)


def _pair_of_numbers(rng: np.random.Generator) -> Proposal:
    """Two numbers that step on together."""
    c = _small(rng, 1, 5)
    step = _pick(
        (
            "a, b = b, a + b",
            "a, b = b, abs(a - b)",
            f"a, b = b, a + {c}",
            f"a, b = b + {c}, a",
            "a, b = a + b, a",
            f"a, b = b, b - a + {c}",
            f"a, b = b, {c} * a",
            "a, b = b, max(a, b) - a",
        ),
        rng,
    )
    lines = ["for i in range(k):", INDENT + step]
    parameters = "a, b, k"
    if rng.random() < 0.35:
        rest = _pick(("a % b", "a % b", "a // 2 % b", f"(a + {c}) % b"), rng)
        lines = ["while b > 0:", f"{INDENT}a, b = b, {rest}"]
        parameters = "a, b"
    if rng.random() < 0.4:
        gain = _pick(("1", "a", "b", f"{c}"), rng)
        lines = ["s = 0", *lines, f"{INDENT}s += {gain}", _pick(("return s", "return [a, s]"), rng)]
    else:
        lines.append(_pick(("return a", "return b", "return [a, b]", "return a + b"), rng))

    def arguments(rng: np.random.Generator) -> tuple[object, ...]:
        if parameters == "a, b":
            return int(rng.integers(5, 61)), int(rng.integers(3, 41))
        return int(rng.integers(0, 13)), int(rng.integers(0, 13)), int(rng.integers(2, 6))

    return Proposal(parameters, _indented(lines), arguments)


# --- loops that gather


def _loop(
    scope: Scope,
    starts: Sequence[str],
    word_starts: Sequence[str],
    rng: np.random.Generator,
    also: Sequence[str] = (),
) -> str:
    """Accumulators, a loop that updates them, and what is returned of them."""
    types = ["number", "list"] + (["word", "word"] if scope.letters else ["number"])
    free = {
        "number": [n for n in ("s", "n", "m", "c", "p") if n not in scope.taken],
        "list": [n for n in ("b", "u", "r") if n not in scope.taken],
        "word": [n for n in ("t", "u", "w") if n not in scope.taken],
    }
    begins = {"number": starts, "list": ("[]",), "word": word_starts or ('""',)}
    kinds = [_pick(types, rng)]
    if rng.random() < _SECOND_ACCUMULATOR:
        kinds.append("number")
    held = [(kind, free[kind].pop(0)) for kind in kinds]
    lines = [*scope.before, *(f"{name} = {_pick(begins[kind], rng)}" for kind, name in held)]
    body = [line for kind, name in held for line in _step(kind, name, scope, rng)]
    if len(held) == 1 and rng.random() < _SECOND_STATEMENT:
        body += _step(*held[0], scope, rng)
    first = scope.within if rng.random() < 0.25 else ()
    last = () if first else scope.within
    lines += [scope.header, *(INDENT + line for line in (*first, *body, *last))]
    return _indented([*lines, f"return {_answer(held, also, rng)}"])


def _answer(held: Sequence[tuple[str, str]], also: Sequence[str], rng: np.random.Generator) -> str:
    kind, name = held[0]
    if len(held) == 2:
        other = held[1][1]
        both = {"number": f"[{name}, {other}]", "list": f"{name} + [{other}]"}
        apart = {"number": f"{name} - {other}", "list": f"{other}"}
        return _pick((both.get(kind, other), apart.get(kind, other)), rng)
    if also and rng.random() < 0.4:
        return f"[{name}, {also[0]}]" if kind == "number" else f"{name} + [{also[0]}]"
    whole = {
        "number": f"{name} % {_small(rng, 3, 9)}",
        "list": f"len({name})",
        "word": f"len({name})",
    }
    return name if rng.random() < 0.85 else whole[kind]


def _step(kind: str, name: str, scope: Scope, rng: np.random.Generator) -> list[str]:
    """One update, plain, under a condition, one of two, or up to a break."""
    update = _update(kind, name, scope, rng)
    draw = rng.random()
    if draw < 0.4:
        return [update]
    test = _test(scope, rng)
    if draw < 0.46 and not scope.within:
        if kind == "number" and scope.numbers and rng.random() < 0.5:
            most = _pick(("k",), rng) if "k" in scope.also_numbers else _small(rng, 12, 45)
            test = f"{name} + {scope.numbers[0]} > {most}"
        return [f"if {test}:", f"{INDENT}break", update]
    if draw < 0.54 and scope.header.startswith(("for x in", "for c in")):
        element = scope.header.split()[1]
        options = (
            scope.also_letters or ('"a"',) if scope.letters else (*scope.also_numbers, _small(rng))
        )
        return [f"if {test}:", f"{INDENT}{element} = {_pick(options, rng)}", update]
    lines = [f"if {test}:", INDENT + update]
    if rng.random() < _ELSE:
        lines += ["else:", INDENT + _update(kind, name, scope, rng)]
    return lines


def _update(kind: str, name: str, scope: Scope, rng: np.random.Generator) -> str:
    if kind == "word":
        letters = _letters(scope, rng)
        return _pick(
            (f"{name} += {letters}", f"{name} += {letters}", f"{name} = {letters} + {name}"), rng
        )
    value = _number(scope, rng)
    if kind == "list":
        if scope.letters and rng.random() < 0.4:
            value = _pick(scope.letters, rng)
        if len(scope.numbers) > 1 and rng.random() < 0.4:
            value = f"[{_pick(scope.also_numbers, rng)}, {_number(scope, rng)}]"
        return _pick((f"{name}.append({value})",) * 4 + (f"{name}.insert(0, {value})",), rng)
    plain = (f"{name} += {value}",) * 5 + (f"{name} += 1", f"{name} -= {value}")
    odd = (
        f"{name} = max({name}, {value})",
        f"{name} = min({name}, {value})",
        f"{name} = {value} - {name}",
        f"{name} = {name} * {_small(rng, 2, 3)} + {value}",
        f"{name} = {value}",
        f"{name} = abs({name} - {value})",
    )
    return _pick(plain + odd, rng)


def _number(scope: Scope, rng: np.random.Generator) -> str:
    """An expression over the element, for the most part a simple one."""
    if scope.letters:
        forms = [f"ord({_pick(scope.letters, rng)}) - 96", "1", _small(rng), *scope.also_numbers]
        return _pick(forms, rng)
    x = _pick(scope.numbers, rng)
    if rng.random() < 0.45:
        return x
    y = _pick(scope.also_numbers, rng) if scope.also_numbers and rng.random() < 0.7 else _small(rng)
    if x == y:
        y = _small(rng)
    bracketed = f"({x})" if " " in x else x
    return _pick(
        (
            f"{x} + {y}",
            f"{x} + {y}",
            f"{x} - {y}",
            f"{x} - {y}",
            f"{y} - {bracketed}",
            f"{bracketed} * {y}",
            f"{bracketed} * {_small(rng, 2, 3)}",
            f"{bracketed} % {_small(rng, 2, 9)}",
            f"{bracketed} // 2",
            f"abs({x} - {y})",
            f"min({x}, {y})",
            f"max({x}, {y})",
        ),
        rng,
    )


def _letters(scope: Scope, rng: np.random.Generator) -> str:
    x = _pick(scope.letters, rng)
    y = _pick(scope.also_letters, rng) if scope.also_letters else f'"{_pick("abcdefghij", rng)}"'
    return _pick((x, x, x, f"{x} + {y}", f"{y} + {x}", y, f"{x} + {x}"), rng)


def _test(scope: Scope, rng: np.random.Generator) -> str:
    if scope.letters:
        x = _pick(scope.letters, rng)
        if scope.also_numbers and rng.random() < 0.3:
            return _number_test(_pick(scope.also_numbers, rng), (), rng)
        y = (
            _pick(scope.also_letters, rng)
            if scope.also_letters
            else f'"{_pick("abcdefghij", rng)}"'
        )
        return _pick(
            (
                f'{x} in "aeiou"',
                f'{x} not in "aeiou"',
                f"{x} == {y}",
                f"{x} != {y}",
                f"{x} < {y}",
                f"{x} > {y}",
                f"ord({x}) % 2 == {_small(rng, 0, 1)}",
            ),
            rng,
        )
    test = _number_test(_pick(scope.numbers, rng), scope.also_numbers, rng)
    if rng.random() < 0.06:
        joint = _pick(("or", "and"), rng)
        test += f" {joint} {_number_test(_pick(scope.numbers, rng), scope.also_numbers, rng)}"
    return test


def _number_test(x: str, others: Sequence[str], rng: np.random.Generator) -> str:
    bracketed = f"({x})" if " " in x and "[" not in x else x
    if rng.random() < 0.4:
        m = _pick((2, 2, 2, 3, 4, 5), rng)
        return f"{bracketed} % {m} == {_small(rng, 0, m - 1)}"
    others = [y for y in others if y != x]
    y = _pick(others, rng) if others and rng.random() < 0.7 else _small(rng, 2, 12)
    return f"{x} {_pick(('<', '>', '<', '>', '<=', '>=', '==', '!='), rng)} {y}"


def _indented(lines: Sequence[str]) -> str:
    return "\n".join(INDENT + line for line in lines)
