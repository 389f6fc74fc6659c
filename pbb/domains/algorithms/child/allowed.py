"""What a function may name: modules and their names, builtins, special methods. Standard library.

The tables serve the screening of the source and the guard at run time alike, so that both refuse
the same things. A module appears here as the few names that compute; `re.enum.sys` or
`operator.attrgetter` would be a way out of it.
"""

from __future__ import annotations

import itertools
import math
from typing import Final


def _public(module: object) -> tuple[str, ...]:
    return tuple(name for name in dir(module) if not name.startswith("_"))


MODULES: Final[dict[str, tuple[str, ...]]] = {
    "__future__": ("annotations",),
    "bisect": ("bisect", "bisect_left", "bisect_right", "insort", "insort_left", "insort_right"),
    "collections": ("Counter", "OrderedDict", "defaultdict", "deque"),
    "collections.abc": tuple(
        "Callable Collection Generator Hashable Iterable Iterator Mapping MutableMapping "
        "MutableSequence Sequence Set".split()
    ),
    "copy": ("copy", "deepcopy"),
    "functools": ("cache", "cmp_to_key", "lru_cache", "partial", "reduce"),
    "heapq": tuple(
        "heapify heappop heappush heappushpop heapreplace merge nlargest nsmallest".split()
    ),
    "itertools": _public(itertools),
    "math": _public(math),
    "operator": tuple(
        "add and_ eq floordiv ge getitem gt itemgetter le lshift lt mod mul ne neg not_ or_ pow "
        "rshift sub truediv xor".split()
    ),
    "re": tuple(
        "A ASCII DOTALL I IGNORECASE M MULTILINE S compile escape findall finditer fullmatch match "
        "search split sub subn".split()
    ),
    "string": tuple(
        "ascii_letters ascii_lowercase ascii_uppercase digits hexdigits octdigits punctuation "
        "whitespace".split()
    ),
    "typing": tuple(
        "Any Callable Dict FrozenSet Iterable Iterator List Literal Mapping Optional Sequence Set "
        "Tuple Union".split()
    ),
}  # fmt: skip
"""Module -> names that may be taken from it."""

BUILTINS: Final = tuple(
    "abs all any ascii bin bool bytearray bytes callable chr complex dict divmod enumerate filter "
    "float format frozenset hex int isinstance issubclass iter len list map max min next oct ord "
    "pow property range repr reversed round set slice sorted staticmethod str sum tuple zip "
    "NotImplemented __build_class__ "
    "ArithmeticError AssertionError AttributeError EOFError Exception FloatingPointError "
    "IndexError KeyError LookupError NameError NotImplementedError OverflowError RecursionError "
    "RuntimeError StopIteration TypeError UnicodeError ValueError ZeroDivisionError".split()
)
"""All builtins there are; MemoryError and what derives from BaseException alone stay out."""

FORBIDDEN: Final = frozenset(
    "BaseException GeneratorExit KeyboardInterrupt MemoryError SystemExit breakpoint classmethod "
    "compile delattr dir eval exec exit getattr globals hasattr hash help id input locals "
    "memoryview object open print quit setattr super type vars".split()
)
"""Builtins that are refused by name, unless the source binds the name itself."""

SPECIAL: Final = frozenset(
    "__init__ __lt__ __le__ __gt__ __ge__ __eq__ __hash__ __len__ __bool__ __iter__ __next__ "
    "__contains__ __getitem__ __setitem__ __call__ __add__ __sub__ __mul__ __repr__ __str__".split()
)
"""Special methods that a class may define."""

INTERNAL: Final = frozenset(
    "ag_await ag_code ag_frame cr_await cr_code cr_frame cr_origin f_back f_builtins f_code "
    "f_globals f_lasti f_lineno f_locals f_trace format format_map gi_code gi_frame gi_yieldfrom "
    "mro tb_frame tb_next with_traceback".split()
)
"""Attributes without underscores that lead to frames, code or any attribute by its name."""
