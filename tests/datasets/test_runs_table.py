"""Rows of the runs table as questions: inputs only, any of them blank, every spelling."""

from __future__ import annotations

import csv
import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulecast.core.errors import BadInput, JoulecastError, UnknownName
from joulecast.core.units import BYTES_PER_VALUE
from joulecast.datasets import architectures, cells, runs_names, runs_table

if TYPE_CHECKING:
    from pathlib import Path

INPUTS: dict[str, Any] = {
    "task": "train",
    "domain": "vision",
    "model": "resnet50",
    "params": 25_557_032,
    "trainable_params": 25_557_032,
    "macs_per_sample": 4.09e9,
    "input_shape": "3x224x224",
    "seq_len": "",
    "dataset": "imagenet",
    "samples": 1_281_167,
    "epochs": 3,
    "batch_size": 128,
    "precision": "fp32",
    "framework": "pytorch",
    "optimiser": "adam",
    "variant": "",
    "scenario": "",
    "hardware_id": "v100-pcie",
    "gpu_name": "NVIDIA V100",
    "n_gpus": 1,
    "cpu_name": "i9-13900K",
    "power_limit_w": 200,
    "energy_scope": "gpu",
    "duration_scope": "per_epoch",
    "meter": "nvml",
}
MEASURED = [
    "duration_s",
    "samples_per_s",
    "avg_power_w",
    "energy_j",
    "energy_per_sample_j",
    "cpu_energy_j",
    "gpu_util",
    "gpu_mem_util",
    "gpu_mem_used_gb",
    "observed_batch_size",
    "accuracy",
    "n_repeats",
    "energy_cv",
    "duration_cv",
    "quality_flag",
    "notes",
    "source",
    "source_repo",
    "source_path",
    "licence",
    "model_group",
    "model_family",
    "params_source",
    "macs_source",
]
BARE = {"model": "resnet50", "hardware_id": "t4"}


def test_every_input_is_read() -> None:
    """A full row becomes the workload, machine and network that it names."""
    setup = runs_table.setup_of(INPUTS)
    w, machine = setup.workload, setup.machine
    assert (w.task, w.samples, w.batch_size, w.precision) == ("train", 1_281_167, 128, "fp32")
    assert (w.framework, w.optimiser, w.dataset) == ("pytorch", "adam", "imagenet")
    assert w.trainable_frac == 1.0
    assert machine.gpu is not None
    assert machine.gpu.id == "v100-pcie"
    assert machine.gpu_power_limit_w == 200
    assert machine.cpu is not None
    assert machine.cpu.id == "i9-13900k"
    assert setup.architecture.name == "resnet50"
    assert setup.architecture.input_shape == (3, 224, 224)
    assert setup.scope == "gpu"
    assert setup.notices == ()


@given(blank=st.sets(st.sampled_from(sorted(INPUTS.keys() - {"model", "hardware_id"}))))
@pytest.mark.parametrize("nothing", ["", None, math.nan, "absent"])
def test_any_input_may_be_blank(nothing: Any, blank: set[str]) -> None:  # noqa: ANN401
    """Whatever is blank, NaN or missing, a row that names network and device is a question."""
    row = {k: nothing if k in blank else v for k, v in INPUTS.items()}
    if nothing == "absent":
        row = {k: v for k, v in INPUTS.items() if k not in blank}
    setup = runs_table.setup_of(row)
    assert setup.workload.batch_size > 0
    assert setup.workload.precision in BYTES_PER_VALUE
    assert setup.architecture.macs > 0


def test_network_and_device_are_enough() -> None:
    """The rest is assumed, and what is assumed is said."""
    setup = runs_table.setup_of(BARE)
    assert setup.workload.task == "train"
    assert setup.workload.precision == "fp32"
    assert math.isnan(setup.workload.samples)
    assert any("batch size not given" in notice for notice in setup.notices)


@given(data=st.data())
def test_measured_columns_are_never_read(data: st.DataObject) -> None:
    """Whatever stands in the measured and commenting columns, the question is the same."""
    anything = st.one_of(st.floats(), st.text(max_size=12), st.just(""), st.integers())
    other = {name: data.draw(anything) for name in (*MEASURED, "a_column_of_mine")}
    assert runs_table.setup_of(INPUTS | other) == runs_table.setup_of(INPUTS)


