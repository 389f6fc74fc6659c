"""Nonsense names spelled from syllables that every nano base has seen.

Names split into two halves that share none: one for the bases' library, one for studies.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Final

import numpy as np

SYLLABLES: Final[tuple[str, ...]] = tuple(
    """bal bek bim bor bux dal deg dip dov dul fam feb fil fon fup gad gel giz gom gur
    jav jek jin jop jul kab kem kiv kol kuz lam led lix lon lup mab mep mig mov muk
    nad nef nib nop nuz pak pel piv pog pur rab rek rim rog ruz sab seg siv sof suk
    tav tem tig tox tuz vab vek vim vol vuk zan zeb zil zog zur""".split()
)
SYLLABLES_PER_NAME: Final = 3


def is_library_name(name: str) -> bool:
    """A quarter of all names belongs to the bases' library; studies never use those."""
    return zlib.crc32(name.encode()) % 4 == 0


def fresh_names(rng: np.random.Generator, *, library: bool = False) -> Iterator[str]:
    """Distinct names for ever (there are about 300,000 for studies, 100,000 for the library)."""
    seen: set[str] = set()
    while True:
        name = "".join(SYLLABLES[i] for i in rng.integers(len(SYLLABLES), size=SYLLABLES_PER_NAME))
        if name not in seen and is_library_name(name) == library:
            seen.add(name)
            yield name
