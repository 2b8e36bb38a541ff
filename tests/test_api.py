"""`estimate` as a user calls it: what it answers, what it refuses, what it warns of."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import joulecast
from joulecast import api
from joulecast.core.errors import BadInput, BadRecord, DoesNotFit, NotFitted, UnknownName
from joulecast.core.records import NOVELTIES, Estimate, Machine
from joulecast.datasets import architectures, hardware
from joulecast.estimator import bundle as bundles

if TYPE_CHECKING:
    from pathlib import Path

STUDY = ("lenet", "vgg16", "resnet18", "densenet121", "mobilenetv2", "efficientnetb0")
each_machine = pytest.mark.parametrize("machine", ["hc1", "hc2", "hc3", "hc4", "i9-13900k"])


def ask(**options: Any) -> Estimate:  # noqa: ANN401
    """The main question with other options."""
    return joulecast.estimate("vgg16", "hc3", **options)


def test_the_main_question() -> None:
    """Every part of an answer is there and makes sense."""
    answer = ask(epochs=100)
    assert (answer.scope, answer.basis, answer.level) == ("system", "zero-shot", 0.9)
    assert answer.novelty in NOVELTIES
    assert answer.energy_low_j < answer.energy_j < answer.energy_high_j
    assert answer.duration_low_s < answer.duration_s < answer.duration_high_s
    assert answer.energy_j == pytest.approx(answer.power_w * answer.duration_s)
    assert 20 < answer.power_w < 200
    assert (answer.model, answer.hardware) == ("vgg16", "hc3")
    assert "14.7 M params" in answer.model_text
    assert answer.hardware_text.startswith("hc3: ")
    assert answer.carbon_g is None
    assert answer.cost is None
    assert answer.explanation is None
    assert answer.workload is not None
    assert answer.workload.input_shape == (3, 32, 32)


def test_the_answer_has_a_plain_form() -> None:
    """`to_dict` is JSON with units in its keys."""
    told = ask(epochs=2).to_dict()
    assert json.loads(json.dumps(told))["energy_j"] == told["energy_j"]
    assert {"energy_low_j", "duration_s", "power_w", "net_energy_j"} <= told.keys()


@each_machine
@pytest.mark.parametrize("model", STUDY)
@pytest.mark.parametrize("task", ["train", "infer"])
def test_scopes_add_up(model: str, machine: str, task: str) -> None:
    """System is GPU plus CPU plus DRAM; net of idle is no more than gross, and no less than 0."""
    answer = joulecast.estimate(model, machine, task=task)
    parts = (answer.gpu_energy_j, answer.cpu_energy_j, answer.dram_energy_j)
    assert sum(p for p in parts if p is not None) == pytest.approx(answer.energy_j)
    assert answer.net_energy_j is not None
    assert 0 <= answer.net_energy_j <= answer.energy_j
    assert (answer.gpu_energy_j is None) == (hardware.machine(machine).gpu is None)


@pytest.mark.parametrize("scope", ["gpu", "cpu", "dram", "wall"])
def test_other_scopes(scope: str) -> None:
    """A part draws less than the system, the wall more, each net of its own idle power."""
    system, answer = ask(), ask(scope=scope)
    assert answer.scope == scope
    assert answer.net_energy_j is not None
    assert 0 <= answer.net_energy_j <= answer.energy_j
    assert (answer.energy_j > system.energy_j) == (scope == "wall")


@given(epochs=st.floats(0.1, 1_000), factor=st.floats(1.5, 100))
def test_epochs_scale_linearly(epochs: float, factor: float) -> None:
    """Twice the epochs take twice the energy and time, interval and parts included."""
    one, more = ask(epochs=epochs), ask(epochs=epochs * factor)
    for name in ("energy_j", "energy_low_j", "energy_high_j", "duration_s", "net_energy_j"):
        assert getattr(more, name) == pytest.approx(factor * getattr(one, name))
    assert more.power_w == pytest.approx(one.power_w)


def test_samples_scale_linearly() -> None:
    """Samples per epoch count like epochs but for the first batch; 50,000 are assumed and said."""
    assumed, given_, half = ask(), ask(samples=50_000), ask(samples=25_000)
    assert assumed.energy_j == given_.energy_j == pytest.approx(2 * half.energy_j, rel=2e-3)
    assert given_.energy_j < 2 * half.energy_j
    assert any("50,000" in notice for notice in assumed.notices)
    assert not any("50,000" in notice for notice in given_.notices)


def test_levels_widen_the_interval() -> None:
    """A higher level is wider around the same answer."""
    narrow, wide = ask(level=0.5), ask(level=0.99)
    assert narrow.energy_j == wide.energy_j
    assert wide.energy_low_j < narrow.energy_low_j
    assert wide.energy_high_j > narrow.energy_high_j


def test_training_costs_more_than_inference() -> None:
    """The same samples cost more to train on; both spellings of inference are one."""
    train, infer, inference = (ask(task=task) for task in ("train", "infer", "inference"))
    assert train.energy_j > infer.energy_j == inference.energy_j


@pytest.mark.parametrize(
    "wrong",
    [
        {name: value}
        for name in ("epochs", "samples", "batch_size", "n_gpus", "power_limit_w", "seq_len")
        for value in (0, -1, math.nan, math.inf, 1e30, True, "many")
    ]
    + [{name: 1.5} for name in ("batch_size", "n_gpus", "seq_len", "loader_workers")]
    + [{"loader_workers": -1}, {"loader_workers": math.nan}]
    + [{"level": value} for value in (0, 0.2, 1, 1.5, math.nan, "high")]
    + [{"trainable_frac": value} for value in (-0.1, 1.1, math.nan)]
    + [{"input_shape": shape} for shape in ((), (3, -1, 32), (3, 0.5, 2), (0,), (512,))]
    + [{"seq_len": 512}, {"task": "dance"}, {"task": ""}, {"task": "serve"}, {"scope": "moon"}]
    + [{"precision": "fp12"}, {"precision": "fp8"}, {"framework": "abacus"}],
    ids=str,
)
def test_absurd_values_are_refused(wrong: dict[str, Any]) -> None:
    """NaN, zero, negative, huge and senseless values are refused, and named."""
    with pytest.raises(BadInput) as caught:
        ask(**wrong)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) > 20


def test_numbers_of_numpy_are_numbers() -> None:
    """Figures that come out of arrays are taken as any others."""
    options = {"epochs": np.float64(2), "batch_size": np.int64(64), "samples": np.int32(1_000)}
    assert ask(**options) == ask(epochs=2, batch_size=64, samples=1_000)


@pytest.mark.parametrize("model", ["vgg61", "no-such-network", "resnet-5O"])
def test_unknown_models_name_the_nearest(model: str) -> None:
    """An unknown network names the nearest three."""
    with pytest.raises(UnknownName, match="unknown model") as caught:
        joulecast.estimate(model, "hc3")
    assert len(caught.value.nearest) == 3


@pytest.mark.parametrize("machine", ["hc33", "rtx-9999", "hc3.toml.bak"])
def test_unknown_machines_name_the_nearest(machine: str) -> None:
    """An unknown machine names the nearest three."""
    with pytest.raises(UnknownName, match="unknown machine") as caught:
        joulecast.estimate("vgg16", machine)
    assert len(caught.value.nearest) == 3


@pytest.mark.parametrize("machine", ["", " ", None, 3, "/no/such/file.toml"])
def test_what_is_no_machine_is_refused(machine: Any) -> None:  # noqa: ANN401
    """Nothing, a number, and a file that is not there are refused."""
    with pytest.raises(BadInput):
        joulecast.estimate("vgg16", machine)


@pytest.mark.parametrize("model", [None, 3, object(), "/no/such/config.json"])
def test_what_is_no_model_is_refused(model: Any) -> None:  # noqa: ANN401
    """What is neither a name nor a network is refused."""
    with pytest.raises(BadInput):
        joulecast.estimate(model, "hc3")


def test_weights_larger_than_memory_are_refused_unless_forced() -> None:
    """70 billion parameters do not fit 12 GB; `force` answers all the same."""
    options: dict[str, Any] = {"task": "infer", "seq_len": 128, "samples": 10}
    with pytest.raises(DoesNotFit, match=r"GB at fp16.*12 GB of hc3"):
        joulecast.estimate("llama-3.1-70b", "hc3", precision="fp16", **options)
    answer = joulecast.estimate("llama-3.1-70b", "hc3", force=True, **options)
    assert answer.energy_j > 0
    assert any("may not fit" in notice for notice in answer.notices)


def test_several_devices_hold_more() -> None:
    """What does not fit one device may fit eight."""
    options: dict[str, Any] = {"task": "infer", "precision": "bf16", "samples": 10}
    with pytest.raises(DoesNotFit):
        joulecast.estimate("llama-3.1-70b", "h100-sxm", **options)
    assert joulecast.estimate("llama-3.1-70b", "8xh100-sxm", **options).energy_j > 0


def test_a_batch_that_may_not_fit_is_a_notice() -> None:
    """A batch beyond the memory is answered, with the largest that fits; that one is silent."""
    answer = joulecast.estimate("torchvision:resnet50", "hc3", batch_size=4_096)
    said = [n for n in answer.notices if "may not fit" in n]
    assert len(said) == 1
    largest = int(said[0].rpartition(" ")[2])
    assert 1 <= largest < 4_096
    fits = joulecast.estimate("torchvision:resnet50", "hc3", batch_size=largest)
    assert not any("may not fit" in notice for notice in fits.notices)


def test_freezing_parameters_saves_memory() -> None:
    """Gradients and state are kept for what is trained only, so that more fits."""
    batch = []
    for frac in (1.0, 0.1):
        answer = joulecast.estimate(
            "torchvision:vgg16", "gtx-750-ti", batch_size=5_000, trainable_frac=frac
        )
        said = next(n for n in answer.notices if "may not fit" in n)
        batch.append(int(said.rpartition(" ")[2]) if said[-1].isdigit() else 0)
    assert batch[0] < batch[1]


@pytest.mark.parametrize(
    ("machine", "precision"), [("v100-sxm2", "bf16"), ("t4", "tf32"), ("gtx-1080", "fp8")]
)
def test_a_precision_that_the_device_lacks_is_refused(machine: str, precision: str) -> None:
    """A device does not compute in what it has no arithmetic for."""
    with pytest.raises(BadInput, match=f"no {precision} arithmetic. It has .*fp32"):
        joulecast.estimate("vgg16", machine, precision=precision)


def test_a_narrower_precision_is_no_slower() -> None:
    """Half precision on tensor cores takes no longer than single."""
    single, half = (
        joulecast.estimate("torchvision:resnet50", "a100-sxm-80gb", precision=p)
        for p in ("fp32", "fp16")
    )
    assert half.duration_s < single.duration_s


def test_a_language_model_has_to_be_told_what_it_does() -> None:
    """Without a task a language model is refused with the two options that answer."""
    with pytest.raises(BadInput, match=r"--task train or --task infer with --seq-len N"):
        joulecast.estimate("llama-3.1-8b", "h100-sxm", task=None)
    assert ask(task=None).energy_j == ask(task="train").energy_j


def test_the_length_of_a_sequence_counts() -> None:
    """Longer sequences cost more; a length that was not given is said."""
    short, long = (
        joulecast.estimate("llama-3.1-8b", "h100-sxm", task="infer", seq_len=n, precision="bf16")
        for n in (256, 1_024)
    )
    assert 3 < long.energy_j / short.energy_j < 6
    assumed = joulecast.estimate("bert-base-uncased", "h100-sxm", task="infer")
    assert any("sequence length not given" in notice for notice in assumed.notices)
    assert not any("sequence length" in notice for notice in short.notices)


def test_images_and_sequences_are_told_apart() -> None:
    """A length for an image network and a size for a language model are refused."""
    with pytest.raises(BadInput, match="takes inputs like 3x32x32"):
        ask(seq_len=128)
    with pytest.raises(BadInput, match="takes inputs like"):
        joulecast.estimate("bert-base-uncased", "hc3", task="infer", input_shape=(3, 224, 224))


def test_a_module_is_counted() -> None:
    """A torch module is answered as the catalogue's entry of the same network."""
    torch = pytest.importorskip("torch")
    from joulecast.models import lenet

    with torch.device("meta"):
        module = lenet.build()
    counted = joulecast.estimate(module, "hc3", input_shape=(3, 32, 32))
    named = joulecast.estimate("lenet", "hc3")
    assert counted.energy_j == pytest.approx(named.energy_j, rel=0.3)
    with pytest.raises(BadInput, match="input_shape"):
        joulecast.estimate(module, "hc3")


