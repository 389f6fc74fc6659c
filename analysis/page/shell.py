"""What surrounds the page's content: templates, and a policy that fetches nothing."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from analysis.sentences import duration, percent


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Everything is escaped; a name that the context lacks is an error."""
    made = Environment(
        loader=PackageLoader("analysis", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {"percent": percent, "duration": duration}
    return made


def source(name: str) -> str:
    """A template's or asset's text."""
    return (files("analysis") / "templates" / name).read_text(encoding="utf-8")


def slug(title: str) -> str:
    """A file name's stem for downloads."""
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in title.lower())
    return kept.strip("-")[:40] or "report"


def script_json(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    text = json.dumps(value, allow_nan=False, sort_keys=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def policy(scripts: Iterable[str]) -> str:
    """Content Security Policy: nothing is fetched, and only these very scripts run."""
    digests = [
        base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts
    ]
    allowed = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
