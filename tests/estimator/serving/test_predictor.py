"""Answers of the shipped serving bundle: factors, intervals, scopes, what is imported."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from joulecast.estimator.serving import bundle, predictor
from joulecast.estimator.serving.answers import Adjustment
from tests.fakes.serving_setups import server

RATES = [0.01, 1.0, 10.0, 40.0]


def test_a_factor_on_the_iteration_moves_capacity_alone() -> None:
    """Iterations twice as long halve the saturation rate; the idle server is as before."""
    b, setup = bundle.load(), server(n_gpus=1)
    plain = predictor.curve(setup, b, RATES)
    slow = predictor.curve(setup, b, RATES, adjust=Adjustment(step=float(np.log(2))))
    assert slow.saturation_rps[0] == pytest.approx(plain.saturation_rps[0] / 2)
    assert slow.idle_w["gpu"][0] == plain.idle_w["gpu"][0]
    assert (slow.request_j > plain.request_j).all()


def test_factors_on_watts_move_what_they_name() -> None:
    """`idle` moves active idle, `power` what busy adds to it."""
    b, setup = bundle.load(), server()
    plain, more, idle = (
        predictor.curve(setup, b, [10.0], adjust=a)
        for a in (Adjustment(), Adjustment(power=-0.2), Adjustment(idle=0.2))
    )
    above = plain.power_w[0] - plain.idle_w["gpu"][0]
    assert more.power_w[0] - more.idle_w["gpu"][0] == pytest.approx(np.exp(-0.2) * above, rel=0.02)
    assert idle.idle_w["gpu"][0] == pytest.approx(np.exp(0.2) * plain.idle_w["gpu"][0])


def test_measured_doubt_replaces_the_interval() -> None:
    """A standard deviation of 5 % makes a 90 % interval of 1.645 times as much."""
    a = predictor.curve(server(), bundle.load(), [5.0], adjust=Adjustment(energy_sd=0.05))
    assert np.log(a.request_high_j / a.request_j)[0] == pytest.approx(1.645 * 0.05, rel=1e-3)
    assert a.saturation_high_rps[0] / a.saturation_rps[0] > 1.2


def test_intervals_widen_with_level_and_novelty() -> None:
    """Higher levels and new pairs have wider intervals."""
    b = bundle.load()
    narrow, wide = (predictor.answer([server()], b, level=x) for x in (0.5, 0.95))
    assert wide.request_high_j[0] > narrow.request_high_j[0] > narrow.request_j[0]
    known, unknown = (
        predictor.answer([s], b) for s in (server(), server("llama-3.2-1b", "h100-pcie"))
    )
    assert (known.novelty[0], unknown.novelty[0]) == ("seen-pair", "new-pair")
    widths = [float(np.log(a.token_high_j / a.token_j)[0]) for a in (known, unknown)]
    assert widths[0] < widths[1]


def test_tokens_and_requests_agree() -> None:
    """Joules per output token times tokens are joules per request are watts per rate."""
    a = predictor.curve(server(), bundle.load(), RATES)
    assert a.token_j * 200 == pytest.approx(a.request_j)
    assert a.power_w / a.served_rps == pytest.approx(a.request_j)


def test_unfinished_setups_get_todays_stack() -> None:
    """No year means the newest era, which is faster than that of 2024."""
    now, old = predictor.answer(
        [server(), server(engine_year=2024.5)], bundle.load()
    ).saturation_rps
    assert now > 1.5 * old


def test_answers_are_plausible_for_a_known_server() -> None:
    """Llama 3.1 8B, 32 clients on one H100: 0.1 to 0.3 J per token, 5 to 15 ms a token."""
    a = predictor.answer([server(concurrency=32.0, engine_year=2025.8)], bundle.load())
    assert 0.1 < a.token_j[0] < 0.3
    assert 0.005 < a.tpot_s[0] < 0.015
    assert a.ttft_s[0] < a.latency_s[0]


def test_answering_imports_numpy_alone() -> None:
    """Neither SciPy nor scikit-learn, LightGBM, pandas or torch is loaded by an answer."""
    code = (
        "import sys; from tests.fakes.serving_setups import server;"
        "from joulecast.estimator.serving import bundle, predictor;"
        "predictor.answer([server()], bundle.load());"
        "heavy = {'scipy', 'sklearn', 'lightgbm', 'pandas', 'torch'} & set(sys.modules);"
        "print(sorted(heavy)); sys.exit(bool(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