def test_a_config_is_counted(tmp_path: Path) -> None:
    """A Hugging Face config.json is answered, at the length that was asked for."""
    pytest.importorskip("joulecast.profiler.llm_config")
    path = tmp_path / "config.json"
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
    path.write_text(json.dumps(config), encoding="utf-8")
    short, long = (
        joulecast.estimate(path, "hc3", task="infer", seq_len=n, samples=100) for n in (64, 512)
    )
    assert short.energy_j < long.energy_j
    assert "512 tokens" in long.model_text
    with pytest.raises(BadInput, match="language model"):
        joulecast.estimate(str(path), "hc3", task=None)
    with pytest.raises(BadInput, match="takes inputs like"):
        joulecast.estimate(path, "hc3", task="infer", input_shape=(3, 224, 224))


def test_an_architecture_and_a_machine_are_taken_as_they_are() -> None:
    """Records in place of names give the same answer."""
    network, machine = architectures.find("joulecast:vgg16"), hardware.machine("hc3")
    assert joulecast.estimate(network, machine).energy_j == ask().energy_j
    with pytest.raises(BadInput, match="takes inputs like"):
        joulecast.estimate(network, machine, seq_len=128)


def test_a_machine_without_devices_is_refused() -> None:
    """A machine that has neither a GPU nor a CPU cannot run anything."""
    with pytest.raises(BadInput, match="neither a GPU nor a CPU"):
        joulecast.estimate("vgg16", Machine(id="none", name="Nothing"))