def test_samples_are_never_multiplied_by_epochs() -> None:
    """`samples` is all that was processed in the row; `epochs` adds nothing to it."""
    for epochs in (1, 90, "", 0.5):
        workload = runs_table.setup_of(INPUTS | {"epochs": epochs}).workload
        assert workload.samples * workload.epochs == INPUTS["samples"]


def test_samples_of_a_public_data_set() -> None:
    """A training row without samples takes those of a public data set; inference does not."""
    row = BARE | {"dataset": "CIFAR-10"}
    assert runs_table.setup_of(row).workload.samples == 50_000
    assert math.isnan(runs_table.setup_of(row | {"task": "inference"}).workload.samples)


@pytest.mark.parametrize(
    ("spelling", "device"),
    [
        ("v100-pcie", "v100-pcie"),
        ("H100-SXM-80", "h100-sxm"),
        ("H200-SXM-141", "h200-sxm"),
        ("A100-SXM-40", "a100-sxm-40gb"),
        ("a100_sxm", "a100-sxm-80gb"),
        ("RTX3090-24", "rtx-3090"),
        ("RTX6000ADA-48", "rtx-6000-ada"),
        ("b60", "arc-pro-b60"),
        ("NVIDIA A100 80GB PCIe", "a100-pcie-80gb"),
        ("Tesla V100-PCIE-32GB", "v100-pcie-32gb"),
        ("tesla t4", "t4"),
        ("RTX_4090", "rtx-4090"),
    ],
)
@pytest.mark.parametrize("column", ["hardware_id", "gpu_name"])
def test_spellings_find_their_device(spelling: str, device: str, column: str) -> None:
    """Other spellings of a device are found, whichever column names it."""
    gpu = runs_table.setup_of({"model": "resnet50", column: spelling}).machine.gpu
    assert gpu is not None
    assert gpu.id == device


def test_a_second_name_helps_where_the_first_is_unknown() -> None:
    """An id that nobody knows does not matter when the GPU's name is known."""
    machine = runs_table.setup_of(BARE | {"hardware_id": "box-7", "gpu_name": "Tesla T4"}).machine
    assert machine.gpu is not None
    assert machine.gpu.id == "t4"


def test_several_gpus() -> None:
    """The row's count and limit reach the machine."""
    machine = runs_table.setup_of(BARE | {"n_gpus": "4", "power_limit_w": "60"}).machine
    assert (machine.n_gpus, machine.gpu_power_limit_w) == (4, 60)


def test_own_totals_override_the_catalogue() -> None:
    """Plausible params and macs of the row replace the totals; shares of op classes stay."""
    plain = runs_table.setup_of(BARE).architecture
    row = BARE | {"params": plain.params * 2, "macs_per_sample": plain.macs * 3}
    heavier = runs_table.setup_of(row).architecture
    assert heavier.params == pytest.approx(2 * plain.params)
    assert heavier.macs == pytest.approx(3 * plain.macs)
    for name, op in plain.ops.items():
        assert heavier.ops[name].macs == pytest.approx(3 * op.macs)


def test_totals_that_agree_leave_the_count() -> None:
    """A total near the catalogue's own is taken to mean the same network."""
    plain = runs_table.setup_of(BARE).architecture
    row = BARE | {"params": plain.params * 1.02, "macs_per_sample": plain.macs * 0.95}
    assert runs_table.setup_of(row).architecture == plain


def test_the_input_size_chooses_the_network() -> None:
    """vgg16 on CIFAR-10 is the study's, on ImageNet torchvision's."""
    small, large = (
        runs_table.setup_of({"model": "vgg16", "hardware_id": "t4", "input_shape": shape})
        for shape in ("3x32x32", "3x224x224")
    )
    assert small.architecture.params < 2e7
    assert large.architecture.params > 1e8


