"""How documents, counts and checks are printed: in colour on a terminal, marked elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

from rich.text import Text

from study.cli_text import out, printable

if TYPE_CHECKING:  # these bring transformers, which takes seconds
    from pbb.domains.algorithms.checking import Usable
    from study.data_checks import Check
    from study.data_counts import KindCount
    from study.samples import Sample

OPENS: Final = "⟦"
CLOSES: Final = "⟧"
GIVEN_STYLE: Final = "dim"
LEARNT_STYLE: Final = "bold black on green"
RIGHT_STYLE: Final = "bold cyan"
LOSS: Final = "loss"


def show_sample(sample: Sample, evaluated: bool = False) -> None:
    """One document: what is given, then, marked, what carries the loss, or what would be right."""
    what = "expected" if evaluated else LOSS
    out.print(
        f"-- {sample.stage}: {sample.kind} "
        f"({sample.given_tokens} prompt + {sample.learnt_tokens} {what} tokens)"
    )
    given, learnt = (_lines(each) for each in (sample.given, sample.learnt))
    text = Text("   ")
    if out.is_terminal:
        text.append(given, GIVEN_STYLE)
        text.append(" " if evaluated else "")
        text.append(learnt, RIGHT_STYLE if evaluated else LEARNT_STYLE)
    else:
        text.append(f"{given}{' ' if evaluated else ''}{OPENS}{learnt}{CLOSES}")
    out.print(text)


def legend(evaluated: bool) -> None:
    """What the marks mean."""
    marked = "highlighted" if out.is_terminal else f"in {OPENS}{CLOSES}"
    out.print(f"{marked}: {'the answer expected' if evaluated else 'tokens that carry the loss'}")


def show_table(title: str, cells: Iterable[Sequence[str]]) -> None:
    """A heading and rows, aligned: the first column to the left, the others to the right."""
    rows = [[printable(cell) for cell in row] for row in cells]
    if not rows:
        return
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    out.print(title)
    for i, (first, *others) in enumerate(rows):
        right = "  ".join(c.rjust(w) for c, w in zip(others, widths[1:], strict=True))
        out.print(Text(f"  {first.ljust(widths[0])}  {right}", "bold" if i == 0 else ""))


def show_checks(checks: Iterable[Check]) -> None:
    """A line a check: how many were found of what must not be, and the first of them."""
    for check in checks:
        word = "ok" if check.ok else "WRONG"
        first = f", the first: {printable(check.example)}" if check.example else ""
        style = "green" if check.ok else "bold red"
        out.print(Text(f"  {word}: {check.found} {check.what}{first}", style))


def show_unknown(stage: str, rows: Iterable[KindCount]) -> None:
    """A line a kind that holds text which the base has no tokens for: no mistake by itself."""
    for row in rows:
        if row.example:
            told = f"{row.unknown:,} tokens that the tokenizer has no word for, the first in"
            text = printable(f"  NOTE: {stage}, {row.kind}: {told} {row.example[:60]!r}")
            out.print(Text(text, "yellow"))


def show_functions(rows: Sequence[Usable]) -> None:
    """A line a function: usable, or why not."""
    for row in rows:
        told = f"{row.answers} different answers" if row.usable else str(row.reason)
        if row.usable and row.unprosaic:
            told += f"; not as prose: {row.unprosaic}"
        word = "ok" if row.usable else "WRONG"
        text = printable(f"  {word}: {row.name}: {told}")
        out.print(Text(text, "green" if row.usable else "bold red"))


def _lines(text: str) -> str:
    return "\n   ".join(map(printable, text.split("\n")))