def test_a_scope_that_the_machine_lacks_is_refused() -> None:
    """No GPU energy of a machine without one, no CPU energy of a bare board."""
    with pytest.raises(BadInput, match="i9-13900k names no gpu"):
        joulecast.estimate("vgg16", "i9-13900k", scope="gpu")
    with pytest.raises(BadInput, match="names no cpu"):
        joulecast.estimate("vgg16", "jetson-nano", scope="cpu")
    with pytest.raises(BadInput, match="has no GPU"):
        joulecast.estimate("vgg16", "i9-13900k", n_gpus=2)


@pytest.mark.parametrize(
    ("spelling", "same"),
    [("torch", "pytorch"), ("PyTorch", "pytorch"), ("keras", "tensorflow"), ("jax", "tensorflow")],
)
def test_frameworks_by_any_spelling(spelling: str, same: str) -> None:
    """Frameworks are known by their common names."""
    assert ask(framework=spelling).energy_j == ask(framework=same).energy_j


@pytest.mark.parametrize("framework", ["pytorch", "tensorflow", "onnx", "tensorrt", "vendor"])
@pytest.mark.parametrize("optimiser", ["sgd", "Adam", "adamw", "lion"])
def test_every_framework_and_optimiser_is_answered(framework: str, optimiser: str) -> None:
    """No combination is left without an answer."""
    answer = ask(framework=framework, optimiser=optimiser)
    assert 0 < answer.energy_low_j <= answer.energy_j <= answer.energy_high_j


