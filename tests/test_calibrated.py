"""`estimate` with the user's own runs: what they change, what they cannot, what is said of them."""

from __future__ import annotations

import copy
import json
import math
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import joulecast
from joulecast import api, known_runs, tables
from joulecast.asking_run import setup_of
from joulecast.core.records import (
    Estimate,
    Measurement,
    MeterReport,
    Run,
    Setup,
    StepTimes,
    Window,
    Workload,
)
from joulecast.core.run_files import default_folder, read_runs, to_dict, write_run
from joulecast.datasets import architectures, hardware

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SAMPLES = 50_000.0
FIGURES = ("energy_j", "energy_low_j", "energy_high_j", "duration_s", "power_w", "net_energy_j")
SENSORS = {"gpu": "nvml-counter", "cpu": "rapl", "dram": "rapl"}


def ask(runs: Sequence[Run] = (), **options: Any) -> Estimate:  # noqa: ANN401
    """One epoch of vgg16 on hc3 with own runs."""
    model, machine = options.pop("model", "vgg16"), options.pop("machine", "hc3")
    return joulecast.estimate(model, machine, runs=runs, samples=SAMPLES, **options)


def epoch(
    model: str = "vgg16",
    machine: str = "hc3",
    *,
    time: float = 1.0,
    power: float = 1.0,
    sources: dict[str, str] | None = None,
    **work: Any,  # noqa: ANN401
) -> Run:
    """A measured epoch at the zero-shot time and powers times given factors."""
    expected = ask(model=model, machine=machine, **work)
    assert expected.workload is not None
    duration_s = expected.duration_s * time
    parts_j = {p: getattr(expected, f"{p}_energy_j") for p in ("gpu", "cpu", "dram")}
    energy_j = {p: e * time * power for p, e in parts_j.items() if e is not None}
    setup = Setup(
        hardware.machine(machine),
        architectures.find(model),
        replace(expected.workload, dataset="cifar10"),
    )
    measurement = Measurement(
        energy_j={**energy_j, "system": sum(energy_j.values())},
        duration_s=duration_s,
        samples=SAMPLES,
        energy_source={p: (sources or SENSORS).get(p, "tdp-model") for p in energy_j},
    )
    return Run(setup, measurement, source="profiler", model_group=model, meter="nvml+rapl")


def width(answer: Estimate) -> float:
    """Factor between the bounds of the energy."""
    return answer.energy_high_j / answer.energy_low_j


def test_no_run_changes_nothing() -> None:
    """Without runs, or with those of strangers alone, the answer is zero-shot to the last digit."""
    alone, beside = ask(), ask([epoch("resnet18", "hc2", time=3.0)])
    assert alone.basis == beside.basis == "zero-shot"
    assert alone == beside


def test_each_kind_of_run_has_its_basis() -> None:
    """Another model here and this model elsewhere calibrate; the pair nearby is a short run."""
    assert ask([epoch("resnet18")]).basis == "calibrated"
    assert ask([epoch("vgg16", "hc2")]).basis == "calibrated"
    assert ask([epoch()], epochs=100).basis == "short-run"
    assert ask([epoch(batch_size=64)]).basis == "short-run"
    assert ask([epoch(task="infer")]).basis == "calibrated"
    assert ask([epoch(batch_size=2)], batch_size=1024).basis == "calibrated"
    assert ask([epoch()]).basis == "measured"


def test_novelty_stays_what_the_bundle_says() -> None:
    """Own runs do not change what the predictor was fitted on."""
    assert ask([epoch()], epochs=100).novelty == ask().novelty == "new-pair"


def test_intervals_narrow_step_by_step() -> None:
    """From zero-shot to calibrated to short-run to measured each interval is narrower."""
    others = [epoch(m, time=1.2) for m in ("resnet18", "googlenet", "densenet121")]
    steps = [
        ask(),
        ask(others[:1]),
        ask(others),
        ask([*others, epoch(time=1.2)], epochs=10),
        ask([*others, epoch(time=1.2)]),
    ]
    assert [s.basis for s in steps][1:] == ["calibrated", "calibrated", "short-run", "measured"]
    widths = [width(s) ** 0.5 for s in steps]
    assert widths == sorted(widths, reverse=True)
    assert widths[0] > 1.5
    assert widths[3] < 1.25
    assert widths[4] == pytest.approx(1.04, abs=0.01)


