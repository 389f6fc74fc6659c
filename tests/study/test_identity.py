"""Identity: equal values agree in every process, different values differ, strangers are refused."""

from __future__ import annotations

import json
from collections import OrderedDict
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pbb.config import Recipe
from study.identity import canonical_json, fingerprint
from tests.processes import printed_in_every_process

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False).filter(lambda x: abs(x) != float("inf"))
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
RECIPE = {"steps": 30, "tokens_per_step": 64, "peak_lr": 1e-3}


def exact(value: object) -> str:
    """A second notation that keeps types apart, to compare with."""
    if isinstance(value, dict):
        return f"{{{','.join(sorted(f'{k!r}:{exact(v)}' for k, v in value.items()))}}}"
    if isinstance(value, list):
        return f"[{','.join(exact(v) for v in value)}]"
    return repr(value + 0.0) if isinstance(value, float) else repr(value)


@given(VALUES, VALUES)
def test_fingerprints_agree_exactly_where_values_do(first: object, second: object) -> None:
    assert (fingerprint(first) == fingerprint(second)) == (exact(first) == exact(second))


@given(VALUES)
def test_canonical_json_reads_back(value: object) -> None:
    assert exact(json.loads(canonical_json(value))) == exact(value)


@given(st.dictionaries(st.text(), st.integers(), min_size=2))
def test_order_and_kind_of_mapping_do_not_matter(value: dict[str, int]) -> None:
    turned = OrderedDict(reversed(value.items()))
    assert fingerprint(turned) == fingerprint(MappingProxyType(value)) == fingerprint(value)


def test_every_field_of_a_model_counts_and_nothing_else() -> None:
    base = Recipe.model_validate(RECIPE)
    changed = {
        "steps": 31,
        "tokens_per_step": 65,
        "peak_lr": 2e-3,
        "warmup_steps": 19,
        "min_lr_ratio": 0.1,
        "weight_decay": 0.0,
        "beta1": 0.8,
        "beta2": 0.9,
        "max_grad_norm": 2.0,
    }
    assert set(changed) == set(Recipe.model_fields)
    others = {fingerprint(Recipe.model_validate({**RECIPE, k: v})) for k, v in changed.items()}
    assert len(others | {fingerprint(base)}) == len(changed) + 1
    explicit = Recipe.model_validate(base.model_dump())
    assert fingerprint(explicit) == fingerprint(base)


def test_a_parent_is_part_of_identity() -> None:
    found = {fingerprint(1), fingerprint(1, parent="a"), fingerprint(1, parent="b")}
    assert len(found) == 3


def test_shape_of_a_fingerprint() -> None:
    assert len(fingerprint({})) >= 20
    assert int(fingerprint({}), 16) >= 0


class Colour(StrEnum):
    RED = "red"


def test_enums_are_their_values() -> None:
    assert fingerprint(Colour.RED) == fingerprint("red")


@pytest.mark.parametrize(
    "stranger",
    [
        {1, 2},
        frozenset(),
        b"bytes",
        1j,
        Decimal("1"),
        Path("x"),
        object(),
        print,
        float("nan"),
        float("inf"),
        np.float64(1.0),
        np.int64(1),
        np.zeros(2),
        {1: 2},
        {"a": [{"b": {3}}]},
        range(3),
    ],
    ids=repr,
)
def test_what_has_no_exact_identity_is_refused(stranger: object) -> None:
    with pytest.raises(TypeError):
        fingerprint(stranger)
    with pytest.raises(TypeError):
        canonical_json(stranger)


def test_equal_in_every_process() -> None:
    code = (
        "from study.identity import fingerprint;"
        "print(fingerprint({'b': [1, 2.5, None], 'a': {'z': 'ü', 'y': True}}))"
    )
    found = printed_in_every_process(code)
    assert found == {fingerprint({"a": {"y": True, "z": "ü"}, "b": (1, 2.5, None)}) + "\n"}
