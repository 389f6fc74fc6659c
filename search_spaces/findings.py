"""The findings F1 to F12 that a study may test, each with a template of claims."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter

from pbb.config import Frozen
from search_spaces.claims import FINDINGS, Claim
from search_spaces.yaml12 import read_yaml

_FILE: Final = Path(__file__).with_name("findings.yaml")


class Finding(Frozen):
    """statement: what was found; contrast: what decides it; needs: what a study must run.

    claims: to copy into a study file.
    """

    statement: str
    contrast: str
    needs: str
    claims: tuple[Claim, ...]


@lru_cache(maxsize=1)
def findings() -> dict[str, Finding]:
    """Every finding by name, F1 to F12."""
    data = read_yaml(_FILE.read_text("utf-8"), str(_FILE)).data
    found = TypeAdapter(dict[str, Finding]).validate_json(json.dumps(data), strict=True)
    return {name: found[name] for name in FINDINGS}
