"""What it means: item rows in, exchange rates out.

In a notebook, `analysis.load_study(path)` is the way in. It is imported when first asked for, so
that `import analysis` costs nothing.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis.notebook import load_study as load_study

__all__ = ["load_study"]


def __getattr__(name: str) -> Any:
    if name == "load_study":
        from analysis.notebook import load_study

        return load_study
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
