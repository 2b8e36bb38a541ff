"""Offsets from own runs: shrunken as the process says, unmoved by strangers and wild records."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulecast.core.records import (
    Measurement,
    MeterReport,
    Run,
    Setup,
    StepTimes,
    Window,
    Workload,
)
from joulecast.datasets import architectures, hardware
from joulecast.estimator import bundle as bundles
from joulecast.estimator import calibration, calibration_fit, predictor
from joulecast.estimator import calibration_kernel as kernel
from joulecast.estimator import calibration_runs as own_runs
from joulecast.estimator.calibration_kernel import REPEAT, Places, Spreads
from joulecast.estimator.calibration_solve import ABSURD, Problem, Solved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

SPREADS = Spreads(device=0.24, alike=0.22, model=0.12, new_model=0.17, pair=0.11, noise=0.19)
shares = st.floats(0.01, 0.5)


def places(
    device: Sequence[str],
    model: Sequence[str],
    batch: Sequence[float] | None = None,
    new: int = 0,
) -> Places:
    """Places that differ in device, model and batch size alone."""
    n = len(device)
    scales = np.zeros((n, 5))
    scales[:, 0] = np.log(batch or [1.0] * n) / 6.0
    return Places(
        np.array(list(device)),
        np.array(list(model)),
        scales,
        np.zeros((n, 5)),
        np.full(n, bool(new)),
    )


def solved(
    asked: Places,
    there: Places,
    residual: Sequence[float],
    spreads: Spreads = SPREADS,
    repeats: Sequence[float] | None = None,
) -> Solved:
    """The offset at the only place of `asked`."""
    counts = np.array(repeats or [1.0] * len(residual))
    problem = Problem(kernel.ties(asked, there), kernel.ties(there, there), counts)
    return problem.solved(np.array(residual), np.zeros(len(residual)), spreads)


def test_one_run_of_another_model_is_shrunken_as_by_hand() -> None:
    """Offset = shared variance over that of a run, times its residual; the rest stays unsure."""
    found = solved(places("d", "a"), places("d", "b"), [0.4])
    shared = 0.24**2 + 0.22**2
    run = shared + 0.12**2 + 0.11**2 + 0.19**2
    assert found.offset == pytest.approx(0.4 * shared / run)
    assert found.weight[0] == pytest.approx(shared / run)
    assert found.sd**2 == pytest.approx(run - shared**2 / run)
    assert found.prior_sd**2 == pytest.approx(run)


def test_the_same_workload_leaves_repeats_alone() -> None:
    """A run of the asked pair and workload is believed but for what repeats differ by."""
    found = solved(places("d", "a"), places("d", "a"), [0.4])
    prior = found.prior_sd**2
    assert found.weight[0] == pytest.approx((prior - REPEAT**2) / prior)
    assert found.sd == pytest.approx(math.sqrt(2) * REPEAT, rel=1e-2)


def test_repeats_make_surer_but_never_surer_than_one_run_repeats() -> None:
    """The spread falls with the number of runs towards `REPEAT`."""
    spread = [
        solved(places("d", "a"), places("d", "a"), [0.4], repeats=[n]).sd for n in (1, 3, 10, 1e6)
    ]
    assert spread == sorted(spread, reverse=True)
    assert spread[-1] == pytest.approx(REPEAT, rel=1e-3)


def test_a_stranger_says_nothing() -> None:
    """Another model on another device moves nothing."""
    found = solved(places("d", "a"), places("e", "b"), [0.4])
    assert found.offset == 0
    assert found.sd == pytest.approx(found.prior_sd)


def test_new_models_share_more_between_devices() -> None:
    """A model that the predictor never saw tells more about itself elsewhere than a known one."""
    known, new = (solved(places("d", "a", new=n), places("e", "a", new=n), [0.4]) for n in (0, 1))
    assert 0 < known.offset < new.offset < 0.4


@given(ratio=st.floats(1, 1e4), more=st.floats(1.1, 10))
def test_the_closer_the_workload_the_more_it_says(ratio: float, more: float) -> None:
    """A run at a more distant batch size moves the answer less and leaves it less sure."""
    near, far = (
        solved(places("d", "a"), places("d", "a", [r]), [0.4]) for r in (ratio, ratio * more)
    )
    assert near.offset >= far.offset > 0
    assert near.sd <= far.sd


@given(
    seed=st.integers(0, 1000),
    n=st.integers(1, 25),
    parts=st.tuples(*[shares] * 5),
)
def test_the_process_is_one(seed: int, n: int, parts: tuple[float, ...]) -> None:
    """Every covariance matrix is positive definite, and no posterior is surer than repeats are."""
    rng = np.random.default_rng(seed)
    device, alike, model, new_model, pair = parts
    spreads = Spreads(device, alike, model, new_model, pair, noise=0.1)
    where = Places(
        rng.choice(list("de"), n + 1),
        rng.choice(list("abc"), n + 1),
        rng.normal(0, 0.5, (n + 1, 5)),
        rng.integers(0, 2, (n + 1, 5)).astype(float),
        rng.random(n + 1) < 0.5,
    )
    ties = kernel.ties(where, where)
    k = ties.covariance(spreads, repeats=True) + REPEAT**2 * np.eye(n + 1)
    assert np.linalg.eigvalsh(k).min() > 0
    asked, there = where.take(np.array([n])), where.take(np.arange(n))
    found = solved(asked, there, rng.normal(0, 0.3, n).tolist(), spreads)
    assert REPEAT <= found.sd <= found.prior_sd + 1e-9


def five(*residual: float) -> tuple[Places, list[float]]:
    """Five models on one device, all measured alike but the last."""
    return places(["d"] * 5, list("abcde")), list(residual)


def test_one_wild_record_spoils_no_other_answer() -> None:
    """A record 16 times off hardly moves other models; without it they are answered the same."""
    there, y = five(0.05, -0.02, 0.0, 0.03, math.log(16))
    asked = places("d", "f")
    found = solved(asked, there, y)
    without = solved(asked, there.take(np.arange(4)), y[:4])
    assert found.offset == pytest.approx(without.offset, abs=0.03)
    assert found.doubt[4] > kernel.WILD
    assert not found.doubt[:4].any()


def test_a_wild_pair_is_still_answered_by_its_own_record() -> None:
    """What is odd about a pair holds for the pair: its own workload follows its record."""
    there, y = five(0.05, -0.02, 0.0, 0.03, 1.6)
    found = solved(places("d", "e"), there, y)
    assert found.doubt[4] > kernel.WILD
    assert found.offset == pytest.approx(1.6, abs=0.05)


def test_a_bad_repeat_yields_to_its_pair() -> None:
    """A record far off the others of its own pair hardly counts."""
    there = places(["d"] * 4, ["a"] * 4, [1.0, 1.3, 1.7, 2.0])
    found = solved(places("d", "a", [1.5]), there, [0.1, 0.1, 2.4, 0.1])
    assert found.doubt[2] > kernel.WILD
    assert found.offset == pytest.approx(0.1, abs=0.05)


def test_the_absurd_is_set_aside() -> None:
    """A record a thousandfold off is another unit: it does not count at all."""
    found = solved(places("d", "a"), places("dd", "bc"), [math.log(1000), 0.1])
    assert found.absurd.tolist() == [True, False]
    assert found.weight[0] == 0
    only = solved(places("d", "a"), places("d", "a"), [1.01 * ABSURD * found.prior_sd])
    assert (only.offset, only.sd) == (0, only.prior_sd)


def test_what_was_not_measured_does_not_count() -> None:
    """A run without power leaves power as it was."""
    found = solved(places("d", "a"), places("dd", "bc"), [math.nan, 0.3])
    alone = solved(places("d", "a"), places("d", "c"), [0.3])
    assert found.offset == pytest.approx(alone.offset)
    assert found.counted.tolist() == [False, True]


def simulated(truth: Spreads, seed: int) -> tuple[NDArray[np.float64], Places]:
    """Residuals drawn from the process: 20 devices, 8 models, 3 batch sizes."""
    grid = [(f"d{d}", f"m{m}", b) for d in range(20) for m in range(8) for b in (1.0, 2.0, 8.0)]
    device, model, batch = zip(*grid, strict=True)
    where = places(device, model, batch)
    k = kernel.ties(where, where).covariance(truth, repeats=False)
    rng = np.random.default_rng(seed)
    drawn = np.linalg.cholesky(k + 1e-9 * np.eye(len(grid))) @ rng.normal(size=len(grid))
    return drawn + rng.normal(0, truth.noise, len(grid)), where


def test_spreads_are_found_again() -> None:
    """From residuals of known spreads the fit gives these back."""
    truth = Spreads(device=0.3, alike=0.1, model=0.15, new_model=0.15, pair=0.2, noise=0.08)
    residual, where = simulated(truth, 5)
    found = calibration_fit.fit_spreads(residual, where, new_model=0.4)
    assert found.noise == pytest.approx(truth.noise, rel=0.15)
    assert found.pair == pytest.approx(truth.pair, rel=0.2)
    assert found.device == pytest.approx(truth.device, rel=0.4)
    assert found.model == pytest.approx(truth.model, rel=0.6)
    assert found.new_model == 0.4


def test_few_residuals_keep_typical_spreads() -> None:
    """With hardly any row the prior stands."""
    found = calibration_fit.fit_spreads(np.array([3.0]), places("d", "a"))
    assert 0 < found.device < 0.5
    assert found.new_model == found.model


def setup(model: str = "resnet18", machine: str = "hc3", **work: Any) -> Setup:  # noqa: ANN401
    """A CIFAR-10 training of a network on a machine."""
    facts = {"dataset": "cifar10", "samples": 1000.0, **work}
    return Setup(hardware.machine(machine), architectures.find(model), Workload(**facts))


def run(measurement: Measurement, of: Setup | None = None, **facts: Any) -> Run:  # noqa: ANN401
    """A run of `of`."""
    asked = of or setup()
    group = asked.architecture.group or asked.architecture.name
    return Run(asked, measurement, source="profiler", model_group=group, meter="nvml", **facts)


def weak_gpu() -> Setup:
    """A GPU whose limit is below what it draws when idle."""
    asked = setup()
    assert asked.machine.gpu is not None
    gpu = replace(asked.machine.gpu, idle_w=20.0, tdp_w=2.0)
    return replace(asked, machine=replace(asked.machine, gpu=gpu))


def session(**facts: Any) -> Measurement:  # noqa: ANN401
    """Ten seconds for a thousand samples at 100 W of GPU, by its counter."""
    known: dict[str, Any] = {
        "energy_j": {"gpu": 1000.0},
        "duration_s": 10.0,
        "samples": 1000.0,
        "energy_source": {"gpu": "nvml-counter"},
    }
    return Measurement(**{**known, **facts})


def epochs(*durations_s: float) -> tuple[Window, ...]:
    """Epochs of 1,000 samples at 150 W, the first one at 75 W."""
    return tuple(
        Window(f"epoch {i}", 0.0, d, {"gpu": (150.0 if i else 75.0) * d}, samples=1000.0)
        for i, d in enumerate(durations_s)
    )


def untold(*durations_s: float) -> tuple[Window, ...]:
    """Epochs whose samples nobody told."""
    return tuple(replace(e, samples=None) for e in epochs(*durations_s))


def cell(measurement: Measurement, **facts: Any) -> own_runs.Cell:  # noqa: ANN401
    """The only cell of one run."""
    (found,), notices = own_runs.cells_of(setup(), [run(measurement, **facts)])
    assert notices == ()
    return found


@pytest.mark.parametrize(
    ("measurement", "sample_s", "gpu_w", "startup_s"),
    [
        (session(), 0.01, 100.0, 0.0),
        (session(samples=1.0, duration_s=0.004, energy_j={"gpu": 0.4}), 0.004, 100.0, 0.0),
        (session(steady_sample_s=0.008, steady_power_w={"gpu": 120.0}), 0.008, 120.0, 0.0),
        (session(duration_s=30.0, samples=3000.0, epochs=epochs(14, 8, 8)), 0.008, 150.0, 6.0),
        (session(epochs=epochs(9)), 0.009, 100.0, 0.0),
        (
            session(duration_s=30.0, samples=3000.0, epochs=untold(14, 8, 8)),
            0.008,
            150.0,
            6.0,
        ),
        (
            session(duration_s=30.0, samples=None, epochs=(*epochs(14, 8), untold(9, 9)[1])),
            0.008,
            150.0,
            6.0,
        ),
        (session(power_w={"gpu": 90.0}), 0.01, 90.0, 0.0),
        (
            session(
                steady_sample_s=0.008,
                steps=StepTimes(100, 0.064, 0.07, warmup_s=2.0, warmup_steps=5),
            ),
            0.008,
            100.0,
            2.0 - 5 * 0.064,
        ),
    ],
    ids=[
        "whole",
        "per sample",
        "steady",
        "epochs",
        "one epoch",
        "shared",
        "partly told",
        "power",
        "steps",
    ],
)
def test_rate_power_and_start(
    measurement: Measurement, sample_s: float, gpu_w: float, startup_s: float
) -> None:
    """Steady figures first, then epochs from the second on, then the window over its samples."""
    found = cell(measurement)
    assert found.sample_s == pytest.approx(sample_s)
    assert found.power_w == pytest.approx({"gpu": gpu_w})
    assert found.startup_s == pytest.approx(startup_s)


def test_only_sensors_speak_of_power() -> None:
    """A modelled scope counts for time alone; a source that is not told needs a named meter."""
    assert cell(session(energy_source={"gpu": "tdp-model"})).power_w == {}
    assert cell(session(energy_source={"gpu": "nvml-power+tdp-model"})).power_w == {}
    assert cell(session(energy_source={"gpu": "nvml-power+nvml-counter"})).power_w
    assert cell(session(energy_source={})).power_w
    unnamed = replace(run(session(energy_source={})), meter="")
    assert own_runs.cells_of(setup(), [unnamed])[0][0].power_w == {}


def lost(scope: str, seen_frac: float | None, source: str = "nvml-counter") -> MeterReport:
    """A meter that saw a share of the session."""
    return MeterReport(f"{scope}:0", scope, source, 1.0, seen_frac=seen_frac)


@pytest.mark.parametrize(
    ("meters", "counts"),
    [
        ((lost("gpu", 1.0),), True),
        ((lost("gpu", 0.98),), True),
        ((lost("gpu", 0.97),), False),
        ((lost("gpu", 1.0), lost("gpu", 0.5)), False),
        ((lost("gpu", None),), True),
        ((lost("cpu", 0.5, "rapl"),), True),
        ((lost("gpu", 1.0), lost("gpu", 0.5, "tdp-model")), True),
    ],
    ids=["all", "nearly", "lost", "one of two", "unknown", "another scope", "a model"],
)
def test_a_meter_lost_on_the_way_does_not_count(
    meters: tuple[MeterReport, ...],
    counts: bool,  # noqa: FBT001
) -> None:
    """Joules of a meter that was gone for a while are a lower bound: neither power nor answer."""
    asked = replace(setup(), scope="gpu")
    record = run(session(meters=meters), asked)
    (found,), notices = own_runs.cells_of(asked, [record])
    assert bool(found.power_w) is counts
    assert any("lost for a while" in notice for notice in notices) is not counts
    assert bool(own_runs.covering(asked, [record])) is counts


@pytest.mark.parametrize("scope", ["gpu", "cpu", "dram", "system"])
def test_a_sum_lacks_what_its_parts_lack(scope: Any) -> None:  # noqa: ANN401
    """The system's joules are those of its parts: one lost meter spoils both, the others stay."""
    sources = {"gpu": "nvml-counter", "cpu": "rapl", "dram": "rapl", "system": "nvml-counter+rapl"}
    energy_j = {"gpu": 1000.0, "cpu": 300.0, "dram": 50.0, "system": 1350.0}
    meters = tuple(lost(s, 0.1 if s == "gpu" else 1.0, sources[s]) for s in ("gpu", "cpu", "dram"))
    seen = session(energy_j=energy_j, energy_source=sources, meters=meters)
    asked = replace(setup(), scope=scope)
    (found,), notices = own_runs.cells_of(setup(), [run(seen)])
    assert found.power_w == {"cpu": 30.0, "dram": 5.0}
    assert notices == ("1 run (resnet18): a meter of gpu was lost for a while; its power is out",)
    assert bool(own_runs.covering(asked, [run(seen, asked)])) is (scope in ("cpu", "dram"))


