"""`predict_table`: the same kind of table back, every row answered or blank with a reason."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import joulecast
from joulecast import api
from joulecast.core.errors import BadInput
from joulecast.core.records import NOVELTIES

PREDICTED = """
    predicted_energy_j predicted_energy_low_j predicted_energy_high_j predicted_duration_s
    predicted_power_w predicted_energy_per_sample_j predicted_energy_per_sample_low_j
    predicted_energy_per_sample_high_j predicted_samples_per_s predicted_energy_per_request_j
    predicted_energy_per_request_low_j predicted_energy_per_request_high_j
    predicted_energy_per_output_token_j predicted_energy_per_output_token_low_j
    predicted_energy_per_output_token_high_j
"""
NUMBERS = tuple(PREDICTED.split())
TEXTS = ("basis", "novelty", "notices")
SERVING = tuple(name for name in NUMBERS if "request" in name or "token" in name)
GOOD: dict[str, Any] = {
    "model": "resnet50",
    "hardware_id": "v100-pcie",
    "task": "train",
    "input_shape": "3x224x224",
    "dataset": "imagenet",
    "samples": 1_000_000,
    "batch_size": 128,
    "energy_scope": "gpu",
    "mine": "kept",
}
ROWS: list[dict[str, Any]] = [
    GOOD,
    GOOD | {"model": "nobody-knows-this"},
    GOOD | {"task": "inference", "samples": ""},
    GOOD | {"task": "text-generation"},
    GOOD | {"hardware_id": "no-such-device"},
    GOOD | {"hardware_id": "i9-13900k", "energy_scope": "cpu_package", "task": "inference"},
]
ANSWERED = [True, False, True, False, False, True]


def test_records_come_back_as_records() -> None:
    """Rows and order stay, own columns stay first, and every promised column is there."""
    out = joulecast.predict_table(ROWS)
    assert [{k: row[k] for k in GOOD} for row in out] == ROWS
    assert all(list(row) == [*GOOD, *NUMBERS, *TEXTS] for row in out)
    assert [row["predicted_energy_per_sample_j"] != "" for row in out] == ANSWERED


def test_columns_come_back_as_columns() -> None:
    """A mapping of columns gives a mapping of columns with the same figures."""
    table = {name: [row[name] for row in ROWS] for name in GOOD}
    out = joulecast.predict_table(table)
    assert list(out) == [*GOOD, *NUMBERS, *TEXTS]
    assert {name: out[name] for name in GOOD} == table
    records = joulecast.predict_table(ROWS)
    assert all(out[name] == [row[name] for row in records] for name in (*NUMBERS, *TEXTS))


def test_a_data_frame_comes_back_as_one() -> None:
    """A DataFrame keeps index, columns and dtypes; blank numbers are NaN, the input stays."""
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(ROWS, index=list("fedcba"))
    before = table.copy()
    out = joulecast.predict_table(table)
    assert isinstance(out, pandas.DataFrame)
    assert list(out.columns) == [*GOOD, *NUMBERS, *TEXTS]
    assert out.index.equals(table.index)
    pandas.testing.assert_frame_equal(out[list(GOOD)], before)
    pandas.testing.assert_frame_equal(table, before)
    assert all(out[name].dtype == float for name in NUMBERS)
    assert out["predicted_energy_per_sample_j"].notna().tolist() == ANSWERED
    records = joulecast.predict_table(ROWS)
    assert out["notices"].tolist() == [row["notices"] for row in records]


def test_missing_values_of_pandas_are_blank() -> None:
    """NaN, None, NA and NaT are all read as blank, in columns of any dtype."""
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame([GOOD | {"dataset": ""}] * 4).astype(
        {"samples": "Int64", "batch_size": "Float64"}
    )
    table["optimiser"] = [None, math.nan, pandas.NA, pandas.NaT]
    table["input_shape"] = [pandas.NA] * 4
    table.loc[0, "samples"] = pandas.NA
    table.loc[1, "batch_size"] = pandas.NA
    out = joulecast.predict_table(table)
    assert out["predicted_energy_per_sample_j"].notna().all()
    assert out["predicted_energy_j"].notna().tolist() == [False, True, True, True]
    assert "batch size not given" in out["notices"].iloc[1]


@pytest.mark.parametrize("table", [[], {}, {"model": []}])
def test_no_rows_are_no_error(table: Any) -> None:  # noqa: ANN401
    """An empty table comes back empty, with the columns where it can have any."""
    out = joulecast.predict_table(table)
    assert isinstance(out, type(table))
    assert not any(out.values()) if isinstance(out, dict) else out == []


def test_an_empty_data_frame_gets_its_columns() -> None:
    """A DataFrame without rows still shows what would be there."""
    pandas = pytest.importorskip("pandas")
    out = joulecast.predict_table(pandas.DataFrame(columns=["model", "hardware_id"]))
    assert list(out.columns) == ["model", "hardware_id", *NUMBERS, *TEXTS]
    assert len(out) == 0


@pytest.mark.parametrize("table", [None, 3, "model,hardware_id", b"x", {"a": [1], "b": []}])
def test_what_is_no_table_is_refused(table: Any) -> None:  # noqa: ANN401
    """A text, a number and columns of unequal length are no table."""
    with pytest.raises(BadInput):
        joulecast.predict_table(table)


def test_a_row_that_cannot_be_answered_says_why() -> None:
    """Unanswered rows have blanks and one reason that names what was wrong."""
    out = joulecast.predict_table(ROWS)
    for row, answered, words in zip(
        out,
        ANSWERED,
        ("", "nobody-knows", "", "generates no text", "no-such-device", ""),
        strict=True,
    ):
        if not answered:
            assert words in row["notices"]
            assert all(row[name] == "" for name in (*NUMBERS, "basis", "novelty"))


def test_figures_hold_together() -> None:
    """Totals are samples times the figures of one sample, power is energy over time."""
    row = joulecast.predict_table([GOOD])[0]
    n = GOOD["samples"]
    for bound in ("", "_low", "_high"):
        per_sample = row[f"predicted_energy_per_sample{bound}_j"]
        assert row[f"predicted_energy{bound}_j"] == pytest.approx(n * per_sample)
    assert row["predicted_duration_s"] == pytest.approx(n / row["predicted_samples_per_s"])
    assert row["predicted_energy_j"] == pytest.approx(
        row["predicted_power_w"] * row["predicted_duration_s"]
    )
    assert row["basis"] == "zero-shot"
    assert row["novelty"] in NOVELTIES
    assert all(row[name] == "" for name in SERVING)


def test_without_samples_only_totals_stay_blank() -> None:
    """A row that does not say how much it processed is answered per sample, with a notice."""
    row = joulecast.predict_table([GOOD | {"samples": "", "task": "inference", "dataset": ""}])[0]
    assert row["predicted_energy_per_sample_j"] > 0
    assert row["predicted_power_w"] > 0
    assert [row[name] for name in NUMBERS[:4]] == [""] * 4
    assert "samples not given" in row["notices"]


def test_epochs_add_nothing() -> None:
    """Samples are all that was processed, whatever the epochs."""
    one, many = joulecast.predict_table([GOOD | {"epochs": n} for n in (1, 90)])
    assert one["predicted_energy_j"] == many["predicted_energy_j"]


def test_measured_columns_change_nothing() -> None:
    """What was measured may stand in the table; it is not looked at."""
    measured = {"energy_j": 1, "avg_power_w": 5, "samples_per_s": 1e9, "quality_flag": "bad"}
    plain, other = joulecast.predict_table([GOOD, GOOD | measured])
    assert all(plain[name] == other[name] for name in (*NUMBERS, *TEXTS))


def test_answers_of_an_earlier_time_are_replaced() -> None:
    """A table that was predicted before gets new figures in the same columns."""
    once = joulecast.predict_table(ROWS)
    spoilt = [row | {"predicted_energy_j": -1, "notices": "old"} for row in once]
    assert joulecast.predict_table(spoilt) == once


def test_a_row_does_not_depend_on_the_others() -> None:
    """A row alone, and within thousands, is answered alike."""
    alone, among = (joulecast.predict_table([*ROWS * n, GOOD])[-1] for n in (0, 900))
    assert all(among[name] == pytest.approx(alone[name]) for name in NUMBERS if alone[name] != "")
    assert [among[name] for name in TEXTS] == [alone[name] for name in TEXTS]


def test_rows_are_streamed() -> None:
    """`predict_rows` answers as it reads, without waiting for the end of the table."""
    taken = 0

    def endless() -> Any:  # noqa: ANN401
        nonlocal taken
        while True:
            taken += 1
            yield GOOD

    answers = api.predict_rows(endless())
    assert next(answers)["predicted_energy_j"] > 0
    assert taken <= 10_000


def test_scopes_are_the_rows_own() -> None:
    """Each row is answered in its own scope; the CPU is meant where there is no GPU."""
    scopes = ("gpu", "cpu+gpu+ram", "wall")
    watts = [
        row["predicted_power_w"]
        for row in joulecast.predict_table([GOOD | {"energy_scope": s} for s in scopes])
    ]
    assert watts == sorted(watts)
    assert len(set(watts)) == len(scopes)
    on_cpu = joulecast.predict_table([GOOD | {"hardware_id": "i9-13900k"}])[0]
    assert on_cpu["predicted_power_w"] > 10
    assert "has no GPU" in on_cpu["notices"]


def test_a_part_that_the_machine_lacks_stays_blank() -> None:
    """A bare board has no CPU energy of its own to tell."""
    board = GOOD | {"hardware_id": "jetson-nano", "energy_scope": "cpu_package"}
    row = joulecast.predict_table([board])[0]
    assert row["predicted_power_w"] == ""
    assert "names no cpu" in row["notices"]


def test_rows_of_an_unknown_name_say_the_same() -> None:
    """A name that many rows share is looked for once, and each row says why it is blank."""
    rows = [GOOD | {"model": "nobody-knows", "batch_size": i + 1} for i in range(3_000)]
    assert len({row["notices"] for row in joulecast.predict_table(rows)}) == 1


GARBAGE = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["3xinfx2", "1e400", "-5", "nan", "inf", "0", "3x224x224", "512", "gpu", "wall", "\x00"]
    ),
    st.binary(max_size=4),
    st.just(10**400),
    st.just([1, 2]),
    st.just({"a": 1}),
    st.just(1e300),
    st.just(1e-300),
    st.just(np.float32(3)),
)
COLUMNS = """
    task domain model params trainable_params macs_per_sample input_shape seq_len dataset samples
    epochs batch_size precision framework optimiser variant scenario hardware_id gpu_name n_gpus
    cpu_name power_limit_w energy_scope duration_scope meter mine
