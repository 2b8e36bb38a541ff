"""Tables of measured configurations, one row each: the columns of ``runs_train_infer.csv``.

Card: one row is one configuration that somebody measured; which columns are inputs (known before
a run) and which were measured is fixed here. Rows carry their own licence and source; none is part
of this package. Energies are gross. `load` yields runs to fit on, `setup_of` reads inputs only.
"""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

from joulecast.core.catalog import normalise
from joulecast.core.errors import BadInput, JoulecastError
from joulecast.core.records import Measurement, Run, Scope, Setup, Workload
from joulecast.datasets.cells import number, text
from joulecast.datasets.runs_amounts import amounts_of, columns_of, odd_cells
from joulecast.datasets.runs_names import machine_of, network_of
from joulecast.datasets.runs_sides import percent_of, sides_of
from joulecast.datasets.runs_sources import flags, mended

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from joulecast.datasets.runs_sides import Percent

DATASET_SAMPLES: Final = {
    "cifar10": 50_000,
    "cifar100": 50_000,
    "imagenet": 1_281_167,
    "mnist": 60_000,
    "fashionmnist": 60_000,
    "squad": 87_599,
    "sentiment140": 1_600_000,
}
"""Training samples per epoch of public data sets, by normalised name."""
_ASKED = (
    *("source", "model", "domain", "params", "trainable_params", "macs_per_sample"),
    *("input_shape", "seq_len", "dataset", "task", "scenario", "samples", "batch_size"),
    *("precision", "framework", "optimiser", "hardware_id", "gpu_name", "n_gpus", "cpu_name"),
    *("power_limit_w", "energy_scope", "duration_scope"),
)
"""Columns that the setup of a row is made from."""
_MOST_ASKED = 50_000


def setup_of(row: Mapping[str, Any]) -> Setup:
    """The question that a row asks, from its input columns alone; any of them may be blank.

    Raises
    ------
    JoulecastError
        When no device or no architecture can be made out, with what to do.
    """
    notes: list[str] = []
    machine = machine_of(
        text(row.get("hardware_id")),
        text(row.get("gpu_name")),
        text(row.get("cpu_name")),
        number(row.get("n_gpus")),
        number(row.get("power_limit_w")),
    )
    framework = framework_of(text(row.get("framework")))
    shape = text(row.get("input_shape")) or _dataset_shape(text(row.get("dataset")))
    seq_len = number(row.get("seq_len"))
    architecture, said = network_of(
        text(row.get("model")),
        text(row.get("domain")),
        shape,
        seq_len,
        framework,
        params=number(row.get("params")),
        macs=number(row.get("macs_per_sample")),
    )
    notes.extend(said)
    workload = _workload(row, framework, notes)
    return Setup(
        machine, architecture, workload, scope_of(text(row.get("energy_scope"))), tuple(notes)
    )


def framework_of(spelling: str) -> str:
    """One of pytorch, tensorflow, onnx, tensorrt, vendor."""
    low = spelling.lower()
    for key, name in (
        ("onnx", "onnx"),
        ("tensorrt", "tensorrt"),
        ("torch", "pytorch"),
        ("transformers", "pytorch"),
        ("tensorflow", "tensorflow"),
        ("keras", "tensorflow"),
        ("jax", "tensorflow"),
    ):
        if key in low:
            return name
    return "vendor" if low and low != "nan" else "pytorch"


def scope_of(spelling: str) -> Scope:
    """The scope that an ``energy_scope`` spelling names; blank is ``gpu``."""
    low = spelling.lower()
    if low.startswith("wall"):
        return "wall"
    if "+" in low or low.startswith("system"):
        return "system"
    if low.startswith("cpu"):
        return "cpu"
    return "dram" if low.startswith("dram") else "gpu"


def precision_of(spelling: str) -> str:
    """One of fp64, fp32, tf32, fp16, bf16, fp8, int8, int4, fp4; blank is ``fp32``."""
    low = spelling.lower().strip()
    for name in ("int8", "int4", "fp8", "fp4", "bf16", "tf32", "fp64"):
        if low.startswith(name):
            return name
    if low.startswith(("fp16", "float16", "half", "amp", "mixed")):
        return "fp16"
    return "bf16" if low.startswith("bfloat16") else "fp32"


def task_of(spelling: str) -> str:
    """train, infer or serve (`inference` is infer; generation and image tasks are serve)."""
    low = spelling.lower().strip()
    if low.startswith("train") or not low:
        return "train"
    if low.startswith("infer"):
        return "infer"
    if low.startswith(("serv", "text-to-", "image-to-", "video-to-")) or low.endswith(
        "-generation"
    ):
        return "serve"
    message = f"unknown task '{spelling}'. Use train, inference or serve"
    raise BadInput(message)


