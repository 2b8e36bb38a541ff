"""Coverage and width by class and device, by hand, on devices that err by one figure each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from joulecast.estimator import studies
from joulecast.estimator.studies import Case, coverage
from joulecast.estimator.validate import OutOfFold

if TYPE_CHECKING:
    from joulecast.estimator.frame import Frame

ERRORS = {"gtx-1080": 0.1, "rtx-3090": 0.2, "t4": 0.3, "v100-pcie": 0.4}


def case_of(frame: Frame, far: float = 0.0) -> Case:
    """Every device left out and missed by its own error; the time is missed by half of it."""
    error = np.array([ERRORS[d] for d in frame.device])
    oof = OutOfFold({}, {}, frame.device, frame.device, np.full(len(frame), far))
    m = frame.measured()
    answers = {
        "time": m["time"] + error / 2,
        "power": m["power"] + error / 2,
        "energy": m["energy"] + error,
    }
    return Case(frame, [], {"new-hardware": oof}, {"new-hardware": answers})


def lines_of(case: Case) -> dict[tuple[str, str], dict[str, str | float]]:
    """Lines by quantity and rows."""
    return {(str(r["of"]), str(r["rows"])): dict(r) for r in coverage.records(case)}


def test_coverage_and_width_by_hand(frame: Frame) -> None:
    """Each device's interval is the largest error of the others: the worst one falls outside."""
    lines = lines_of(case_of(frame))
    everything = lines["energy", "all"]
    assert everything["left out"] == "new hardware"
    assert everything["n"] == 160
    assert everything["n_groups"] == 4
    assert everything["coverage"] == pytest.approx(75)
    assert everything["width"] == pytest.approx(np.exp(0.4))
    assert lines["energy", "gpu"]["n"] == lines["energy", "headline"]["n"] == 160
    assert ("energy", "wall") not in lines
    for device, error in ERRORS.items():
        line, worst = lines["energy", device], device == "v100-pcie"
        assert line["n"] == 40
        assert line["coverage"] == (0 if worst else 100)
        assert line["width"] == pytest.approx(np.exp(0.3 if worst else 0.4))
        assert lines["time", device]["width"] == pytest.approx(np.exp(0.15 if worst else 0.2))
        assert error <= 0.4
    assert ("energy", "devices of < 30 rows") not in lines


def test_small_devices_are_judged_together(frame: Frame) -> None:
    """Devices with fewer than 30 rows share one line; larger ones come first, most rows first."""
    keep = np.ones(len(frame), dtype=bool)
    for device, n in (("t4", 10), ("gtx-1080", 20), ("rtx-3090", 35)):
        keep[np.flatnonzero(frame.device == device)[n:]] = False
    lines = lines_of(case_of(frame.take(np.flatnonzero(keep))))
    names = [rows for of, rows in lines if of == "energy"]
    assert names[-3:] == ["v100-pcie", "rtx-3090", "devices of < 30 rows"]
    assert lines["energy", "devices of < 30 rows"]["n"] == 30
    assert lines["energy", "devices of < 30 rows"]["n_groups"] == 2


def test_unmeasured_rows_do_not_count(frame: Frame) -> None:
    """Rows without a measured energy are counted in time alone."""
    energy = np.where(frame.device == "t4", np.nan, frame.log_energy_j)
    lines = lines_of(case_of(replace(frame, log_energy_j=energy)))
    assert lines["energy", "all"]["n"] == 120
    assert lines["time", "all"]["n"] == 160
    assert ("energy", "t4") not in lines


def test_rows_off_the_hull_are_counted(frame: Frame) -> None:
    """Rows that an answer would call extrapolated are told apart."""
    assert lines_of(case_of(frame))["energy", "t4"]["extrapolated"] == 0
    assert lines_of(case_of(frame, far=0.8))["energy", "t4"]["extrapolated"] == 40


def test_the_card_has_it(frame: Frame, monkeypatch: pytest.MonkeyPatch) -> None:
    """The study runs under its title."""
    monkeypatch.setattr(studies, "STUDIES", ("coverage",))
    found = studies.run_all(case_of(frame))
    assert found[coverage.TITLE]
    assert set(found[coverage.TITLE][0]) == {
        *("left out", "of", "rows", "n", "n_groups", "extrapolated", "coverage", "width"),
    }
