"""Tables of measured serving configurations, one row each: the columns of ``runs_serving.csv``.

Card: one row is one server under one load, as somebody measured it; which columns are inputs (known
before a run) is fixed here. Rows carry their own licence and source; none is part of this package.
Energies are of the GPUs, gross. `load` yields runs to fit on, `setup_of` reads inputs only.
"""

from __future__ import annotations

import csv
import math
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from joulecast.core.errors import BadInput, JoulecastError, UnknownName
from joulecast.core.records import Machine, Run, Setup, Workload
from joulecast.core.serving import Serving
from joulecast.datasets import hardware
from joulecast.datasets.cells import number, text
from joulecast.datasets.runs_table import scope_of, task_of
from joulecast.datasets.serving_measured import measured
from joulecast.datasets.serving_models import facts_of, family_of, network_of
from joulecast.datasets.serving_words import (
    UNKNOWN_ENGINE,
    engine_of,
    image_tokens,
    precision_of,
    tokens_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

ASSUMED_CONCURRENCY = 32.0
"""Requests in the server at once where a row states neither those nor a rate."""
_BF16_SINCE = 2020
"""GPUs before Ampere have no bf16 units."""


def setup_of(row: Mapping[str, Any]) -> Setup:
    """The question that a row asks, from its input columns alone; any of them may be blank.

    Raises
    ------
    JoulecastError
        When no device or no network can be made out, or the row is none of a language model.
    """
    _refuse_other_tasks(text(row.get("task")))
    notes: list[str] = []
    machine = _machine(
        text(row.get("hardware_id")),
        text(row.get("gpu_name")),
        _gpus(row),
        _above_zero(row, "power_limit_w"),
    )
    network, said = network_of(text(row.get("model_id")), facts_of(row))
    notes.extend(said)
    spelling = text(row.get("weight_precision"))
    precision = precision_of(spelling, number(row.get("weight_bits")))
    if not precision:
        old = machine.gpu is not None and machine.gpu.year < _BF16_SINCE
        precision = "fp16" if old else "bf16"
        seen = f"'{spelling}' not known" if spelling else "not given"
        notes.append(f"weight precision {seen}: {precision} assumed")
    serving = _serving(row, network.name, notes, machine.n_gpus)
    workload = Workload(
        task="serve",
        samples=math.nan,
        batch_size=serving.concurrency or 1.0,
        dataset=text(row.get("workload")),
        precision=precision,
        framework=serving.engine,
        serving=serving,
    )
    scope = scope_of(text(row.get("energy_scope")))
    return Setup(machine, network, workload, scope, tuple(notes))


def _refuse_other_tasks(task: str) -> None:
    """BadInput for what is not text out of a language model; blank is serving."""
    low = task.lower()
    if low.endswith(("to-image", "to-video", "to-audio", "to-3d")):
        message = f"'{task}' is not answered: only models that generate text, token by token, are"
        raise BadInput(message)
    if low and task_of(low) != "serve":
        message = f"task '{task}' is no serving. Put the row into a table with a column model"
        raise BadInput(message)


def _gpus(row: Mapping[str, Any]) -> float | None:
    """GPUs that the row states, or that its parallelism multiplies to."""
    stated = _above_zero(row, "n_gpus")
    spread = [number(row.get(f"{n}_parallel")) for n in ("tensor", "pipeline", "data")]
    if stated or not any(spread):
        return stated
    return math.prod(n or 1.0 for n in spread)


@lru_cache(maxsize=1024)
def _machine(
    hardware_id: str, gpu_name: str, n_gpus: float | None, limit_w: float | None
) -> Machine:
    """The machine that a row names."""
    for name in filter(None, (hardware_id, gpu_name)):
        try:
            machine = hardware.machine(name)
        except UnknownName:
            continue
        if machine.gpu is None:
            return machine
        return replace(
            machine,
            n_gpus=max(int(n_gpus or machine.n_gpus), 1),
            gpu_power_limit_w=limit_w or machine.gpu_power_limit_w,
        )
    known, seen = hardware.device_names(), hardware_id or gpu_name or "(blank)"
    raise UnknownName("machine", seen, known, "hardware_id names a device")


def _serving(row: Mapping[str, Any], network: str, notes: list[str], n_gpus: int) -> Serving:
    """How requests reach the server; what is assumed is noted."""
    engine, year = engine_of(text(row.get("serving_engine")))
    if engine == UNKNOWN_ENGINE:
        notes.append("serving engine not given: a usual one assumed")
    prompt, output, images, guessed = _tokens(row, network, notes)
    rate, concurrency = _above_zero(row, "request_rate_rps"), _above_zero(row, "batch_size_config")
    if rate is None and concurrency is None:
        concurrency = ASSUMED_CONCURRENCY
        notes.append(f"neither rate nor batch size given: {concurrency:g} requests at once assumed")
    layers, stages, requests, experts = _spread(row, n_gpus)
    return Serving(
        prompt_tokens=prompt,
        output_tokens=output,
        rate_rps=rate,
        concurrency=concurrency,
        cache_hit_frac=_hit_frac(row),
        engine=engine,
        engine_year=year,
        image_tokens=images,
        prompt_tokens_guessed=guessed,
        tensor_parallel=layers,
        pipeline_parallel=stages,
        data_parallel=requests,
        expert_parallel=experts,
    )


def _above_zero(row: Mapping[str, Any], name: str) -> float | None:
    """The number of a cell, ``None`` for blank; BadInput for one that no server can have."""
    found = number(row.get(name))
    if found is None and (stated := _stated(row, name)) is not None:
        message = f"{name} {stated:g} must be above 0. Leave the cell blank if it is not known"
        raise BadInput(message)
    return found


def _hit_frac(row: Mapping[str, Any]) -> float:
    """Share of the prompt tokens that are cached, 0 for blank."""
    hit = _stated(row, "cache_hit_rate") or 0.0
    if not 0 <= hit <= 1:
        message = f"cache_hit_rate {hit:g} is no share. Give a number from 0 to 1"
        raise BadInput(message)
    return hit


def _stated(row: Mapping[str, Any], name: str) -> float | None:
    """The finite number that a cell holds, whatever its sign."""
    try:
        found = float(text(row.get(name)) or math.nan)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _tokens(
    row: Mapping[str, Any], network: str, notes: list[str]
) -> tuple[float, float, float, bool]:
    """Prompt and output tokens, those of images in the prompt, whether the prompt is assumed."""
    workload = text(row.get("workload"))
    usual, known = tokens_of(workload)
    shows = usual.shows
    if not shows and text(row.get("task")).lower() == "multimodal-generation":
        shows = "image"
    prompt, output = (_above_zero(row, f"avg_{n}_tokens") for n in ("prompt", "output"))
    images = image_tokens(shows, network)
    as_usual = f"as is usual for {workload}" if known else "assumed"
    guessed = prompt is None
    if prompt is None:
        prompt = usual.text + images
        with_images = f", {images:g} of them {shows}" if images else ""
        notes.append(f"prompt length not given: {prompt:g} tokens {as_usual}{with_images}")
    if output is None:
        output = usual.output
        notes.append(f"output length not given: {output:g} tokens {as_usual}")
    return prompt, output, min(images, prompt), guessed


def _spread(row: Mapping[str, Any], n_gpus: int) -> tuple[int | None, ...]:
    """GPUs over which layers (tensor parallel), stages, requests and experts are spread.

    A row of a mixture of experts may state the experts' spread alone, with one GPU each for layers
    and requests: the layers are then over all GPUs. Blank stays ``None``.
    """
    names = ("tensor", "pipeline", "data", "expert")
    found = (number(row.get(f"{n}_parallel")) for n in names)
    layers, stages, requests, experts = (int(x) if x and x >= 1 else None for x in found)
    others = (stages or 1) * (requests or 1)
    if layers and layers * others != n_gpus and n_gpus % others == 0:
        layers = n_gpus // others
    return layers, stages, requests, experts


def load(path: Path) -> Iterator[Run]:
    """Runs of a table with the columns of ``runs_serving.csv``; rows of no answer are skipped.

    Raises
    ------
    BadInput
        When the file is missing or lacks the columns ``model_id`` and ``hardware_id``.
    """
    if not path.is_file():
        message = f"no such file: {path}. Give a CSV with the columns of the serving table"
        raise BadInput(message)
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = {"model_id", "hardware_id"} - set(reader.fieldnames or ())
        if missing:
            message = f"{path} lacks the columns {', '.join(sorted(missing))}"
            raise BadInput(message)
        for row in reader:
            run = run_of(row)
            if run is not None:
                yield run


def run_of(row: Mapping[str, Any]) -> Run | None:
    """The run that a row records, or ``None`` when it is none that `setup_of` answers."""
    try:
        setup = setup_of(row)
    except JoulecastError:
        return None
    tier = text(row.get("fit_tier"))
    flags = [text(row.get("qc_flags")), f"tier_{tier}" if tier else ""]
    return Run(
        setup=setup,
        measurement=measured(row, setup),
        source=text(row.get("source")),
        model_group=text(row.get("model_group")) or text(row.get("model_id")),
        model_family=family_of(setup.architecture),
        hardware_id=text(row.get("hardware_id")),
        meter=text(row.get("meter")),
        quality_flag=";".join(filter(None, flags)),
        versions={"engine": text(row.get("serving_engine"))},
        where={"workload": text(row.get("workload"))},
    )
