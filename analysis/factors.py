"""The column `factors`: canonical JSON of what was varied and has no column of its own.

Settings of the domain are its keys `domain_<field>`: they say which programs were asked. Keys of
some arms alone say how demonstrations were drawn, or what was repeated beside target documents;
arms that they do not apply to join every value in a comparison.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from pbb.config import DEMONSTRATED_ARMS, REVEALING_ARMS
from search_spaces.claims import coded
from search_spaces.factors import REPLAYING, RETROACTIVE

OF_ARMS: Final[Mapping[str, frozenset[str]]] = {
    "skew": frozenset(DEMONSTRATED_ARMS),
    "replay": frozenset(REVEALING_ARMS),
    "replay_source": frozenset(REVEALING_ARMS) | {"none"},
}
"""Key -> the arms that it applies to. Arm `none` reads replay alone, whatever its share."""

_OF_CURRICULA: Final = {"replay": REPLAYING | RETROACTIVE, "replay_source": REPLAYING}

UNSAID: Final[Mapping[str, Any]] = {"skew": 0, "replay": None, "replay_source": "stage1"}
"""What keys of OF_ARMS are where rows do not say, in the arms that they apply to."""

EXECUTIONS: Final = "acquisition_demonstrations"
"""Executions of each acquisition program that training could draw on; all where not said."""

DOMAIN: Final = "domain_"
"""What the key of a domain's setting begins with."""

PATHS: Final = "domain_paths"
"""Execution paths that the study asked of its programs; claims call them `paths`."""


def laid_open(text: Any) -> dict[str, Any]:
    """The JSON object; empty where the text is none, as in files from elsewhere."""
    try:
        data = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def applies(key: str, arm: str, curriculum: str) -> bool:
    """Whether a key of OF_ARMS says anything of a run."""
    curricula = _OF_CURRICULA.get(key)
    return arm in OF_ARMS[key] and (curricula is None or curriculum in curricula)


def split_arms(text: str) -> tuple[str, dict[str, Any]]:
    """The text without the keys of some arms alone, and these with their values."""
    data = laid_open(text)
    found = {name: data.pop(name) for name in OF_ARMS if name in data}
    return (_text(data) if found else text), found


def without(text: Any, key: str) -> str:
    """The text without a key; unchanged where it lacks it."""
    data = laid_open(text)
    if key not in data:
        return str(text)
    return _text({name: value for name, value in data.items() if name != key})


def joined(text: str, values: Mapping[str, Any]) -> str:
    """The text with these keys besides; unchanged where there are none."""
    return _text(laid_open(text) | dict(values)) if values else text


def split_paths(text: Any) -> tuple[int | None, str]:
    """The paths asked of the generator (null where not said), and all the rest."""
    data = laid_open(text)
    paths = data.pop(PATHS, None)
    if type(paths) is not int:
        return None, str(text)
    return paths, json.dumps(data, sort_keys=True)


def domain_settings(text: Any) -> dict[str, Any]:
    """The settings of the domain, the paths among them."""
    return {key: value for key, value in laid_open(text).items() if key.startswith(DOMAIN)}


def program_space(factors: Mapping[str, Any]) -> str:
    """What tells sets of programs apart, though a study gives them the same names.

    factors: of a comparison. Programs of other settings of the domain are other programs.
    """
    settings = domain_settings(factors.get("factors"))
    return json.dumps([factors.get("domain"), {k: coded(v) for k, v in sorted(settings.items())}])


def _text(data: Mapping[str, Any]) -> str:
    return json.dumps(data, sort_keys=True, separators=(",", ":"))