def test_measured_parts_stand_before_a_partly_modelled_whole() -> None:
    """Of a system whose processor is modelled the GPU's share counts."""
    parts = {"gpu": 1000.0, "cpu": 300.0, "system": 1300.0}
    sources = {"gpu": "nvml-counter", "cpu": "tdp-model", "system": "nvml-counter+tdp-model"}
    assert cell(session(energy_j=parts, energy_source=sources)).power_w == {"gpu": 100.0}
    whole = session(energy_j={"system": 1300.0}, energy_source={"system": "rapl-psys"})
    assert cell(whole).power_w == {"system": 130.0}


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        (run(session(), status="interrupted"), "ended before it was steady"),
        (run(session(), status="running"), "ended before it was steady"),
        (run(session(duration_s=None)), "no duration per sample"),
        (run(session(samples=None)), r"tell the session its samples: epoch_end(samples=...)"),
        (run(session(samples=None, epochs=untold(14, 8, 8))), "tell the session its samples"),
        (run(session(samples=0.0)), "no duration per sample"),
        (run(session(), quality_flag="input_bound"), "quality flag"),
        (run(session(), setup(task="serve")), "serving"),
        (run(session(), setup(batch_size=0.0)), "batch size"),
        (run(session(), setup(batch_size=math.nan)), "batch size"),
        (run(session(), weak_gpu()), "no less when idle"),
        (run(session(duration_s=math.nan)), "no duration per sample"),
        (
            run(session(), replace(setup(), architecture=replace(setup().architecture, macs=0.0))),
            "not counted",
        ),
    ],
)
def test_what_cannot_count_is_left_out_and_named(broken: Run, reason: str) -> None:
    """A run that says nothing about a rate is no evidence, and the notice says which and why."""
    cells, notices = own_runs.cells_of(setup(), [broken])
    assert cells == []
    assert len(notices) == 1
    assert reason in notices[0]
    assert "resnet18" in notices[0]


