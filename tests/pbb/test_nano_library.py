"""The library that the nano bases read: what is built is what they read when they were made."""

from __future__ import annotations

import pytest

from pbb.corpus import library_meanings
from pbb.models.nano.library import build_library


@pytest.mark.slow
def test_the_library_is_built_as_it_ships() -> None:
    """A study may hold every program but these: a draw more or less would let some in."""
    built = [each.program.draft.meaning for each in build_library()]
    assert len(set(built)) == len(built)
    assert set(built) == library_meanings()
