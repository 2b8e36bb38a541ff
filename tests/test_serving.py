"""`estimate_serving` as a user calls it: what it answers, what it refuses, what it warns of."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import joulecast
from joulecast.core.errors import BadInput, DoesNotFit, UnknownName
from joulecast.core.records import Measurement, Run, Setup, Workload
from joulecast.core.serving import BurstFigures, Serving, Spread
from joulecast.datasets import architectures, hardware

if TYPE_CHECKING:
    from pathlib import Path

    from joulecast.core.serving_estimate import ServingEstimate

SERVER: dict[str, Any] = {"prompt_tokens": 200, "output_tokens": 300, "runs": ()}


def ask(rate: float | None = 10, **options: Any) -> ServingEstimate:  # noqa: ANN401
    """The main question with other options."""
    asked = {"rate_rps": rate, "weight_precision": "fp8", **SERVER, **options}
    model, machine = asked.pop("model", "llama-3.1-8b"), asked.pop("hardware", "hc4")
    return joulecast.estimate_serving(model, machine, **asked)


def test_the_main_question() -> None:
    """Every part of an answer is there and the figures hold together."""
    a = ask(duration_s=1800)
    assert (a.scope, a.basis, a.level, a.rate_rps) == ("system", "zero-shot", 0.9, 10)
    assert a.energy_per_request_low_j < a.energy_per_request_j < a.energy_per_request_high_j
    assert a.energy_per_output_token_j == pytest.approx(a.energy_per_request_j / 300)
    assert a.energy_j == pytest.approx(a.power_w * 1800)
    assert a.energy_per_request_j == pytest.approx(a.power_w / a.served_rps)
    assert a.served_rps == pytest.approx(10)
    assert a.saturation_low_rps < a.saturation_rps < a.saturation_high_rps
    parts = (a.gpu_energy_j, a.cpu_energy_j, a.dram_energy_j)
    assert sum(p for p in parts if p is not None) == pytest.approx(a.energy_j)
    assert a.net_energy_j is not None
    assert 0 < a.net_energy_j < a.energy_j
    assert a.concurrency <= a.max_concurrency
    assert a.concurrency * a.busy_frac == pytest.approx(10 * 300 * a.tpot_s, rel=0.05)  # Little
    assert a.ttft_p95_s is not None
    assert a.latency_p95_s is not None
    assert a.latency_p95_s > a.latency_s
    assert a.workload is not None
    assert a.workload.samples == pytest.approx(18_000)
    assert (a.carbon_g, a.cost, a.explanation) == (None, None, None)
    assert json.dumps(a.to_dict())


def test_the_curve_falls_to_saturation_and_is_flat_beyond() -> None:
    """J/request falls with the rate; beyond saturation it stays, and the asked point is on it."""
    a = ask()
    energies = [p.energy_per_request_j for p in a.curve]
    assert all(x >= y * 0.999 for x, y in pairwise(energies))
    assert energies[-1] == pytest.approx(energies[-2], rel=0.01)
    assert a.curve[-1].rate_rps > a.saturation_rps > a.curve[0].rate_rps
    here = next(p for p in a.curve if p.rate_rps == 10)
    assert here.energy_per_request_j == pytest.approx(a.energy_per_request_j)


@settings(max_examples=15)
@given(rate=st.floats(0.05, 30), hit=st.floats(0, 0.9), output=st.integers(5, 900))
def test_physics_of_a_server(rate: float, hit: float, output: int) -> None:
    """More cached tokens and more requests cost no more per request; longer answers cost more."""
    a = ask(rate, cache_hit_frac=hit, output_tokens=output)
    more = ask(rate, cache_hit_frac=min(hit + 0.1, 1.0), output_tokens=output)
    busier = ask(2 * rate, cache_hit_frac=hit, output_tokens=output)
    longer = ask(rate, cache_hit_frac=hit, output_tokens=2 * output)
    assert more.energy_per_request_j <= a.energy_per_request_j * 1.001
    assert busier.energy_per_request_j <= a.energy_per_request_j * 1.001
    assert longer.energy_per_request_j >= a.energy_per_request_j * 0.999
    assert a.power_w <= busier.power_w * 1.001


def test_above_saturation_the_full_server_is_answered() -> None:
    """A rate beyond the capacity is answered for the full server, and said."""
    a = ask(1e4)
    assert a.served_rps == pytest.approx(a.saturation_rps)
    assert a.latency_p95_s == math.inf
    assert any("more than the" in n and "can answer" in n for n in a.notices)
    assert not any("can answer" in n for n in ask(1).notices)


def test_concurrency_and_full_load() -> None:
    """A closed loop is served at its concurrency; with neither, the server is full, and said."""
    few, many, full = ask(None, concurrency=2), ask(None, concurrency=64), ask(None)
    assert few.served_rps < many.served_rps < full.served_rps
    assert few.concurrency == pytest.approx(2)
    assert few.rate_rps is None
    assert few.latency_p95_s is None
    assert any("full load" in n for n in full.notices)
    assert full.workload is not None
    assert full.workload.samples == pytest.approx(full.served_rps * 3600)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"rate_rps": 0}, "rate_rps"),
        ({"rate_rps": -1}, "rate_rps"),
        ({"rate_rps": math.nan}, "rate_rps"),
        ({"rate_rps": math.inf}, "rate_rps"),
        ({"rate_rps": "many"}, "rate_rps"),
        ({"rate_rps": None, "concurrency": 0}, "concurrency"),
        ({"concurrency": 8}, "both a rate and a concurrency"),
        ({"output_tokens": 0}, "request without an answer"),
        ({"output_tokens": -3}, "output_tokens"),
        ({"output_tokens": math.nan}, "output_tokens"),
        ({"output_tokens": 1e12}, "more than any model"),
        ({"prompt_tokens": 0}, "prompt_tokens"),
        ({"prompt_tokens": None}, "prompt_tokens not given"),
        ({"prompt_tokens": None, "output_tokens": None}, "prompt_tokens and output_tokens not"),
        ({"duration_s": None}, "duration_s not given"),
        ({"cache_hit_frac": 1.2}, "outside 0 to 1"),
        ({"cache_hit_frac": 30}, "give 0.3"),
        ({"cache_hit_frac": -0.1}, "outside 0 to 1"),
        ({"cache_hit_frac": math.nan}, "outside 0 to 1"),
        ({"duration_s": 0}, "duration_s"),
        ({"level": 0.2}, "level"),
        ({"engine_year": 1066}, "engine_year"),
        ({"engine": ""}, "names no engine"),
        ({"weight_precision": "fp12"}, "unknown precision"),
        ({"scope": "moon"}, "unknown scope"),
        ({"n_gpus": 1.5}, "n_gpus"),
        ({"power_limit_w": -1}, "power_limit_w"),
        ({"model": "vgg16"}, "generates no text.*infer"),
        ({"model": "bert-base-uncased"}, "generates no text"),
        ({"model": "stable-diffusion-xl"}, "makes images"),
    ],
    ids=str,
)
def test_absurd_questions_are_refused(wrong: dict[str, Any], words: str) -> None:
    """Each is refused in one line that names what is wrong."""
    with pytest.raises(BadInput, match=words) as caught:
        ask(**({"rate": wrong.pop("rate_rps")} if "rate_rps" in wrong else {}), **wrong)
    assert "\n" not in str(caught.value)


def test_unknown_names_list_the_nearest() -> None:
    """Unknown models and machines name the nearest; an unknown engine is answered, with a note."""
    with pytest.raises(UnknownName, match=r"llama-3\.1"):
        ask(model="lama-3.1-8b")
    with pytest.raises(UnknownName, match="hc"):
        ask(hardware="hc5")
    odd = ask(engine="vlm")
    assert odd.energy_j == pytest.approx(ask().energy_j)
    assert any("unknown engine 'vlm'" in n and "vllm" in n for n in odd.notices)
    assert not any("unknown engine" in n for n in ask(engine="TensorRT-LLM").notices)


def test_a_model_too_large_says_how_many_gpus_it_needs() -> None:
    """70 billion parameters in bf16 need 8 boards of 24 GB, and that many then hold them."""
    big: dict[str, Any] = {"model": "llama-3.1-70b", "hardware": "rtx-4090"}
    with pytest.raises(DoesNotFit, match=r"141 GB at bf16.*24 GB of rtx-4090.*--gpus 8") as caught:
        ask(1, weight_precision="bf16", **big)
    assert "\n" not in str(caught.value)
    assert ask(0.1, weight_precision="bf16", n_gpus=8, **big).energy_j > 0
    assert ask(0.1, weight_precision="bf16", force=True, **big).energy_j > 0
    with pytest.raises(DoesNotFit, match=r"weights in fp8 \(70\.6 GB\)"):
        ask(1, model="llama-3.1-70b", hardware="h100-sxm", weight_precision="bf16")


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        ("t4", r"16\.1 GB at bf16\) exceed the 16 GB of t4\. Use 2 of its GPUs"),
        (
            "coral-usb-edgetpu",
            "exceed the 8 MB of coral-usb-edgetpu. Use a larger machine or --for",
        ),
        ("raspberry-pi-5", r"the 8 GB of raspberry-pi-5\. Use weights in int4 \(4\.02 GB\), a la"),
    ],
)
def test_sizes_differ_and_boards_are_not_joined(machine: str, words: str) -> None:
    """Both sizes are told apart, and nobody is sent for a thousand boards that cannot be joined."""
    with pytest.raises(DoesNotFit, match=words):
        ask(1, hardware=machine, weight_precision="bf16")


def test_a_forced_answer_says_what_it_is() -> None:
    """Weights beyond the memory are answered as extrapolated, said first, and never as measured."""
    big: dict[str, Any] = {"model": "llama-3.1-405b", "hardware": "8xh100", "rate": 1}
    forced = ask(**big, weight_precision="bf16", force=True)
    assert "GB of 8xh100: answered as if they fitted" in forced.notices[0]
    assert (forced.extrapolated, forced.novelty, forced.next_measurement) == (True, None, None)
    assert not any("room for" in notice for notice in forced.notices)
    plain = ask(**big, force=True)
    assert not any("exceed" in notice for notice in plain.notices)
    assert plain.novelty == "seen-pair"


def test_more_gpus_than_the_machine_has_are_said() -> None:
    """Cards beyond those of a machine, or of a host, are answered with a notice."""

    def said(machine: str, count: int) -> bool:
        answer = ask(1, hardware=machine, n_gpus=count)
        return any(f"{count} GPUs asked for" in notice for notice in answer.notices)

    assert said("8xh100", 16)
    assert said("h100-sxm", 16)
    assert not said("8xh100", 8)
    assert not said("8xh100", 4)
    assert not said("h100-sxm", 8)


def test_one_request_that_exceeds_the_memory_is_refused() -> None:
    """Weights fit but not the keys and values of one endless request."""
    with pytest.raises(DoesNotFit, match="one request's keys"):
        ask(1, prompt_tokens=5e6, hardware="rtx-4090")


def test_a_module_is_asked_for_its_config() -> None:
    """A module does not tell its keys and values."""
    torch = pytest.importorskip("torch")
    with pytest.raises(BadInput, match=r"config\.json"):
        ask(model=torch.nn.Linear(2, 2))


def test_a_config_is_served(tmp_path: Path) -> None:
    """A Hugging Face config.json is answered like a catalogue entry."""
    config = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": 512,
        "intermediate_size": 1_536,
        "num_hidden_layers": 8,
        "num_attention_heads": 8,
        "num_key_value_heads": 4,
        "vocab_size": 32_000,
    }
    path = tmp_path / "config.json"
    path.write_text(json.dumps(config), encoding="utf-8")
    assert ask(model=path).energy_per_request_j < ask().energy_per_request_j


def test_a_folder_with_a_config_is_served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder is its config.json, a bare name the catalogue's first; an empty folder says so."""
    config = {
        "model_type": "llama", "hidden_size": 512, "intermediate_size": 1_536,
        "num_hidden_layers": 8, "num_attention_heads": 8, "vocab_size": 32_000,
    }  # fmt: skip
    for name in ("mine", "gpt2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps(config), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    wanted = ask(model="mine/config.json").energy_j
    for spelling in ("mine", "./mine", "mine/", tmp_path / "mine", str(tmp_path / "mine")):
        assert ask(model=spelling).energy_j == wanted, spelling
    assert ask(model="./gpt2").energy_j == wanted
    assert ask(model="gpt2").energy_j != wanted
    for spelling, words in ((".", "holds no config.json"), ("./none", "no folder ./none")):
        with pytest.raises(BadInput, match=words):
            ask(model=spelling)


def test_scopes_and_limits() -> None:
    """The GPUs alone draw less than the machine; a power limit is named."""
    assert ask(scope="gpu").energy_j < ask().energy_j
    assert "at 250 W" in ask(power_limit_w=250).hardware_text


def test_explaining() -> None:
    """The explanation holds the terms of an iteration, and they add up to its time."""
    told = ask(explain=True).explanation
    assert told is not None
    assert sum(told["iteration_terms_s"].values()) <= told["iteration_s"] * 1.001
    assert set(told["power_terms_w"]) == {"gpu", "cpu", "dram"}
    mixed = ask(explain=True, scope="gpu").explanation
    assert mixed is not None
    says = {name: said["energy_per_request_j"] for name, said in mixed["learners"].items()}
    answer_j = says.pop("answer")
    assert set(says) == set(mixed["stack"]) == {"physics", "lasso", "lightgbm"}
    assert answer_j == pytest.approx(ask(scope="gpu").energy_per_request_j)
    assert min(says.values()) * 0.999 <= answer_j <= max(says.values()) * 1.001
    assert sum(mixed["stack"].values()) == pytest.approx(1)
    linear = math.prod(feature["time"] for feature in mixed["features"])
    learned = mixed["learners"]["lasso"]["time"] / mixed["learners"]["physics"]["time"]
    assert linear == pytest.approx(learned, abs=0.03)
    assert json.dumps(told)


def burst(rate: float, *, factor: float = 1.0, saturated: bool = False) -> Run:
    """A burst of the asked server, drawing `factor` times what is expected of it."""
    serving = Serving(200.0, 300.0, rate_rps=rate, duration_s=60.0)
    workload = Workload(
        task="serve", samples=60 * rate, precision="fp8", framework="vllm", serving=serving
    )
    machine = hardware.machine("hc4")
    setup = Setup(machine, architectures.find("llama-3.1-8b"), workload, "gpu")
    expected = ask(rate, scope="gpu")
    power_w, n = factor * expected.power_w, int(60 * expected.served_rps)
    figures = BurstFigures(
        sent=int(60 * rate),
        completed=n,
        failed=0,
        offered_rps=rate,
        achieved_rps=n / 60,
        prompt_tokens=200.0 * n,
        output_tokens=300.0 * n,
        saturated=saturated,
    )
    measured = Measurement(
        energy_j={"gpu": 60 * power_w},
        duration_s=60.0,
        samples=n,
        energy_source={"gpu": "nvml-counter"},
        power_w={"gpu": power_w},
        burst=figures,
    )
    return Run(setup, measured, "own", "llama-3.1-8b", hardware_id="hc4", id=f"burst-{rate}")


def test_bursts_sharpen_the_answer() -> None:
    """Bursts that draw less than expected move the answer down, and it says on what it stands."""
    runs = [burst(rate, factor=0.8) for rate in (4.0, 8.0)]
    before, after = ask(6, scope="gpu"), ask(6, scope="gpu", runs=runs)
    assert after.basis == "short-run"
    assert after.energy_j / before.energy_j == pytest.approx(0.8, rel=0.08)
    assert after.next_measurement is None
    assert after.evidence[0].n == 2
    other = ask(6, scope="gpu", model="llama-3.2-3b", runs=runs)
    assert other.basis == "calibrated"


def test_no_guess_beyond_bursts_that_never_saturated() -> None:
    """Beyond what own bursts reached and the expected capacity it refuses, unless one was full."""
    runs = [burst(4.0), burst(8.0)]
    far = 3 * ask().saturation_rps
    with pytest.raises(BadInput, match=r"none was saturated.*--rps auto") as caught:
        ask(far, runs=runs)
    assert "\n" not in str(caught.value)
    assert ask(far, runs=runs, force=True).served_rps < far
    assert ask(far, runs=[*runs, burst(far, saturated=True)]).served_rps < far
    assert ask(9, runs=runs).served_rps == pytest.approx(9)


def test_a_burst_of_just_this_is_the_answer() -> None:
    """A burst of the very rate, lengths and scope is answered as measured, to its own figures."""
    run = burst(6.0, factor=0.8)
    watts, timed = run.measurement.power_w["gpu"], run.measurement.burst
    assert timed is not None
    times = Spread(2.5, 2.4, 3.0, 3.3, 4.0)
    run = replace(run, measurement=replace(run.measurement, burst=replace(timed, latency=times)))
    a = ask(6, scope="gpu", runs=[run, burst(8.0)])
    assert (a.basis, a.next_measurement, a.evidence[0].n) == ("measured", None, 1)
    assert a.power_w == pytest.approx(watts)
    assert a.energy_per_request_j == pytest.approx(watts / 6)
    assert a.energy_per_output_token_j == pytest.approx(watts / 6 / 300)
    assert (a.energy_j, a.gpu_energy_j) == pytest.approx((watts * 3600, watts * 3600))
    assert (a.latency_s, a.latency_p95_s) == (2.5, 3.3)
    assert not any("p95" in notice for notice in a.notices)
    assert 1.03 < a.energy_high_j / a.energy_j < 1.12
    assert a.net_energy_j is not None
    assert 0 < a.net_energy_j < a.energy_j
    others: list[dict[str, Any]] = [
        {"rate": 7}, {"scope": "system"}, {"output_tokens": 400}, {"cache_hit_frac": 0.5},
        {"engine": "sglang"}, {"n_gpus": 1}, {"power_limit_w": 250}, {"weight_precision": "bf16"},
    ]  # fmt: skip
    for other in others:
        asked = {"rate": 6, "scope": "gpu", **other}
        assert ask(**asked, runs=[run]).basis in {"short-run", "calibrated"}, other


def test_an_absurd_burst_is_not_taken_as_measured() -> None:
    """Watts that no board draws are set aside, said, and not the answer."""
    a = ask(6, scope="gpu", runs=[burst(6.0, factor=20)])
    assert a.basis != "measured"
    assert a.energy_j < 2 * ask(6, scope="gpu").energy_j


def test_the_burst_that_would_help_is_named_as_it_has_to_be_typed() -> None:
    """The command names the asked rate in full, and promises about what such a burst leaves."""
    said = ask(130.5, hardware="h200", n_gpus=8, scope="gpu").next_measurement or ""
    assert "--rps 130.5 " in said
    closed = ask(None, concurrency=2)
    assert f"--rps {closed.served_rps:.3g} " in (closed.next_measurement or "")
    promised = int((ask(6, scope="gpu").next_measurement or "").split("±")[1].split()[0])
    after = ask(6, scope="gpu", runs=[burst(5.9)])
    left = 100 * (after.energy_high_j / after.energy_j - 1)
    assert 0.5 < promised / left < 2


def test_copies_are_said_where_nobody_said_how_many() -> None:
    """A small model on a machine of two GPUs is counted as two copies; one card is a question."""
    a, one, both = ask(), ask(n_gpus=1), ask(n_gpus=2)
    assert "2 copies, one on each GPU" in a.model_text
    assert any("hc4 counted with its 2 GPUs (2 copies" in n and "--gpus 1" in n for n in a.notices)
    assert a.saturation_rps == pytest.approx(2 * one.saturation_rps, rel=0.05)
    assert (a.energy_j, a.model_text) == (both.energy_j, both.model_text)
    for asked in (one, both, ask(1, model="llama-3.1-70b")):
        assert not any("counted with its" in n for n in asked.notices)
    assert ask(1, model="llama-3.1-70b").model_text.endswith("over 2 GPUs")
    four = ask(1, model="llama-3.1-70b", hardware="h100-sxm", n_gpus=4)
    assert "2 copies, each over 2 GPUs" in four.model_text


def test_memory_that_hardly_holds_a_request_is_said() -> None:
    """Weights that all but fill the memory leave one request at a time, and a notice says so."""
    hardly = {"model": "llama-2-13b", "hardware": "rtx-5090", "prompt_tokens": 3000}
    full = ask(0.05, weight_precision="bf16", **hardly)
    assert any("room for 1 of such requests" in n for n in full.notices)
    assert not any("room for" in n for n in ask(0.05, model="llama-3.1-70b").notices)


def test_runs_of_training_do_not_count() -> None:
    """A training run among the records changes nothing."""
    run = burst(4.0)
    setup = replace(run.setup, workload=Workload())
    assert ask(runs=[replace(run, setup=setup)]) == ask()