def test_an_interrupted_run_counts_with_steady_figures() -> None:
    """What was steady before the end is evidence."""
    assert cell(session(steady_sample_s=0.008), status="interrupted").sample_s == 0.008
    assert cell(session(epochs=epochs(14, 8, 8)), status="running").sample_s == 0.008


def test_what_an_epoch_costs_beside_its_steps_counts() -> None:
    """Epochs of 14, 8 and 8 s stand before steps that alone would take 5 ms per sample."""
    measured = replace(session(epochs=epochs(14, 8, 8)), steady_sample_s=0.005)
    assert cell(measured).sample_s == 0.008


def test_strangers_are_not_even_named() -> None:
    """Runs of other machines and other models are passed over without a word."""
    stranger = run(session(), setup("vgg16", "hc2"))
    assert own_runs.cells_of(setup(), [stranger]) == ([], ())


def test_repeats_of_a_workload_are_one_cell() -> None:
    """Repeats become one cell with the median; another batch size is another cell."""
    repeats = [run(session(duration_s=d)) for d in (10.0, 11.0, 40.0)]
    cells, _ = own_runs.cells_of(setup(), [*repeats, run(session(), setup(batch_size=16.0))])
    assert [(c.n, c.sample_s) for c in cells] == [(3, 0.011), (1, 0.01)]