"""


@st.composite
def garbage(draw: st.DrawFn) -> dict[str, Any]:
    """A row with any values in any columns, more often than not of a known network and device."""
    row = draw(st.dictionaries(st.sampled_from(COLUMNS.split()), GARBAGE, max_size=8))
    known = {
        "model": draw(st.sampled_from(("resnet50", "vgg16", "bert-base-uncased", "zz"))),
        "hardware_id": draw(st.sampled_from(("t4", "hc3", "i9-13900k", "8xh100-sxm"))),
    }
    return known | row if draw(st.booleans()) else row | known


def assert_answered_or_blank(row: dict[str, Any]) -> None:
    """All figures are there and in order, or none is and a reason is."""
    if row["predicted_energy_per_sample_j"] == "":
        assert row["notices"]
        assert all(row[name] == "" for name in (*NUMBERS, "basis", "novelty"))
        return
    for kind in ("energy_per_sample", "energy"):
        low, answer, high = (row[f"predicted_{kind}{bound}_j"] for bound in ("_low", "", "_high"))
        if answer != "":
            assert 0 < low <= answer <= high < math.inf
    for name in ("predicted_power_w", "predicted_samples_per_s"):
        assert 0 < row[name] < math.inf


@given(rows=st.lists(garbage(), min_size=1, max_size=6))
@example(rows=[{"model": "resnet50", "hardware_id": "t4", "input_shape": "3xinfx2"}])
@example(rows=[{"model": "zz", "hardware_id": "t4", "params": 1e300, "macs_per_sample": 1e-300}])
@example(rows=[{"model": "resnet50", "hardware_id": "t4", "samples": 10**400}])
@example(rows=[{"model": "resnet50", "hardware_id": "t4", "batch_size": 1e300}])
@example(rows=[{"model": "resnet50", "hardware_id": "t4", "n_gpus": 1e300, "power_limit_w": 1e-9}])
def test_garbage_never_stops_the_table(rows: list[dict[str, Any]]) -> None:
    """Whatever stands in a row, the table comes back: low <= answer <= high, or a reason."""
    out = joulecast.predict_table(rows)
    assert len(out) == len(rows)
    for before, after in zip(rows, out, strict=True):
        assert all(after[name] is before[name] for name in before)
        assert_answered_or_blank(after)


def test_garbage_does_not_spoil_its_neighbours() -> None:
    """A row beyond any machine is blank, and the next one is answered as ever."""
    wild = GOOD | {"batch_size": 1e300, "params": 1e300}
    before, spoilt, after = joulecast.predict_table([GOOD, wild, GOOD])
    assert spoilt["predicted_energy_j"] == ""
    assert before == after == joulecast.predict_table([GOOD])[0]