def test_repeats_that_disagree_widen_the_interval() -> None:
    """Two runs of one workload, six times apart, are both inside the answer's interval."""
    quick, slow = epoch(time=0.5), epoch(time=3.0)
    answer = ask([quick, slow], epochs=10)
    for run in (quick, slow):
        lasted_s = 10 * (run.measurement.duration_s or 0.0)
        assert answer.duration_low_s < lasted_s < answer.duration_high_s
    assert width(ask([quick, quick], epochs=10)) < width(answer) / 3


def test_unasked_loader_workers_are_those_of_the_own_runs() -> None:
    """A record answers the question that it was measured for, without repeating its options."""
    run = epoch(time=1.5, loader_workers=1)
    told, untold = (ask([run], epochs=10, **w) for w in ({"loader_workers": 1}, {}))
    assert untold.duration_s == pytest.approx(told.duration_s)
    assert untold.workload is not None
    assert untold.workload.loader_workers == 1


@given(factor=st.floats(0.4, 2.5))
def test_offsets_are_shrunken(factor: float) -> None:
    """A run of another model moves the answer its way, but never all of it."""
    before, after = ask(), ask([epoch("resnet18", time=factor)])
    moved, seen = math.log(after.duration_s / before.duration_s), math.log(factor)
    assert abs(moved) <= abs(seen) + 1e-12
    assert moved * seen >= 0
    assert after.power_w == pytest.approx(before.power_w, rel=1e-6)


@given(time=st.floats(0.5, 2), power=st.floats(0.6, 1.5))
def test_a_short_run_is_followed(time: float, power: float) -> None:
    """An epoch of the pair sets rate and power of a hundred, at every scale of both."""
    before, after = ask(epochs=100), ask([epoch(time=time, power=power)], epochs=100)
    assert after.duration_s == pytest.approx(time * before.duration_s, rel=0.02)
    assert after.energy_j == pytest.approx(time * power * before.energy_j, rel=0.1)
    assert after.duration_low_s < time * before.duration_s < after.duration_high_s


def test_more_runs_of_other_models_say_more() -> None:
    """Three models that agree move the answer further than one of them, repeats hardly do."""
    others = [epoch(m, time=1.5) for m in ("resnet18", "googlenet", "densenet121")]
    before, one, three = (ask(runs).duration_s for runs in ((), others[:1], others))
    assert before < one < three < 1.5 * before
    assert ask(others[:1] * 20).duration_s == pytest.approx(one, rel=0.02)


def test_modelled_power_calibrates_time_alone() -> None:
    """Without a sensor the watts stay as they were, and a notice says so."""
    before = ask(epochs=10)
    after = ask([epoch(time=1.5, power=2.0, sources={"gpu": "tdp-model"})], epochs=10)
    assert after.power_w == pytest.approx(before.power_w)
    assert after.duration_s == pytest.approx(1.5 * before.duration_s, rel=0.02)
    assert any("no sensor" in notice for notice in after.notices)
    assert width(after) < width(before)


def test_a_measured_gpu_calibrates_its_share() -> None:
    """With a modelled processor the GPU's energy follows the reading, the processor's the time."""
    before = ask(epochs=10)
    after = ask([epoch(time=1.2, power=1.4, sources={"gpu": "nvml-power"})], epochs=10)
    assert before.gpu_energy_j is not None
    assert after.gpu_energy_j == pytest.approx(1.2 * 1.4 * before.gpu_energy_j, rel=0.04)
    assert before.cpu_energy_j is not None
    assert after.cpu_energy_j == pytest.approx(1.2 * before.cpu_energy_j, rel=0.02)


def test_a_complete_run_of_the_question_is_the_answer() -> None:
    """Same model, machine, batch, task, epochs and samples: the measurement itself."""
    run = epoch(time=1.37, power=0.83)
    answer = ask([run])
    assert answer.basis == "measured"
    assert answer.duration_s == run.measurement.duration_s
    assert answer.energy_j == pytest.approx(run.measurement.energy_j["system"])
    assert answer.gpu_energy_j == run.measurement.energy_j["gpu"]
    assert answer.energy_low_j < answer.energy_j < answer.energy_high_j
    assert answer.net_energy_j is not None
    assert 0 <= answer.net_energy_j <= answer.energy_j
    assert answer.next_measurement is None
    assert not answer.extrapolated


@pytest.mark.parametrize(
    ("options", "run"),
    [
        ({"epochs": 2}, epoch()),
        ({"batch_size": 64}, epoch()),
        ({"task": "infer"}, epoch()),
        ({"machine": "hc2"}, epoch()),
        ({}, replace(epoch(), status="interrupted")),
        ({}, epoch(sources={"gpu": "nvml-counter"})),
    ],
    ids=["epochs", "batch", "task", "machine", "interrupted", "modelled"],
)
def test_anything_less_is_not_measured(options: dict[str, Any], run: Run) -> None:
    """One difference and the answer is an estimate again."""
    assert ask([run], **options).basis != "measured"