def _workload(row: Mapping[str, Any], framework: str, notes: list[str]) -> Workload:
    task = task_of(text(row.get("task")))
    if "forward" in text(row.get("duration_scope")):
        task = "infer"
    if task == "serve":
        message = "rows of serving go into a table of servers, with the column model_id"
        raise BadInput(message)
    batch = number(row.get("batch_size"))
    if batch is None:
        batch = _default_batch(text(row.get("scenario")), task)
        notes.append(f"batch size not given: {batch:g} assumed")
    dataset = text(row.get("dataset"))
    samples = number(row.get("samples"))
    if samples is None:
        known = DATASET_SAMPLES.get(normalise(dataset)) if task == "train" else None
        samples = float(known) if known else math.nan
    params, trainable = number(row.get("params")), number(row.get("trainable_params"))
    return Workload(
        task="train" if task == "train" else "infer",
        samples=samples,
        epochs=1,
        batch_size=batch,
        seq_len=int(number(row.get("seq_len")) or 0) or None,
        dataset=dataset,
        precision=precision_of(text(row.get("precision"))),
        framework=framework,
        optimiser=text(row.get("optimiser")) or "sgd",
        trainable_frac=min(trainable / params, 1.0) if params and trainable else 1.0,
    )


def _dataset_shape(dataset: str) -> str:
    """Input shape that a data set is used at when a row does not say: CIFAR's own size."""
    return "3x32x32" if normalise(dataset) in {"cifar10", "cifar100"} else ""


def _default_batch(scenario: str, task: str) -> float:
    by_scenario = {"singlestream": 1.0, "multistream": 8.0, "server": 16.0, "offline": 64.0}
    return by_scenario.get(normalise(scenario), 32.0 if task == "train" else 1.0)


def load(path: Path) -> Iterator[Run]:
    """Runs of a table with the columns of ``runs_train_infer.csv``; unclear rows are skipped.

    Raises
    ------
    BadInput
        When the file is missing or lacks the columns ``model`` and ``hardware_id``.
    """
    return (run for _, run in rows_and_runs(path) if run is not None)


def rows_and_runs(path: Path) -> Iterator[tuple[dict[str, Any], Run | None]]:
    """Each row of a table as it stands with the run that it records, ``None`` where unclear.

    Raises
    ------
    BadInput
        As `load`.
    """
    if not path.is_file():
        message = f"no such file: {path}. Give a CSV with the columns of the runs table"
        raise BadInput(message)
    percent = percent_of(path)
    with path.open(newline="", encoding="utf-8-sig", errors="replace") as file:
        reader = csv.reader(file)
        names = next(reader, [])
        missing = {"model", "hardware_id"} - set(names)
        if missing:
            message = f"{path} lacks the columns {', '.join(sorted(missing))}"
            raise BadInput(message)
        asked: dict[object, Setup | None] = {}  # the same question is made out once
        key_of = itemgetter(*(names.index(n) for n in _ASKED if n in names))
        blank, checked = [""] * len(names), columns_of(names)
        for cells in filter(None, reader):
            if len(cells) < len(names):
                cells.extend(blank[len(cells) :])
            row: dict[str, Any] = dict(zip(names, cells, strict=False))
            odd = odd_cells(cells, checked)
            if odd:
                yield row, _without(row, odd, percent, reader.line_num)
                continue
            key = key_of(cells)
            if key not in asked:
                if len(asked) >= _MOST_ASKED:
                    asked.clear()
                asked[key] = _setup_or_none(row)
            setup = asked[key]
            yield row, None if setup is None else _recorded(row, setup, percent)


def _without(
    row: Mapping[str, Any], odd: Mapping[str, str], percent: Percent, line: int
) -> Run | None:
    """The run of a row without its odd cells, whose `where` names them under ``refused``."""
    blanked = {**row, **dict.fromkeys(odd, "")}
    setup = _setup_or_none(blanked)
    if setup is None:
        return None
    run = _recorded(blanked, setup, percent)
    cells = ", ".join(f"{name} {cell}" for name, cell in odd.items())
    return replace(run, where={**run.where, "refused": f"line {line}: {cells}"})


def run_of(row: Mapping[str, Any]) -> Run | None:
    """The run that a row records, or ``None`` when its machine or model cannot be made out.

    A backward pass timed alone is no workload: ``None`` as well.
    """
    setup = _setup_or_none(row)
    return None if setup is None else _recorded(row, setup)


def _setup_or_none(row: Mapping[str, Any]) -> Setup | None:
    if "backward" in text(row.get("duration_scope")):
        return None
    try:
        setup = setup_of(mended(row))
    except JoulecastError:
        return None
    if setup.scope == "gpu" and setup.machine.gpu is None:  # what a blank scope means elsewhere
        return replace(setup, scope="cpu")
    return setup


def _recorded(row: Mapping[str, Any], setup: Setup, percent: Percent = frozenset()) -> Run:
    """The run of `setup` that a row records; `percent`: columns of a source that are percent."""
    samples, duration_s, energy_j = amounts_of(row)
    power_w = number(row.get("avg_power_w"))
    variant, source = text(row.get("variant")), text(row.get("source"))
    return Run(
        setup=setup,
        measurement=Measurement(
            energy_j={setup.scope: energy_j} if energy_j else {},
            duration_s=duration_s,
            samples=samples,
            power_w={setup.scope: power_w} if power_w else {},
            **sides_of(row, source, percent),
        ),
        source=source,
        model_group=text(row.get("model_group")) or text(row.get("model")),
        model_family=text(row.get("model_family")) or text(row.get("model")),
        hardware_id=text(row.get("hardware_id")),
        meter=text(row.get("meter")),
        quality_flag=flags(row),
        where={"variant": variant} if variant else {},
    )
