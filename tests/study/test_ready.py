"""Ready stages come in the order that looking at all of them would give."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from study.ready import CohortKey, Rank, ReadyStages

BASES = ("x", "y")
Places = dict[str, tuple[Rank, str, CohortKey | None]]

places = st.tuples(st.integers(-2, 0), st.integers(-2, 0), st.sampled_from(BASES), st.booleans())
puts = st.tuples(st.just("put"), st.integers(0, 7), places)
removals = st.tuples(st.just("remove"), st.integers(0, 7), st.none())
takes = st.tuples(st.just("take"), st.integers(1, 3), st.sampled_from([*BASES, None]))


def plainly_taken(ready: Places, base: str | None, at_most: int) -> list[str]:
    def rank(name: str) -> tuple[int, bool, int, int]:
        (wanted, *rest), own, _ = ready[name]
        return (wanted, own != base, *rest)

    in_order = sorted(ready, key=rank)
    if not in_order or ready[in_order[0]][2] is None:
        return in_order[:1]
    key = ready[in_order[0]][2]
    return [name for name in in_order if ready[name][2] == key][:at_most]


@given(st.lists(st.one_of(puts, removals, takes), max_size=40))
def test_cohorts_are_those_of_a_plain_sort(events: list[tuple[str, int, object]]) -> None:
    plain: Places = {}
    ready = ReadyStages()
    for what, number, detail in events:
        name = str(number)
        if what == "put":
            wanted, depth, base, together = detail  # type: ignore[misc]
            key = (base, number % 2) if together else None
            plain[name] = ((wanted, depth, number), base, key)
            ready.put(name, *plain[name])
        elif what == "remove":
            plain.pop(name, None)
            ready.remove(name)
        else:
            cohort = plainly_taken(plain, detail, number)  # type: ignore[arg-type]
            assert ready.take(detail, number) == cohort  # type: ignore[arg-type]
            for taken in cohort:
                del plain[taken]