def test_another_input_size_scales_the_work() -> None:
    """At half the width and height a network does about a quarter of the work."""
    small, large = (
        runs_table.setup_of(BARE | {"input_shape": shape}).architecture
        for shape in ("3x112x112", "3x224x224")
    )
    assert small.macs == pytest.approx(large.macs / 4, rel=0.05)
    assert small.params == large.params


def test_an_unknown_network_with_both_totals() -> None:
    """Unknown name, known totals: shares of a network like it, the totals exactly, and a notice."""
    row = BARE | {"model": "zz-net", "params": 2.5e7, "macs_per_sample": 4e9, "domain": "vision"}
    setup = runs_table.setup_of(row)
    assert setup.architecture.params == pytest.approx(2.5e7, rel=0.25)
    assert setup.architecture.macs == pytest.approx(4e9, rel=0.25)
    shares = sum(op.macs for op in setup.architecture.ops.values())
    assert shares == pytest.approx(setup.architecture.macs, rel=0.01)
    assert any("zz-net" in notice and "not in the catalogue" in notice for notice in setup.notices)


def test_an_unknown_text_network_takes_after_text_networks() -> None:
    """The domain decides whose shares are taken: no convolutions in a language model."""
    row = BARE | {"model": "zz-bert", "params": 1.1e8, "macs_per_sample": 4.5e10, "domain": "nlp"}
    ops = runs_table.setup_of(row).architecture.ops
    assert ops["matmul"].macs > 0
    assert "conv" not in ops or ops["conv"].macs == 0


def test_an_unknown_network_with_params_only() -> None:
    """Only parameters: the multiply-adds are guessed from networks like it, and that is said."""
    row = BARE | {"model": "zz-cell", "params": 1e6, "input_shape": "3x32x32"}
    setup = runs_table.setup_of(row)
    assert setup.architecture.params == pytest.approx(1e6, rel=0.25)
    assert 1e6 < setup.architecture.macs < 1e10
    assert any("not in the catalogue" in notice for notice in setup.notices)


def test_an_unknown_network_with_nothing_is_refused() -> None:
    """No name, no totals: the reason names what is missing and the nearest names."""
    with pytest.raises(UnknownName, match="params and macs_per_sample") as caught:
        runs_table.setup_of(BARE | {"model": "resnet5O"})
    assert len(caught.value.nearest) == 3
    assert any(name.lower().startswith("resnet") for name in caught.value.nearest)


@pytest.mark.parametrize("hardware", ["", "no-such-device"])
def test_an_unknown_device_is_refused(hardware: str) -> None:
    """No device can be made out: the reason says so."""
    with pytest.raises(UnknownName, match="unknown machine"):
        runs_table.setup_of({"model": "resnet50", "hardware_id": hardware})


def pairs(text: str) -> list[tuple[str, str]]:
    """Spelling and meaning of each line."""
    lines = (line.partition("->") for line in text.strip().splitlines())
    return [(spelling.strip(), meaning.strip()) for spelling, _, meaning in lines]


SCOPES = """
    -> gpu
    gpu -> gpu
    cpu_package -> cpu
    CPU_package -> cpu
    cpu+gpu+ram -> system
    cpu+gpu+dram -> system
    wall -> wall
    dram -> dram
"""
PRECISIONS = """
    -> fp32
    float32 -> fp32
    FP16 -> fp16
    float16 -> fp16
    amp -> fp16
    mixed -> fp16
    bf16 -> bf16
    bfloat16 -> bf16
    int8 -> int8
    tf32 -> tf32
"""
FRAMEWORKS = """
    -> pytorch
    PyTorch 2.1 -> pytorch
    transformers -> pytorch
    tensorflow/keras -> tensorflow
    jax -> tensorflow
    onnxruntime-tensorrt -> onnx
    TensorRT 8.5 -> tensorrt
    QAIC sdk -> vendor
"""
TASKS = """
    -> train
    training -> train
    inference -> infer
    Infer -> infer
    text-generation -> serve
    image-to-text -> serve
"""


@pytest.mark.parametrize(("spelling", "scope"), pairs(SCOPES))
def test_scopes(spelling: str, scope: str) -> None:
    """Every spelling of a scope is told apart."""
    assert runs_table.scope_of(spelling) == scope


