"""Python functions, run by CPython in a limited subprocess."""

from pbb.domains.algorithms.domain import Algorithms as Algorithms
