"""Lasso on runs whose law is known: what it chooses, and how far a random split flatters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from joulecast.core.errors import MissingExtra
from joulecast.estimator.insight import selection
from joulecast.estimator.insight.frame import frame_of
from joulecast.estimator.insight.selection import features, problem_of, selections
from tests.fakes.insight_runs import burst, run

if TYPE_CHECKING:
    from joulecast.core.records import Run


def lawful(seed: int = 0, spread: float = 0.02, own: float = 0.0) -> list[Run]:
    """12 networks at 4 batch sizes: joules go with the square root of the multiply-adds.

    `own` is what each network has of its own, beyond its features.
    """
    draw = np.random.default_rng(seed)
    runs = []
    for i in range(12):
        macs, params = draw.uniform(1e7, 1e9), draw.uniform(1e5, 1e7)
        secret = np.exp(draw.normal(0, own)) if own else 1.0
        for batch in (16, 32, 64, 128):
            joules = 1e-6 * macs**0.5 * secret * np.exp(draw.normal(0, spread))
            runs.append(
                run(
                    f"n{i}", macs=macs, params=params, batch=batch, sample_j=joules,
                    sample_s=draw.uniform(1e-5, 1e-3), machine="a" if i % 2 else "b",
                )
            )  # fmt: skip
    return runs


def test_the_feature_that_makes_the_energy_is_chosen() -> None:
    """Multiply-adds, of all features, on every split; shares are together 1."""
    for one in selections(frame_of(lawful()), "gpu", "infer", 0):
        shares = one.importances
        of_macs = shares["macs"] + shares.get("macs_param", 0) + shares.get("params", 0)
        assert of_macs > 0.8
        assert sum(shares.values()) == pytest.approx(1.0)
        assert list(shares.values()) == sorted(shares.values(), reverse=True)
        assert one.mdape is not None
        assert one.mdape < 10


def test_a_random_split_flatters_what_networks_have_of_their_own() -> None:
    """Each network's own factor is seen on random runs, not on networks left out."""
    by_split = {s.split: s for s in selections(frame_of(lawful(own=0.8)), "gpu", "infer", 0)}
    assert by_split["random"].mdape < by_split["group"].mdape  # type: ignore[operator]
    assert (by_split["random"].n_train, by_split["random"].n_test) == (38, 10)


def test_the_same_seed_the_same_choice() -> None:
    """And another one another split."""
    frame = frame_of(lawful(own=0.3))
    first, again, other = (selections(frame, "gpu", "infer", seed)[0] for seed in (0, 0, 1))
    assert first == again
    assert first.mdape != other.mdape


def test_no_feature_is_an_energy() -> None:
    """Doubled joules change no feature."""
    plain, doubled = ([run(sample_j=j, util=0.5)] for j in (0.01, 0.02))
    for task in ("train", "infer", "serve"):
        one, two = (features(frame_of(runs), task) for runs in (plain, doubled))
        for name in one:
            np.testing.assert_array_equal(one[name], two[name])


def test_features_that_few_runs_know_are_left_out_instead_of_the_runs() -> None:
    """One in ten runs knows its utilisation."""
    runs = lawful()
    known = [run("x", util=0.5, sample_j=0.01)] * 4
    problem = problem_of(frame_of([*runs, *known]), "gpu", "infer", 0)
    assert len(problem.y) == 52
    assert "gpu_util" in problem.left_out
    assert "macs" in problem.names


def test_too_little_is_not_fitted() -> None:
    """Few runs, one machine, one energy: each with its reason."""
    few = selections(frame_of(lawful()[:5]), "gpu", "infer", 0)
    assert {"at least 20" in s.reason for s in few} == {True}
    alone = [r for r in lawful() if r.hardware_id == "a"]
    by_split = {s.split: s for s in selections(frame_of(alone), "gpu", "infer", 0)}
    assert "one machine only" in by_split["machine"].reason
    assert by_split["group"].importances
    constant = [run(f"n{i}", macs=i * 1e6 + 1) for i in range(30)]
    assert "same in all runs" in selections(frame_of(constant), "gpu", "infer", 0)[0].reason


@pytest.mark.parametrize("few", [1, 3, 9])
def test_what_nearly_all_runs_are_of_is_not_left_out(few: int) -> None:
    """Without that network too few runs would be fitted on; a random split still can."""
    runs = [run("most", batch=b, sample_j=1 / b, sample_s=1 / b) for b in range(1, 21)]
    runs += [run("rare", macs=3e8, batch=b, sample_j=0.3 / b) for b in range(1, few + 1)]
    by_split = {s.split: s for s in selections(frame_of(runs), "gpu", "infer", 0)}
    assert "nearly all runs are of one network" in by_split["group"].reason
    assert by_split["group"].mdape is None
    assert by_split["random"].importances


def test_ten_runs_of_another_network_are_enough() -> None:
    """Nine of one and one of another on the inner side are fitted as well."""
    runs = [run("most", batch=b, sample_j=1 / b, sample_s=1 / b) for b in range(1, 21)]
    runs += [run("rare", macs=3e8, batch=b, sample_j=0.3 / b) for b in range(1, 10)]
    runs += [run("rarer", macs=5e8, sample_j=0.5)]
    by_split = {s.split: s for s in selections(frame_of(runs), "gpu", "infer", 0)}
    assert by_split["group"].mdape is not None


def test_a_choice_of_nothing_says_so() -> None:
    """Each network has one energy whatever is varied: fitted on one, nothing tells."""
    runs = [run("a", batch=b, sample_j=0.1) for b in range(1, 18)]
    runs += [run("b", macs=3e8, batch=b, sample_j=0.3) for b in range(1, 18)]
    group = selections(frame_of(runs), "gpu", "infer", 0)[1]
    assert group.importances == {}
    assert "no feature helps" in group.reason


def test_servers_have_their_rate_as_a_feature() -> None:
    """The strongest, as in the papers."""
    runs = [
        burst(f"m{i}", rate, 100 * i / rate, params=i * 1e9)
        for i in range(1, 6)
        for rate in (1.0, 2.0, 4.0, 8.0, 16.0)
    ]
    found = selections(frame_of(runs), "gpu", "serve", 0)[0]
    assert next(iter(found.importances)) == "request_rate"


def test_without_sklearn_the_command_to_install_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`pip install 'joulecast[train]'`."""
    monkeypatch.setattr(selection, "find_spec", lambda _name: None)
    with pytest.raises(MissingExtra, match=r"joulecast\[train\]"):
        selections(frame_of(lawful()), "gpu", "infer", 0)
