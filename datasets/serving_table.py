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
from joulecast.core.records import Machine, Measurement, Run, Setup, Workload
from joulecast.core.serving import BurstFigures, Serving, Spread
from joulecast.datasets import hardware
from joulecast.datasets.cells import number, text
from joulecast.datasets.runs_table import scope_of, task_of
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
        number(row.get("power_limit_w")),
    )
    network, said = network_of(text(row.get("model_id")), facts_of(row))
    notes.extend(said)
    precision = precision_of(text(row.get("weight_precision")), number(row.get("weight_bits")))
    if not precision:
        old = machine.gpu is not None and machine.gpu.year < _BF16_SINCE
        precision = "fp16" if old else "bf16"
        notes.append(f"weight precision not given: {precision} assumed")
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
    stated = number(row.get("n_gpus"))
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
    rate, concurrency = number(row.get("request_rate_rps")), number(row.get("batch_size_config"))
    if rate is None and concurrency is None:
        concurrency = ASSUMED_CONCURRENCY
        notes.append(f"neither rate nor batch size given: {concurrency:g} requests at once assumed")
    hit = number(row.get("cache_hit_rate")) or 0.0
    if hit > 1:
        message = f"cache_hit_rate {hit:g} is no share. Give a number from 0 to 1"
        raise BadInput(message)
    layers, stages, requests, experts = _spread(row, n_gpus)
    return Serving(
        prompt_tokens=prompt,
        output_tokens=output,
        rate_rps=rate,
        concurrency=concurrency,
        cache_hit_frac=hit,
        engine=engine,
        engine_year=year,
        image_tokens=images,
        prompt_tokens_guessed=guessed,
        tensor_parallel=layers,
        pipeline_parallel=stages,
        data_parallel=requests,
        expert_parallel=experts,
    )


def _tokens(
    row: Mapping[str, Any], network: str, notes: list[str]
) -> tuple[float, float, float, bool]:
    """Prompt and output tokens, those of images in the prompt, whether the prompt is assumed."""
    workload = text(row.get("workload"))
    usual, known = tokens_of(workload)
    shows = usual.shows
    if not shows and text(row.get("task")).lower() == "multimodal-generation":
        shows = "image"
    prompt, output = number(row.get("avg_prompt_tokens")), number(row.get("avg_output_tokens"))
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
        measurement=_measured(row, setup),
        source=text(row.get("source")),
        model_group=text(row.get("model_group")) or text(row.get("model_id")),
        model_family=family_of(setup.architecture),
        hardware_id=text(row.get("hardware_id")),
        meter=text(row.get("meter")),
        quality_flag=";".join(filter(None, flags)),
        versions={"engine": text(row.get("serving_engine"))},
        where={"workload": text(row.get("workload"))},
    )


def _measured(row: Mapping[str, Any], setup: Setup) -> Measurement:
    """What was measured: of all requests where their number is stated, else of one."""
    count = number(row.get("n_requests")) or 1.0
    rps = _answered_rps(row)
    request_j, power_w = number(row.get("energy_per_request_j")), number(row.get("avg_power_w"))
    stated_s = number(row.get("duration_s")) if count > 1 else None
    return Measurement(
        energy_j={setup.scope: count * request_j} if request_j else {},
        duration_s=stated_s or (count / rps if rps else None),
        samples=count,
        power_w={setup.scope: power_w} if power_w else {},
        burst=_burst(row, setup, count, rps),
    )


def _answered_rps(row: Mapping[str, Any]) -> float | None:
    """Requests answered per second: as stated, of a batch that runs once, or from tokens."""
    stated = number(row.get("achieved_rps"))
    batch, latency_s = number(row.get("batch_size_config")), number(row.get("e2e_latency_s"))
    tokens_s, output = number(row.get("throughput_tok_s")), number(row.get("avg_output_tokens"))
    if stated is None and batch and latency_s:
        return batch / latency_s
    return tokens_s / output if stated is None and tokens_s and output else stated


def _burst(row: Mapping[str, Any], setup: Setup, count: float, rps: float | None) -> BurstFigures:
    """What the requests met; a percentile that the row does not state is NaN."""
    serving = setup.workload.serving
    offered = (serving.rate_rps if serving else None) or rps or math.nan
    prompt, output = number(row.get("avg_prompt_tokens")), number(row.get("avg_output_tokens"))
    itl = {p: _ms(row.get(f"itl_{p}_ms")) for p in ("median", "p90", "p95", "p99")}
    is_mean = "mean TPOT" in text(row.get("notes"))
    mean_s, median_s = (itl["median"], math.nan) if is_mean else (math.nan, itl["median"])
    spread = Spread(mean_s, median_s, itl["p90"], itl["p95"], itl["p99"])
    closed = serving is not None and serving.rate_rps is None
    return BurstFigures(
        sent=int(count),
        completed=int(count),
        failed=0,
        offered_rps=offered,
        achieved_rps=rps or math.nan,
        prompt_tokens=prompt and prompt * count,
        output_tokens=output and output * count,
        ttft=_mean_spread(number(row.get("ttft_s"))),
        itl=spread if not math.isnan(itl["median"]) else None,
        latency=_mean_spread(number(row.get("e2e_latency_s"))),
        running_mean=number(row.get("observed_batch_size")) if closed else None,
        saturated=bool(rps and rps < 0.95 * offered) if not closed else None,
    )


def _ms(cell: object) -> float:
    found = number(cell)
    return math.nan if found is None else found / 1e3


def _mean_spread(mean_s: float | None) -> Spread | None:
    return None if mean_s is None else Spread(mean_s, *(math.nan,) * 4)
