"""The column `factors`: canonical JSON of what was varied and has no column of its own.

Settings of the domain are its keys `domain_<field>`: they say which programs were asked. Keys of
demonstrations alone say how these were drawn; arms without demonstrations do not have them, so a
comparison joins such arms to every value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from search_spaces.claims import coded

OF_DEMONSTRATIONS: Final = ("skew",)
"""Keys that are properties of demonstrations, as their format is; 0 where not said."""

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


def split_demonstrations(text: str) -> tuple[str, dict[str, Any]]:
    """The text without the keys of demonstrations, and these with their values."""
    data = laid_open(text)
    found = {name: data.pop(name) for name in OF_DEMONSTRATIONS if name in data}
    return (_text(data) if found else text), found


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