@pytest.mark.parametrize(("spelling", "precision"), pairs(PRECISIONS))
def test_precisions(spelling: str, precision: str) -> None:
    """Every spelling of a precision is one that the predictor knows."""
    assert runs_table.precision_of(spelling) == precision
    assert precision in BYTES_PER_VALUE


@pytest.mark.parametrize(("spelling", "framework"), pairs(FRAMEWORKS))
def test_frameworks(spelling: str, framework: str) -> None:
    """Every spelling of a framework is one of five."""
    assert runs_table.framework_of(spelling) == framework


def test_a_forward_pass_alone_is_inference_and_a_backward_pass_nothing() -> None:
    """Phases of a training step that were timed apart are not taken for the whole step."""
    row = INPUTS | {"samples_per_s": 10, "energy_per_sample_j": 2.0, "avg_power_w": 20.0}
    forward = runs_table.run_of(row | {"duration_scope": "per_batch_forward"})
    assert forward is not None
    assert forward.setup.workload.task == "infer"
    assert runs_table.run_of(row | {"duration_scope": "per_batch_backward"}) is None


@pytest.mark.parametrize(("spelling", "task"), pairs(TASKS))
def test_tasks(spelling: str, task: str) -> None:
    """Training, inference and serving are told apart."""
    assert runs_table.task_of(spelling) == task


def test_serving_rows_are_refused() -> None:
    """A serving row is no training row: it says why it stays blank."""
    with pytest.raises(BadInput, match="serving"):
        runs_table.setup_of(BARE | {"task": "text-generation"})


@pytest.mark.parametrize(
    ("spelling", "shape"),
    [
        ("3x224x224", (3, 224, 224)),
        ("(3, 32, 32)", (3, 32, 32)),
        ("3*64*64", (3, 64, 64)),
        ("512", (512,)),
        ("", ()),
        ("unknown", ()),
        ("3x0x0", ()),
        ("3x-1x5", ()),
    ],
)
def test_shapes(spelling: str, shape: tuple[int, ...]) -> None:
    """Input sizes are read in every spelling; what cannot be one is none."""
    assert runs_names.shape_of(spelling) == shape


@pytest.mark.parametrize(
    ("value", "number"),
    [(3, 3.0), ("2.5", 2.5), (" 7 ", 7.0), ("1e9", 1e9), (True, 1.0)],
)
def test_numbers(value: object, number: float) -> None:
    """A number is read from what looks like one."""
    assert cells.number(value) == number


@pytest.mark.parametrize("value", ["", None, "n/a", 0, -1, math.nan, math.inf, "nan", [], {}])
def test_what_is_no_number_is_missing(value: object) -> None:
    """A number is positive and finite, anything else is missing; never 0."""
    assert cells.number(value) is None


def written(path: Path, rows: list[dict[str, Any]]) -> Path:
    """A CSV file of the rows."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(dict.fromkeys(k for row in rows for k in row)))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_loading_reads_what_was_measured(tmp_path: Path) -> None:
    """A run carries time, power and energy in its row's scope; missing ones stay missing."""
    full = INPUTS | {
        "samples_per_s": 400,
        "avg_power_w": 180,
        "energy_per_sample_j": 0.45,
        "source": "mine",
        "model_group": "resnet50",
        "model_family": "resnet",
        "quality_flag": "input_bound",
        "energy_scope": "wall",
    }
    rows = [full, BARE | {"samples_per_s": 10}, BARE | {"model": "nobody", "source": "x"}]
    runs = list(runs_table.load(written(tmp_path / "runs.csv", rows)))
    assert len(runs) == 2
    first, second = runs
    assert first.measurement.duration_s == pytest.approx(1 / 400)
    assert first.measurement.power_w == {"wall": 180}
    assert first.measurement.energy_j == {"wall": 0.45}
    assert (first.source, first.model_group, first.model_family) == ("mine", "resnet50", "resnet")
    assert first.quality_flag == "input_bound"
    assert second.measurement.power_w == second.measurement.energy_j == {}
    assert second.model_group == "resnet50"


