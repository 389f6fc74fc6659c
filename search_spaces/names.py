"""What a study may be called: its folder is."""

from __future__ import annotations

import re
from typing import Final

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
RESERVED: Final = re.compile(r"(stages|(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?|.*\.)")
"""The stages' own folder, and names that Windows gives to devices or cannot write."""


def is_study_name(name: str) -> bool:
    """Whether a study may be called so, and with it a folder."""
    return bool(NAME.fullmatch(name)) and not RESERVED.fullmatch(name)