@pytest.mark.parametrize("frac", [0, 1e-9, 0.5, 1])
def test_any_share_may_be_trained(frac: float) -> None:
    """Training nothing, little or all of a network is answered with finite numbers."""
    answer = ask(trainable_frac=frac)
    assert 0 < answer.energy_low_j <= answer.energy_j <= answer.energy_high_j < math.inf


@pytest.mark.parametrize("workers", [0, 1, 16])
def test_loader_workers(workers: int) -> None:
    """No loader process means that one loads, as frameworks do."""
    assert ask(loader_workers=workers).duration_s > 0
    assert ask(loader_workers=0).duration_s == ask(loader_workers=1).duration_s


def test_power_limits() -> None:
    """A capped GPU is named in the answer; a limit far off the board's range is doubted."""
    capped = joulecast.estimate("torchvision:resnet50", "rtx-3090", power_limit_w=200)
    assert "at 200 W" in capped.hardware_text
    far, low = (joulecast.estimate("vgg16", "rtx-3090", power_limit_w=w) for w in (900, 50))
    assert any("capped at 1.25x" in notice for notice in far.notices)
    assert any("below what most boards accept" in notice for notice in low.notices)


def test_more_devices() -> None:
    """Two GPUs draw more and take less time; that the batch is per GPU is said."""
    one, two = (
        joulecast.estimate("torchvision:resnet50", "v100-sxm2", n_gpus=n, loader_workers=16)
        for n in (1, 2)
    )
    assert two.duration_s < one.duration_s
    assert two.power_w > one.power_w
    assert any("per GPU" in notice for notice in two.notices)