def test_only_the_most_alike_workloads_are_looked_at() -> None:
    """Of very many workloads those most like the asked one are taken."""
    many = [run(session(), setup(batch_size=float(b))) for b in range(1, 400)]
    cells, _ = own_runs.cells_of(setup(), many)
    assert len(cells) == own_runs.MOST
    assert all(80 < c.run.setup.workload.batch_size < 200 for c in cells)


def test_complete_runs_of_the_whole_workload_are_found() -> None:
    """A run covers a question if machine, workload and amount agree and sensors saw the scope."""
    asked = replace(setup(), scope="gpu")
    right = run(session(), asked)
    assert own_runs.covering(asked, [right]) == [right]
    others = [
        replace(right, status="interrupted"),
        run(session(samples=500.0), asked),
        run(session(energy_source={"gpu": "tdp-model"}), asked),
        run(session(), replace(asked, workload=replace(asked.workload, batch_size=64.0))),
        run(session(), replace(asked, workload=replace(asked.workload, epochs=2.0))),
        run(session(), replace(asked, machine=hardware.machine("hc2"))),
        run(session(), replace(asked, architecture=architectures.find("vgg16"))),
    ]
    assert own_runs.covering(asked, others) == []
    assert own_runs.covering(replace(asked, scope="system"), [right]) == []


