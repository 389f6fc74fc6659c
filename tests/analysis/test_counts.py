"""One pass over item rows: the same counts and the same refusals as a look at every row."""

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from analysis.counts import KEYS
from analysis.load import BadInput, load, load_counts, load_items
from tests.analysis.synthetic import World, item_rows, write_items, write_study

WORLD = World(programs=5, items=7, seeds=2, ns=(1, 4))

INT32 = st.integers(-(2**31), 2**31 - 1)


@pytest.fixture(scope="module")
def rows() -> pl.DataFrame:
    return item_rows(WORLD)


def one_run(items: Sequence[tuple[int, bool]]) -> pl.DataFrame:
    """A run of one program that was asked these items."""
    return pl.DataFrame(
        {"item": [item for item, _ in items], "correct": [right for _, right in items]},
        schema={"item": pl.Int32, "correct": pl.Boolean},
    ).with_columns(
        run=pl.lit("r"),
        model=pl.lit("m"),
        arm=pl.lit("none"),
        demonstrations=pl.lit(0, pl.Int32),
        seed=pl.lit(0, pl.Int64),
        program=pl.lit("p"),
    )


def counted(rows: pl.DataFrame) -> pl.DataFrame:
    """The counts of these rows, one program of one run after another."""
    groups = rows.partition_by(KEYS)
    return pl.DataFrame(
        [
            group.row(0, named=True) | {"n_correct": group["correct"].sum(), "n_items": len(group)}
            for group in groups
        ],
        schema={name: rows.schema[name] for name in KEYS}
        | {"n_correct": pl.UInt32, "n_items": pl.UInt32},
    )


def test_counts_are_those_of_a_look_at_every_row(rows: pl.DataFrame, tmp_path: Path) -> None:
    earlier = rows.with_columns(step=pl.col("step") - 100, correct=~pl.col("correct"))
    found = load(write_study(pl.concat([rows, earlier]), tmp_path))
    assert_frame_equal(found.counts, counted(rows), check_row_order=False)
    both = pl.concat([counted(rows), counted(earlier)])
    assert_frame_equal(found.history, both, check_row_order=False)


def test_neither_order_nor_files_matter(rows: pl.DataFrame, tmp_path: Path) -> None:
    shuffled = rows.sample(fraction=1.0, shuffle=True, seed=3)
    whole = write_items(shuffled, tmp_path / "synthetic.parquet")
    parts = write_study(rows, tmp_path / "synthetic")
    assert_frame_equal(load_counts(whole), load_counts(parts), check_row_order=False)


@settings(max_examples=60)
@given(
    st.one_of(
        st.dictionaries(st.integers(-200, 200), st.booleans(), min_size=1),
        st.dictionaries(st.integers(0, 5000), st.booleans(), min_size=1),
        st.dictionaries(INT32, st.booleans(), min_size=1),
    ),
    st.data(),
)
def test_every_item_counts_once(
    tmp_path_factory: pytest.TempPathFactory, asked: dict[int, bool], data: st.DataObject
) -> None:
    """Whatever the items are called: negative, wide apart, or more than a word or a stretch."""
    file = tmp_path_factory.getbasetemp() / "items.parquet"
    items = list(asked.items())
    one_run(items).write_parquet(file)
    (found,) = load_counts(file).select("n_correct", "n_items").rows()
    assert found == (sum(asked.values()), len(asked))
    again = data.draw(st.sampled_from(items))
    place = data.draw(st.integers(0, len(items)))
    one_run([*items[:place], again, *items[place:]]).write_parquet(file)
    with pytest.raises(BadInput, match=rf"item={again[0]} "):
        load_counts(file)


def test_far_items_of_many_runs_are_counted_in_little_space(
    rows: pl.DataFrame, tmp_path: Path
) -> None:
    """Numbers that are hashes count as small ones do, and repeats among them are found."""
    far = rows.with_columns(
        item=pl.struct("program", "item").hash(seed=1).cast(pl.Int32, wrap_numerical=True)
    )
    near, wide = tmp_path / "near" / "a.parquet", tmp_path / "wide" / "a.parquet"
    counts = [load_counts(write_items(each, file)) for each, file in ((rows, near), (far, wide))]
    assert_frame_equal(*counts, check_row_order=False)
    with pytest.raises(BadInput, match="repeats"):
        load_counts(write_items(pl.concat([far, far.tail(1)]), wide))


def test_texts_are_never_read(rows: pl.DataFrame, tmp_path: Path) -> None:
    """Counting works where the texts cannot even be decoded."""
    marks = {name: f"text of {name}" for name in ("prompt", "expected", "output")}
    file = tmp_path / "a.parquet"
    texts = rows.with_columns(**{name: pl.lit(mark) for name, mark in marks.items()})
    texts.write_parquet(file, compression="uncompressed", statistics=False)
    damaged = file.read_bytes()
    for mark in marks.values():
        page = damaged.index(mark.encode())
        damaged = damaged[: page - 16] + b"\xff" * 16 + damaged[page:]
    file.write_bytes(damaged)
    assert load_counts(file)["n_items"].sum() == rows.height
    for name in marks:
        with pytest.raises((pl.exceptions.PolarsError, OSError)):
            load_items(file).select(name).collect()