def test_explaining() -> None:
    """The explanation holds terms of time and power, learners, features and weights."""
    told = ask(explain=True).explanation
    assert told is not None
    assert told["time_terms_s"]["conv"] > 0
    assert set(told["power_terms_w"]) == {"gpu", "cpu", "dram"}
    assert {"physics", "lasso", "lightgbm", "answer"} == set(told["learners"])
    assert told["learners"]["answer"] == pytest.approx(ask().energy_j)
    assert all(feature["effect"] > 0 for feature in told["features"])
    assert sum(told["stack"]["time"]) == pytest.approx(1)
    assert json.dumps(told)


def test_evidence_is_near() -> None:
    """What the answer leans on was measured on this device or is this network."""
    answer = joulecast.estimate("torchvision:resnet50", "v100-pcie")
    assert answer.evidence
    assert all("v100-pcie" in e.device or "resnet50" in e.model for e in answer.evidence)
    assert answer.evidence[0].n > 0


def test_what_would_sharpen_the_answer() -> None:
    """An answer about something new says what to measure; about a seen pair it does not."""
    assert ask().novelty != "seen-pair"
    assert "hc3" in (ask().next_measurement or "")
    known = joulecast.estimate("torchvision:resnet50", "v100-pcie")
    assert (known.next_measurement is None) == (known.novelty == "seen-pair")


def test_far_beyond_everything_it_says_extrapolated() -> None:
    """A network ten thousand times larger than any is answered by a bracket and the word."""
    network = replace(
        architectures.find("joulecast:vgg16"), macs=1e17, params=1e14, name="vast", group="vast"
    )
    answer = joulecast.estimate(network, "hc2", force=True)
    assert answer.extrapolated
    assert any("extrapolated" in notice for notice in answer.notices)


def test_listings() -> None:
    """Networks and machines are listed, own networks first."""
    models, machines = api.describe_models(), api.describe_hardware()
    assert api.model_names()[0] in STUDY or models[0]["collection"] == "joulecast"
    assert {m["name"] for m in models} == set(api.model_names())
    assert {"hc1", "hc2", "hc3", "hc4", "t4"} <= {m["id"] for m in machines}
    assert json.dumps([models[:20], machines])


def test_the_card(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The stored card is read as it is; a missing or broken one is said."""
    assert "protocols" in api.card()
    monkeypatch.setattr(bundles, "PRETRAINED", tmp_path)
    with pytest.raises(NotFitted, match="joulecast train"):
        api.card()
    (tmp_path / bundles.CARD).write_text("{", encoding="utf-8")
    with pytest.raises(BadRecord, match="cannot read"):
        api.card()


def test_training_from_files_that_cannot_teach(tmp_path: Path) -> None:
    """A missing table and one with a single run are refused."""
    table = tmp_path / "runs.csv"
    table.write_text("model,hardware_id,samples_per_s\nresnet50,t4,100\n", encoding="utf-8")
    with pytest.raises(BadInput, match="too few"):
        joulecast.train([table], tmp_path / "out")
    with pytest.raises(BadInput, match="no such file"):
        joulecast.train([tmp_path / "missing.csv"], tmp_path / "out")
