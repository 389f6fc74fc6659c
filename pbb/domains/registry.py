"""Kind -> domain class: those that ship, and others by the entry point `pbb.domains`."""

from __future__ import annotations

import importlib
from functools import lru_cache
from importlib.metadata import entry_points
from typing import Final

from pbb.domains.domain import Domain, DomainConfig

GROUP: Final = "pbb.domains"
SHIPPED: Final = {
    "arithmetic": "pbb.domains.arithmetic.domain:Arithmetic",
    "ciphers": "pbb.domains.ciphers:Ciphers",
    "grammars": "pbb.domains.grammars:Grammars",
    "algorithms": "pbb.domains.algorithms:Algorithms",
}


class UnknownDomain(ValueError):
    """No domain of this kind, or its class cannot be had."""


@lru_cache(maxsize=32)
def domain_class(kind: str) -> type[Domain]:
    """The class of a kind; other packages are imported only when named. Raises UnknownDomain."""
    if kind in SHIPPED:
        module, _, name = SHIPPED[kind].partition(":")
        shipped: type[Domain] = getattr(importlib.import_module(module), name)
        return shipped
    found = entry_points(group=GROUP, name=kind)
    if not found:
        others = sorted({each.name for each in entry_points(group=GROUP)})
        raise UnknownDomain(
            f"unknown domain {kind!r}; choose one of {', '.join([*SHIPPED, *others])}, or install "
            f"a package that names it as an entry point of {GROUP!r}"
        )
    try:
        loaded = next(iter(found)).load()
    except Exception as error:  # whatever another package's import may raise
        raise UnknownDomain(
            f"domain {kind!r}: its package cannot be imported ({type(error).__name__}: {error})"
        ) from error
    if not (isinstance(loaded, type) and issubclass(loaded, Domain)):
        raise UnknownDomain(f"domain {kind!r}: the entry point names no pbb.domains.domain.Domain")
    return loaded


@lru_cache(maxsize=32)
def domain_of(config: DomainConfig) -> Domain:
    """The domain that a configuration describes."""
    return domain_class(config.kind)(config)