def test_a_start_counts_once() -> None:
    """The seconds that the warm-up took are added once, whatever the number of epochs."""
    run = epoch()
    steps = StepTimes(count=390, median_s=0.05, p90_s=0.06, warmup_s=9.0, warmup_steps=20)
    sample_s = (run.measurement.duration_s or 0) / SAMPLES
    slow = replace(run, measurement=replace(run.measurement, steps=steps, steady_sample_s=sample_s))
    for epochs in (10, 1000):
        with_start, without = ask([slow], epochs=epochs), ask([run], epochs=epochs)
        assert with_start.duration_s - without.duration_s == pytest.approx(8.0, rel=1e-6)
        added_j = with_start.energy_j - without.energy_j
        assert added_j == pytest.approx(8.0 * without.power_w, rel=1e-6)
        parts = (with_start.gpu_energy_j, with_start.cpu_energy_j, with_start.dram_energy_j)
        assert sum(p or 0.0 for p in parts) == pytest.approx(with_start.energy_j)


def test_evidence_names_own_runs_first() -> None:
    """Own runs by model, device, number and source, before the groups of the bundle."""
    answer = ask([epoch("resnet18"), epoch("resnet18"), epoch("vgg16", "hc2")])
    own = [(e.model, e.device, e.n, e.source) for e in answer.evidence[:2]]
    elsewhere = hardware.machine("hc2").accelerator
    assert elsewhere is not None
    assert set(own) == {
        ("resnet18", "rtx-a2000-12gb", 2, "profiler"),
        ("vgg16", elsewhere.id, 1, "profiler"),
    }
    assert answer.evidence[2:] == ask().evidence


def test_what_to_measure_next() -> None:
    """First the pair; once it was measured for a minute, nothing."""
    calibrated = ask([epoch("resnet18")]).next_measurement
    assert calibrated is not None
    assert "vgg16 on hc3" in calibrated
    assert "interval down to" in calibrated
    brief = ask([epoch()], epochs=100).next_measurement
    assert brief is not None
    assert "60 s or more" in brief
    run = epoch()
    m = run.measurement
    long = replace(
        m,
        duration_s=20 * (m.duration_s or 0),
        samples=20 * SAMPLES,
        energy_j={k: 20 * v for k, v in m.energy_j.items()},
    )
    assert ask([replace(run, measurement=long)], epochs=100).next_measurement is None
    unmetered = ask([epoch("resnet18", sources={"gpu": "tdp-model"})]).next_measurement
    assert unmetered is not None
    assert "of the time" in unmetered


def test_the_explanation_tells_offsets_and_weights() -> None:
    """Which runs moved the answer by how much; plain values."""
    runs = [epoch("resnet18", time=1.5), epoch("lenet", time=1.1)]
    answer = ask(runs, explain=True)
    assert answer.explanation is not None
    told = json.loads(json.dumps(answer.explanation["calibration"]))
    assert told["basis"] == "calibrated"
    factor = told["offsets"]["time"]["factor"]
    assert answer.duration_s == pytest.approx(factor * ask().duration_s)
    by_weight = sum(
        r["weight"]["time"] * math.log(r["measured_over_expected"]["time"]) for r in told["runs"]
    )
    assert math.log(factor) == pytest.approx(by_weight)
    assert [r["model"] for r in told["runs"]] == ["resnet18", "lenet"]
    assert told["offsets"]["time"]["sd"] < told["offsets"]["time"]["sd_before"]
    plain = ask(explain=True).explanation
    assert plain is not None
    assert "calibration" not in plain


def test_a_wild_record_is_doubted_aloud() -> None:
    """One record far off moves other models little, and the notice names it."""
    good = [epoch(m) for m in ("resnet18", "googlenet", "densenet121")]
    before, after = ask(good), ask([*good, epoch("mobilenetv2", time=12.0)])
    assert after.duration_s == pytest.approx(before.duration_s, rel=0.05)
    assert any("mobilenetv2 on hc3: 12 times" in notice for notice in after.notices)
    absurd = ask([epoch("mobilenetv2", time=1000.0)])
    assert absurd.basis == "calibrated"
    assert absurd.duration_s == pytest.approx(ask().duration_s)
    assert any("set aside" in notice for notice in absurd.notices)