def sharpened(
    asked: Setup, runs: Sequence[Run], level: float = 0.9
) -> tuple[calibration.Sharpened, predictor.Answers]:
    """The shipped predictor's answer before and after `runs`."""
    bundle = bundles.load()
    before = predictor.answer([asked], bundle, level)
    terms = calibration.Given(bundle, bundles.load_short_runs(), level)
    after, _ = calibration.sharpen(asked, before, runs, terms)
    assert after is not None
    return after, before


def as_expected(of: Setup, time: float = 1.0, gpu: float = 1.0) -> Run:
    """A minute's run of `of` at the zero-shot figures times given factors."""
    a = predictor.answer([of], bundles.load())
    sample_s, gpu_w = float(a.sample_s[0]) * time, float(a.scope_w["gpu"][0]) * gpu
    n = 120.0 / sample_s
    return run(session(energy_j={"gpu": gpu_w * 120.0}, duration_s=120.0, samples=n), of)


def test_only_the_measured_part_of_the_power_moves() -> None:
    """A GPU reading moves the GPU's watts; processor and memory stay as predicted."""
    asked = setup()
    after, before = sharpened(asked, [as_expected(asked, gpu=1.3)])
    moved = {p: float(after.answers.scope_w[p][0] / before.scope_w[p][0]) for p in own_runs.PARTS}
    assert moved["gpu"] == pytest.approx(1.3, rel=0.01)
    assert (moved["cpu"], moved["dram"]) == (1.0, 1.0)
    total = sum(float(w[0]) for w in after.answers.scope_w.values())
    assert float(after.answers.power_w[0]) == pytest.approx(total)