def test_an_epoch_of_unknown_size_is_loaded_whole(tmp_path: Path) -> None:
    """Seconds and joules of an epoch without a sample count are kept, as an epoch's."""
    epoch = {"duration_scope": "per_epoch", "duration_s": 200, "energy_j": 9000}
    rows = [BARE | epoch, BARE | epoch | {"samples_per_s": 10, "energy_per_sample_j": 2}]
    rows.append(BARE | epoch | {"duration_scope": "fixed_step_window"})
    runs = list(runs_table.load(written(tmp_path / "runs.csv", rows)))
    found = [(r.measurement.samples, r.measurement.duration_s) for r in runs]
    assert found == [(None, 200), (1, pytest.approx(0.1)), (1, None)]
    assert [r.measurement.energy_j for r in runs] == [{"gpu": 9000}, {"gpu": 2}, {}]


def test_totals_of_stated_samples_tell_what_one_takes(tmp_path: Path) -> None:
    """Of one epoch; several epochs, or a window of unknown samples, say nothing of a sample."""
    whole = BARE | {"samples": 5000, "duration_s": 20, "energy_j": 1000}
    rows: list[dict[str, Any]] = [whole]
    rows += [whole | {"duration_scope": "total", "energy_per_sample_j": 0.3}]
    rows += [whole | {"epochs": 4}, whole | {"duration_scope": "fixed_step_window"}]
    runs = list(runs_table.load(written(tmp_path / "runs.csv", rows)))
    found = [(r.measurement.duration_s, r.measurement.energy_j) for r in runs]
    assert found == [(0.004, {"gpu": 0.2}), (0.004, {"gpu": 0.3}), (None, {}), (None, {})]


def test_a_blank_scope_on_a_machine_without_a_gpu_is_its_cpus(tmp_path: Path) -> None:
    """No energy of a GPU that is not there."""
    row = {"model": "resnet50", "hardware_id": "i5-12500", "energy_per_sample_j": 0.4}
    (one,) = runs_table.load(written(tmp_path / "runs.csv", [row]))
    assert one.measurement.energy_j == {"cpu": 0.4}
    assert one.setup.scope == "cpu"


def test_tables_of_spreadsheets_are_read(tmp_path: Path) -> None:
    """A byte order mark is no part of the first column's name; a letter in another code is kept."""
    path = tmp_path / "runs.csv"
    rows = "model,hardware_id,gpu_util,notes\nresnet50,t4,80,caf\xe9\n"
    path.write_bytes(b"\xef\xbb\xbf" + rows.encode("latin-1"))
    (one,) = runs_table.load(path)
    assert one.setup.architecture.name == "resnet50"
    assert one.measurement.gpu_util_frac == 0.8


def test_a_gpu_that_nobody_knows_is_not_taken_for_the_cpu_beside_it() -> None:
    """The row ran on that GPU; without one named, the CPU is what ran it."""
    row = {"model": "resnet50", "hardware_id": "box-7", "cpu_name": "i5-12500"}
    assert runs_table.setup_of(row).machine.gpu is None
    with pytest.raises(UnknownName, match="box-7"):
        runs_table.setup_of(row | {"gpu_name": "no such card"})


def test_samples_of_many_inputs_are_flagged(tmp_path: Path) -> None:
    """A volume of many windows is no sample of the network that was counted."""
    volume = BARE | {"model": "dlrm", "samples_per_s": 10, "quality_flag": "steps_capped"}
    rows = [volume | {"source": "mlperf_inference"}, volume | {"source": "another"}]
    runs = list(runs_table.load(written(tmp_path / "runs.csv", rows)))
    assert [r.quality_flag for r in runs] == ["steps_capped;sample_unlike", "steps_capped"]


def test_loading_what_is_no_table_is_refused(tmp_path: Path) -> None:
    """A missing file and a table of something else are refused with what to do."""
    with pytest.raises(BadInput, match="no such file"):
        list(runs_table.load(tmp_path / "missing.csv"))
    with pytest.raises(BadInput, match="hardware_id"):
        list(runs_table.load(written(tmp_path / "other.csv", [{"model": "a", "price": 3}])))