@pytest.mark.parametrize("wild", [{"time": 1000.0}, {"power": 0.001}])
def test_what_was_set_aside_is_never_the_answer(wild: dict[str, float]) -> None:
    """A record of exactly the question that is absurd stays aside; a sane repeat is the answer."""
    absurd = epoch(**wild)  # type: ignore[arg-type]
    assert any("set aside" in notice for notice in ask([absurd]).notices)
    assert ask([absurd]).basis != "measured"
    sane = epoch("vgg16", loader_workers=2)
    both = ask([absurd, sane])
    assert both.basis == "measured"
    assert both.duration_s == sane.measurement.duration_s


def test_epochs_of_untold_size_say_nothing_of_the_rate() -> None:
    """The samples that a session assumes are no count: the run is skipped, and told how to."""
    run = epoch()
    m = replace(run.measurement, samples=None, epochs=tuple(Window("e", 0.0, 9.0) for _ in "ab"))
    answer = ask([replace(run, measurement=m)], epochs=3)
    assert answer.basis == "zero-shot"
    assert answer.duration_s == ask(epochs=3).duration_s
    assert any("epoch_end(samples=...)" in notice for notice in answer.notices)


def test_a_lost_gpu_is_no_measurement() -> None:
    """Joules of a GPU that fell off the bus are a lower bound, the answer stays an estimate."""
    run = epoch(power=0.4)
    meters = (
        MeterReport("nvml:0", "gpu", "nvml-counter", 1.0, seen_frac=0.1),
        MeterReport("rapl:0", "cpu", "rapl", 1.0, seen_frac=1.0),
    )
    lost = replace(run, measurement=replace(run.measurement, meters=meters))
    before, after = ask(), ask([lost])
    assert after.basis == "short-run"
    assert after.gpu_energy_j == pytest.approx(before.gpu_energy_j, rel=0.02)


def test_a_folder_of_other_machines_changes_nothing(tmp_path: Path) -> None:
    """Hundreds of records of another model elsewhere: the same answer, without a word."""
    stranger = epoch("resnet18", "hc2", time=3.0)
    for i in range(200):
        write_run(replace(stranger, id=f"r{i}"), tmp_path / f"r{i}.json")
    assert joulecast.estimate("vgg16", "hc3", samples=SAMPLES, runs=tmp_path) == ask()


def test_of_the_own_folder_the_newest_thousand_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's own folder may grow without end, an answer stays quick and says so."""
    monkeypatch.setattr(known_runs, "NEWEST", 2)
    run = epoch("resnet18")
    for i in range(3):
        write_run(replace(run, id=f"r{i}"), default_folder() / f"r{i}.json")
    try:
        answer = joulecast.estimate("vgg16", "hc3", samples=SAMPLES)
    finally:
        for path in default_folder().glob("*.json"):
            path.unlink()
    assert answer.evidence[0].n == 2
    assert any("of 3 run records" in notice for notice in answer.notices)


