"""Recommendations rest on the runs: each figure by hand, none without its evidence."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from joulecast.core.insight import Advice, Correlation, Knee, PhaseRatio
from joulecast.core.records import Window
from joulecast.estimator.insight.advice import advice
from joulecast.estimator.insight.frame import frame_of
from tests.fakes.insight_runs import burst, run

if TYPE_CHECKING:
    from joulecast.core.records import Run


def told(
    runs: list[Run],
    phases: tuple[PhaseRatio, ...] = (),
    knees: tuple[Knee, ...] = (),
    correlations: tuple[Correlation, ...] = (),
) -> dict[str, list[Advice]]:
    """Advice by kind."""
    found: dict[str, list[Advice]] = {}
    for one in advice(frame_of(runs), "gpu", phases, knees, correlations):
        found.setdefault(one.kind, []).append(one)
    return found


def test_the_cheapest_of_the_nearly_best_networks() -> None:
    """One point of accuracy for half the energy; what is cheaper but worse does not count."""
    runs = [
        run("best", accuracy=0.91, sample_j=0.10),
        run("near", accuracy=0.90, sample_j=0.05),
        run("poor", accuracy=0.70, sample_j=0.01),
    ]
    (one,) = told(runs)["model"]
    assert one.saves_frac == pytest.approx(0.5)
    assert one.text.startswith(
        "near on hc (energy of inference) needs 50% less energy per sample than best"
    )
    assert "1.0 points" in one.text
    assert told([replace_energy(r, 0.1) for r in runs[:2]])["model"][0].saves_frac is None


def replace_energy(one: Run, sample_j: float) -> Run:
    """The run at another energy per sample."""
    measured = replace(one.measurement, energy_j={"gpu": 1000 * sample_j})
    return replace(one, measurement=measured)


def test_the_most_accurate_is_seen_at_its_best_run() -> None:
    """A cheap run that stopped early does not hide the accuracy that its network reaches."""
    runs = [
        run("best", accuracy=0.91, sample_j=0.10),
        run("best", accuracy=0.91, sample_j=0.20, batch=8),
        run("best", accuracy=0.30, sample_j=0.01, batch=16),
        run("poor", accuracy=0.70, sample_j=0.05),
        run("near", accuracy=0.90, sample_j=0.08),
    ]
    (one,) = told(runs)["model"]
    assert one.saves_frac == pytest.approx(0.2)
    assert one.text.startswith(
        "near on hc (energy of inference) needs 20% less energy per sample than best"
    )


def test_the_best_batch_size_against_the_papers() -> None:
    """Against 128 where it was measured, else against the costliest."""
    runs = [run(batch=b, sample_j=j) for b, j in ((32, 0.05), (128, 0.02), (512, 0.015))]
    (one,) = told(runs)["batch"]
    assert one.saves_frac == pytest.approx(0.25)
    assert "least energy at batch 512: 15 mJ per sample, 25% less than at 128" in one.text
    flat = [run(batch=b, sample_j=0.02 + 1e-6 * b) for b in (8, 16, 32)]
    assert "128" not in told(flat)["batch"][0].text, "it was never run"
    usual = told([*runs[:2], run(batch=256, sample_j=0.03)])["batch"][0].text
    assert usual == (
        "net on hc (infer) needs as little energy at batch 128 as at any of the 3 sizes run"
    )
    (other,) = told([runs[0], runs[2], run(batch=64, sample_j=0.03)])["batch"]
    assert other.saves_frac == pytest.approx(0.7)
    assert "batch" not in told(runs[:2])


def test_the_best_power_limit_and_its_price_in_time() -> None:
    """A quarter less energy, a tenth slower."""
    full = run(limit_w=300.0, sample_j=0.04, sample_s=1e-4)
    low = run(limit_w=200.0, sample_j=0.03, sample_s=1.1e-4)
    (one,) = told([full, low])["power-limit"]
    assert one.saves_frac == pytest.approx(0.25)
    assert "200 W than at 300 W, 10% slower" in one.text
    assert "power-limit" not in told([full])


def test_work_just_below_the_knee() -> None:
    """The run nearest to it that does not pass it."""
    runs = [run("idle", util=0.3), run("near", util=0.84), run("beyond", util=0.99)]
    (one,) = told(runs, knees=(Knee("hc", 3, 0.9, 0.85, 250.0),))["saturation"]
    assert "as near at batch 128 (84%)" in one.text
    assert "33% of the runs are beyond" in one.text
    assert "saturation" not in told(runs, knees=(Knee("hc", 3, 0.9),))
    capped = [run(f"c{i}", util=0.84, limit_w=90.0) for i in range(2)]
    (same,) = told([*runs, *capped], knees=(Knee("hc", 3, 0.9, 0.85, 250.0),))["saturation"]
    assert same.text == one.text, "runs at another limit had no part in the knee"


def test_phases_in_passes_of_inference() -> None:
    """100 epochs at 3 x the energy are 300 passes."""
    ratios = (PhaseRatio("a", "hc", 2.0, 3.0), PhaseRatio("b", "hc", 4.0, None))
    (one,) = told([run()], phases=ratios)["phase"]
    assert "3.0 x the time" in one.text
    assert "(2.0 to 4.0, 2 networks)" in one.text
    assert "300 passes" in one.text


def test_a_rank_is_told_only_if_it_holds_on_every_machine() -> None:
    """Its lower bound above 0.5 everywhere."""
    seen = [run(f"n{i}", machine=m) for i in range(16) for m in ("hc", "other")]
    sure = Correlation("macs_param", "gpu", "hc", "infer", 16, 0.9, 0.73, 0.96)
    (one,) = told(seen, correlations=(sure,))["metric"]
    assert "0.90 on 1 machine" in one.text
    doubtful = replace(sure, group="other", spearman=0.6, spearman_low=0.1)
    assert "metric" not in told(seen, correlations=(sure, doubtful))
    batches = [run(batch=b) for b in range(1, 17)]
    assert "metric" not in told(batches, correlations=(sure,)), "one network at 16 batch sizes"
    perfect = Correlation("macs_param", "gpu", "hc", "infer", 16, 1.0)
    assert "1.00 on 1 machine" in told(seen, correlations=(perfect,))["metric"][0].text
    assert "metric" not in told(seen, correlations=(replace(perfect, n=4),))
    assert "metric" not in told(seen, correlations=(replace(perfect, spearman=-1.0),))


def test_servers_near_saturation_and_of_their_size() -> None:
    """A rate at which the queue grows is no advice, however cheap."""
    runs = [burst("small", r, 100 / r) for r in (1.0, 2.0, 4.0)]
    runs += [burst("small", 8.0, 10.0, saturated=True)]
    runs += [burst("large", r, 800 / r, params=70e9) for r in (1.0, 4.0)]
    rate, size = told(runs)["serving"]
    assert rate.saves_frac == pytest.approx(0.75)
    assert "at 4 per second, 75% less than at 1" in rate.text
    assert "large needs 8.0 x the energy per request of small at 1 per second" in size.text


def test_other_requests_are_no_saving() -> None:
    """Shorter answers and cached prompts need less at whatever rate or power limit."""
    at = [burst(rate_rps=r, request_j=100.0) for r in (1.0, 2.0, 4.0)]
    short = [asked(burst(rate_rps=8.0, request_j=10.0), output_tokens=20.0 * 480)]
    cached = [asked(burst(rate_rps=9.0, request_j=20.0), cache_hit_frac=0.9)]
    plain = [asked(one, cache_hit_frac=0.1) for one in at]
    assert "serving" not in told([*at, *short])
    assert "serving" not in told([*plain, *cached])
    capped = limited(burst(request_j=50.0), 200.0)
    assert "power-limit" in told([burst(), capped])
    assert "power-limit" not in told([burst(), asked(capped, output_tokens=60.0 * 50)])


def asked(one: Run, **figures: float) -> Run:
    """The burst with other figures of its requests."""
    assert one.measurement.burst is not None
    changed = replace(one.measurement.burst, **figures)  # type: ignore[arg-type]
    return replace(one, measurement=replace(one.measurement, burst=changed))


def limited(one: Run, limit_w: float) -> Run:
    """The run under a power limit."""
    machine = replace(one.setup.machine, gpu_power_limit_w=limit_w)
    return replace(one, setup=replace(one.setup, machine=machine))


def test_what_to_measure_next() -> None:
    """Modelled energies, unknown parts of the machine, accuracy and utilisation."""
    runs = [run(energy_source="tdp-model"), run("other")]
    texts = " ".join(one.text for one in told(runs)["measure"])
    assert "50% of the gpu energies are modelled" in texts
    assert "do not know the energy of cpu and dram" in texts
    assert "no run knows its accuracy" in texts
    assert "utilisation" in texts
    others = [replace(run(f"p{i}"), source="predicted") for i in range(2)]
    mixed = " ".join(one.text for one in told([*runs, *others])["measure"])
    assert "50% of the gpu energies are modelled" in mixed, "predictions have no sensor to miss"
    predicted = [replace(r, source="predicted") for r in runs]
    assert "no run is measured" in told(predicted)["measure"][0].text


def test_one_run_advises_no_choice() -> None:
    """What is left is what to measure."""
    assert set(told([run()])) == {"measure"}


def test_networks_at_chance_or_hardly_trained_advise_nothing() -> None:
    """The best at 17.5 %; and an accuracy that training of one epoch reached."""
    chance = [run("a", accuracy=0.175, sample_j=0.1), run("b", accuracy=0.17, sample_j=0.01)]
    assert "model" not in told(chance)
    early = [run(n, accuracy=0.9, sample_j=j, task="train") for n, j in (("a", 0.1), ("b", 0.01))]
    assert "model" not in told(early)
    trained = [epochs_of(early[0], 0.91), epochs_of(early[1], 0.90)]
    (one,) = told(trained)["model"]
    assert "b on hc (energy of training) needs 90% less" in one.text


def epochs_of(one: Run, accuracy: float) -> Run:
    """The run with five epochs of training that reach an accuracy."""
    epochs = tuple(Window(f"epoch-{i}", 0.0, 1.0, accuracy=accuracy) for i in range(5))
    return replace(one, measurement=replace(one.measurement, epochs=epochs))


def test_a_median_over_series_has_one_baseline() -> None:
    """Two series ran 128, one did not; one of two sizes is counted."""
    runs = [run("a", batch=b, sample_j=j) for b, j in ((32, 0.05), (128, 0.02), (512, 0.01))]
    runs += [run("b", batch=b, sample_j=j) for b, j in ((32, 0.05), (128, 0.02), (512, 0.018))]
    runs += [run("c", batch=b, sample_j=j) for b, j in ((8, 0.05), (16, 0.045), (32, 0.044))]
    runs += [run("d", batch=b, sample_j=0.01) for b in (8, 16)]
    (one,) = told(runs)["batch"]
    assert one.text.startswith("a on hc (infer) needs least energy at batch 512")
    assert "over 2 series with batch 128 the best size saves 30% in the median" in one.text
    assert "1 set of runs at two batch sizes only left out" in one.text
    assert "a third would tell" in " ".join(x.text for x in told(runs[-2:])["measure"])


def test_batch_sizes_that_were_assumed_are_no_series() -> None:
    """A table that does not say its sizes has them by scenario."""
    runs = [run(batch=b, sample_j=1 / b) for b in (1, 8, 64)]
    said = ("batch size not given: 1 assumed",)
    assumed = [replace(r, setup=replace(r.setup, notices=said)) for r in runs]
    assert "batch" in told(runs)
    assert "batch" not in told(assumed)