def test_a_short_reading_of_power_counts_less() -> None:
    """Power over a few seconds may not have settled: it is believed less than over minutes."""
    asked = setup()
    long = as_expected(asked, gpu=1.3)
    m = long.measurement
    brief_j = {"gpu": m.energy_j["gpu"] / 60}
    brief = replace(m, duration_s=2.0, samples=(m.samples or 0) / 60, energy_j=brief_j)
    sure, unsure = (sharpened(asked, [r])[0] for r in (long, replace(long, measurement=brief)))
    assert unsure.solved["gpu"].offset < sure.solved["gpu"].offset
    assert unsure.solved["gpu"].sd > sure.solved["gpu"].sd
    assert unsure.solved["time"].sd == sure.solved["time"].sd


@pytest.mark.parametrize("scope", ["gpu", "system", "wall", "cpu"])
def test_bounds_stay_in_order_in_every_scope(scope: Any) -> None:  # noqa: ANN401
    """Low, answer and high are in order, and the energy is power times time."""
    asked = replace(setup("vgg16"), scope=scope)
    runs = [as_expected(setup("resnet18"), time=1.4, gpu=0.8)]
    after, before = sharpened(asked, runs)
    a = after.answers
    assert a.energy_low_j < a.energy_j < a.energy_high_j
    assert a.sample_low_s < a.sample_s < a.sample_high_s
    assert a.energy_j == pytest.approx(a.sample_s * a.power_w)
    assert a.energy_high_j / a.energy_low_j <= before.energy_high_j / before.energy_low_j * 1.0001


@given(level=st.floats(0.5, 0.995), more=st.floats(0.0, 0.3))
def test_a_higher_level_is_no_narrower(level: float, more: float) -> None:
    """Intervals grow with the level, and never below what repeats need."""
    asked = setup()
    known = [as_expected(asked)]
    low, high = (sharpened(asked, known, x)[0].answers for x in (level, min(level + more, 0.995)))
    assert low.energy_high_j <= high.energy_high_j * (1 + 1e-12)
    assert np.log(low.energy_high_j / low.energy_j) >= calibration.repeat_half(level) * (1 - 1e-9)


def test_intervals_that_the_runs_refute_are_not_kept() -> None:
    """Where the runs lie outside their own narrow intervals, the cap on the width is gone."""
    asked, other = setup("vgg16", "rtx-4090"), setup("resnet18", "rtx-4090")
    agreeing, before = sharpened(asked, [as_expected(other, time=1.02)])
    refuting, _ = sharpened(asked, [as_expected(other, time=2.2)])
    width = {
        name: float(np.log(a.sample_high_s / a.sample_s)[0])
        for name, a in (("no", before), ("yes", agreeing.answers), ("off", refuting.answers))
    }
    assert width["yes"] <= width["no"] * (1 + 1e-9)
    assert width["off"] > width["yes"]