def places_of(value: Any, here: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401
    """Paths of all values in nested plain data."""
    if here:
        yield here
    if isinstance(value, dict | list):
        for key, part in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places_of(part, (*here, key))


def _full_facts() -> dict[str, Any]:
    """A record in plain values in which every kind of part has something in it."""
    run = epoch("resnet18")
    windows = tuple(Window("e", 0.0, 10.0, {"gpu": 5.0}, 100.0, 3) for _ in "ab")
    m = replace(
        run.measurement,
        epochs=windows,
        meters=(MeterReport("nvml:0", "gpu", "nvml-counter", facts={"uuid": "1"}),),
        steps=StepTimes(3, 1.0, 1.0),
        notices=("x",),
    )
    facts = to_dict(replace(run, measurement=m, where={"node": "n"}))
    loaded: dict[str, Any] = json.loads(json.dumps(facts))
    return loaded


FACTS = _full_facts()
PLACES = [p for p in places_of(FACTS) if p != ("schema",)]
ODD: list[Any] = ["x", "", None, True, -1, 0, 1.5, 10**400, [], ["x"], [None], {}, {"x": "x"}]


@settings(max_examples=300)
@given(where=st.sampled_from(PLACES), odd=st.sampled_from(ODD))
def test_no_record_breaks_an_answer(where: tuple[Any, ...], odd: object) -> None:
    """One value of another type, anywhere: left out with a notice, or as good as before."""
    facts = copy.deepcopy(FACTS)
    inner: Any = facts
    for key in where[:-1]:
        inner = inner[key]
    inner[where[-1]] = odd
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.json"
        path.write_text(json.dumps(facts), encoding="utf-8")
        answer = ask([folder])  # type: ignore[list-item]
        found = read_runs(Path(folder))
    assert 0 < answer.energy_low_j <= answer.energy_j <= answer.energy_high_j < 1e12
    if found.skipped:
        assert answer.basis == "zero-shot"
        assert answer.notices == (*ask().notices, *found.skipped)
        assert "a.json" in found.skipped[0]
    else:
        assert to_dict(found.runs[0]).keys() == FACTS.keys()


def test_a_run_that_cannot_count_is_named() -> None:
    """A run of this machine without counted architecture is skipped with a notice."""
    run = epoch("resnet18")
    blank = replace(run.setup, architecture=replace(run.setup.architecture, macs=0.0, ops={}))
    answer = ask([replace(run, setup=blank)])
    assert answer.basis == "zero-shot"
    assert any("not counted" in notice for notice in answer.notices)


def test_a_machine_without_gpu_is_calibrated_too() -> None:
    """On a processor alone time and package power are followed."""
    runs = [epoch(machine="i9-13900k", time=1.4, power=0.9)]
    before, after = (ask(r, machine="i9-13900k", epochs=20) for r in ((), runs))
    assert after.basis == "short-run"
    assert after.duration_s == pytest.approx(1.4 * before.duration_s, rel=0.02)
    assert after.energy_j == pytest.approx(1.4 * 0.9 * before.energy_j, rel=0.05)


@pytest.mark.parametrize("scope", ["gpu", "cpu", "dram", "system", "wall"])
def test_every_scope_follows(scope: str) -> None:
    """In each scope a run of the pair at twice the time doubles the energy."""
    before, after = (ask(r, scope=scope, epochs=50) for r in ((), [epoch(time=2.0)]))
    assert after.energy_j == pytest.approx(2.0 * before.energy_j, rel=0.03)
    for name in FIGURES:
        assert getattr(after, name) >= 0


def test_workload_of_a_foreign_kind_is_far() -> None:
    """Another precision of the pair is no short run."""
    run = epoch()
    half = replace(run, setup=replace(run.setup, workload=replace(_work(run), precision="fp16")))
    assert ask([half]).basis == "calibrated"


def _work(run: Run) -> Workload:
    return run.setup.workload


def test_the_card_tells_what_runs_are_worth(capsys: pytest.CaptureFixture[str]) -> None:
    """The shipped card has the tables, they are better with runs, and the full print shows them."""
    card = api.card()
    for name in ("short_runs", "short_runs_new_pair"):
        table = card[name]
        assert table["k = 3, same model"]["mdape"] < table["k = 1, same model"]["mdape"]
        assert table["k = 1, same model"]["mdape"] < table["k = 1, other models"]["mdape"]
        assert table["k = 1, other models"]["mdape"] < 1.1 * table["k = 0"]["mdape"]
        assert all(85 <= line["coverage"] <= 98 for line in table.values())
    zero_shot = card["protocols"]["new-hardware"]["energy"]
    assert card["short_runs"]["k = 0"]["mdape"] == pytest.approx(zero_shot["mdape"])
    tables.print_card(card, full=True)
    assert "k = 1, same model, near" in capsys.readouterr().out


def test_a_chain_of_batches_close_to_each_other_leaves_no_nan() -> None:
    """Runs at every batch from 1 to 64: each is like the next, the first is not like the last."""
    runs = []
    for batch in range(1, 65):
        zero = joulecast.estimate("vgg16", "hc3", batch_size=batch, samples=1000, runs=())
        setup, _ = setup_of("vgg16", "hc3", batch_size=batch, samples=1000)
        off = 1.20 + 0.04 * (batch % 2)
        energy_j, seconds = off * zero.energy_j, zero.duration_s
        power_w = {"system": energy_j / seconds}
        seen = Measurement(
            {"system": energy_j}, seconds, 1000.0, {"system": "nvml-counter+rapl"}, power_w=power_w
        )
        runs.append(Run(setup, seen, "own", "vgg16", id=f"r{batch}"))
    answer = joulecast.estimate("vgg16", "hc3", batch_size=128, samples=1000, runs=runs)
    plain = joulecast.estimate("vgg16", "hc3", batch_size=128, samples=1000, runs=())
    assert answer.basis == "short-run"
    assert answer.energy_low_j < answer.energy_j < answer.energy_high_j
    assert answer.energy_j / plain.energy_j == pytest.approx(1.22, rel=0.05)
