"""Kind -> domain class: those that ship, and others by the entry point `pbb.domains`."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
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


OURS: Final = ("pbb", "search_spaces", "study")


class UnknownDomain(ValueError):
    """No domain of this kind, or its class cannot be had."""


class FailedDomain(ValueError):
    """Another package's domain does not do what a domain does: which, and what it raised."""


@contextmanager
def blamed(kind: str) -> Iterator[None]:
    """What a domain of another package raises inside is told as its fault. Raises FailedDomain.

    What we raise ourselves, with values and the way out, stays; an exit is no way to end a study.
    """
    try:
        yield
    except (Exception, SystemExit) as error:
        told = isinstance(error, ValueError) and type(error).__module__.split(".")[0] in OURS
        if kind in SHIPPED or told:
            raise
        raise FailedDomain(
            f"{_named(kind)} failed with {_said(error)}; mend that package, or choose another "
            "domain"
        ) from error


def _named(kind: str) -> str:
    found = " ".join(each.value for each in entry_points(group=GROUP, name=kind))
    return f"domain {kind!r} (entry point {GROUP}: {kind} = {found})"


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


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
    except (Exception, SystemExit) as error:  # whatever another package's import may raise
        raise UnknownDomain(f"{_named(kind)} cannot be imported: {_said(error)}") from error
    if not (isinstance(loaded, type) and issubclass(loaded, Domain)):
        raise UnknownDomain(f"{_named(kind)} names no pbb.domains.domain.Domain")
    config = getattr(loaded, "Config", None)
    if not (isinstance(config, type) and issubclass(config, DomainConfig)):
        raise UnknownDomain(
            f"{_named(kind)} has no Config that is a pbb.domains.domain.DomainConfig"
        )
    return loaded


@lru_cache(maxsize=32)
def domain_of(config: DomainConfig) -> Domain:
    """The domain that a configuration describes. Raises UnknownDomain, FailedDomain."""
    made = domain_class(config.kind)
    with blamed(config.kind):
        return made(config)