def test_every_catalogued_name_is_a_question() -> None:
    """Each name of the catalogue, alone with a device, is answered by its own network."""
    for name in architectures.names()[::7]:
        try:
            found = runs_table.setup_of({"model": name, "hardware_id": "t4"}).architecture
        except JoulecastError as exc:  # pragma: no cover
            pytest.fail(f"{name}: {exc}")
        assert found in architectures.candidates(name)


@pytest.mark.parametrize(
    ("source", "model", "task", "name", "optimiser"),
    [
        ("neusight_runtime", "gpt3-xl-1.3b", "inference", "gpt3-xl-3072", "none"),
        ("neusight_runtime", "bert-large", "train", "bert-large-masked", "none"),
        ("neusight_runtime", "bert-large", "inference", "bert-large", "none"),
        ("irene_transformers", "distilgpt2", "inference", "distilgpt2-body", "sgd"),
        ("elsewhere", "gpt3-xl-1.3b", "inference", "gpt3-xl-1.3b", "sgd"),
    ],
)
def test_what_a_source_really_ran(
    source: str, model: str, task: str, name: str, optimiser: str
) -> None:
    """Networks that a source means by another name, and steps without an update."""
    row = {"source": source, "model": model, "task": task, "seq_len": 512, "domain": "nlp"}
    totals = {"params": 1.3e9, "macs_per_sample": 6.7e11} if "gpt3" in model else {}
    run = runs_table.run_of({**row, **totals, "hardware_id": "t4"})
    assert run is not None
    setup = run.setup
    asked = runs_table.setup_of({**row, "hardware_id": "t4"})
    assert asked.architecture.name == model, "who asks means what the row says, whatever its source"
    assert (setup.architecture.name, setup.workload.optimiser) == (name, optimiser)
    assert setup.architecture.input_shape == (512,)


def test_headless_and_masked_networks_by_hand() -> None:
    """No product with the vocabulary; or one of width x (width + vocabulary) more per token."""
    whole, body = (architectures.find(n) for n in ("gpt2", "gpt2-body"))
    assert whole.macs - body.macs == 512 * 768 * 50_257
    plain, masked = (architectures.find(n) for n in ("bert-large", "bert-large-masked"))
    assert masked.macs - plain.macs == 512 * 1024 * (1024 + 30_522)
    assert masked.params - plain.params == 1024 * 1024 + 1024 + 2 * 1024 + 30_522


def test_the_variant_is_kept() -> None:
    """Which of its author's codes a row ran stays with the run."""
    run = runs_table.run_of({**BARE, "samples_per_s": 10, "variant": "fusion"})
    assert run is not None
    assert run.where == {"variant": "fusion"}


def test_cells_that_are_no_amount_are_named_and_taken_as_blank(tmp_path: Path) -> None:
    """Zero, negative, text, not finite and absurd; the rest of the row counts."""
    good: dict[str, Any] = BARE | {
        "samples_per_s": 10,
        "energy_per_sample_j": 2,
        "batch_size": 8,
        "gpu_util": 0,
    }
    odd: dict[str, Any] = {"batch_size": 0, "avg_power_w": 1e9, "energy_j": "abc"}
    rows: list[dict[str, Any]] = [
        good,
        good | odd,
        good | {"batch_size": "inf"},
        good | {"energy_per_sample_j": -1},
    ]
    path = written(tmp_path / "runs.csv", [{"avg_power_w": "", "energy_j": ""} | r for r in rows])
    first, second, third, fourth = runs_table.load(path)
    assert "refused" not in first.where
    line, _, cells = second.where["refused"].partition(": ")
    assert line == "line 3"
    assert set(cells.split(", ")) == {"batch_size 0", "avg_power_w 1000000000.0", "energy_j abc"}
    assert second.measurement.energy_j == {"gpu": 2}
    assert second.measurement.power_w == {}
    assert second.setup.notices == ("batch size not given: 32 assumed",)
    assert third.where["refused"] == "line 4: batch_size inf"
    assert fourth.measurement.energy_j == {}
