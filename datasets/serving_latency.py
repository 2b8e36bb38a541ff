"""Measured times to the first and per further token: the columns of ``serving_latency.csv.gz``.

Card: ai-dynamo/aiconfigurator's silicon samples (Apache-2.0; most of them from InferenceX): one
row is a server under a closed loop of requests of one length. Only servers that both fill prompts
and write are read (`agg`). Dropped: repeats of one measurement, clusters whose parts are not told
apart, and rows whose prompts alone would take more than the GPUs' peak. The conversion had
multiplied some spreads of GPUs twice; see `spread_of`. No energies.
"""

from __future__ import annotations

import csv
import gzip
import math
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from joulecast.core.errors import BadInput
from joulecast.core.records import Measurement, Run, Setup, Workload
from joulecast.core.serving import BurstFigures, Serving, Spread
from joulecast.core.units import flops_from_macs
from joulecast.datasets import hardware
from joulecast.datasets.cells import number, text
from joulecast.datasets.serving_models import Facts, family_of, network_of
from joulecast.datasets.serving_words import engine_of, precision_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

SOURCE: Final = "aiconfigurator"
_MEASURED_ON: Final = re.compile(r"measured=(\d{4})-(\d\d)")
_CONCURRENCY: Final = re.compile(r"silicon_concurrency=(\d+)")
_WIDEST: Final = 8
"""GPUs in one server of these tables; wider ones are clusters given as one number."""
_MONTHS: Final = 12
_PRECISION_BLANK: Final = "bf16"
_NARROW_CACHE: Final = ("fp8", "fp4")
"""Weights beside which these servers keep keys and values as fp8, as InferenceX starts engines: its
70B in fp8 on one H200 works on 32 requests of 8,192 tokens without any of them waiting, of which 19
would fit at two bytes a value."""
_SAME: Final = (
    *("system", "backend", "model_path", "isl", "osl"),
    *("silicon_ttft_ms", "silicon_tpot_ms"),
)
"""What two rows of one measurement share, whatever spread they state."""
_COLUMNS: Final = {*_SAME, "mode", "batch_size"}


@dataclass(frozen=True, slots=True)
class GpuSpread:
    """Over how many GPUs layers (tensor), requests (data) and experts are spread, in all."""

    tensor: int
    data: int
    experts: int
    gpus: int


def spread_of(row: Mapping[str, Any]) -> GpuSpread | None:
    """How the row's server is spread, ``None`` for a cluster of servers.

    Rows of InferenceX (they name a ``silicon_concurrency``) came twice at times, once with
    ``tp 16, moe_tp 4, moe_ep 4`` where the other has ``tp 4, moe_ep 4``: n x n stands for n GPUs.
    Likewise vLLM's ``tp n, dp n, moe_ep n x n``: n GPUs that each attend for requests of their own
    (they take the times of n GPUs, not of n x n).
    """
    names = ("tp_size", "attention_dp_size", "moe_tp_size", "moe_ep_size")
    tensor, data, moe_tensor, experts = (int(number(row.get(n)) or 1) for n in names)
    gpus = tensor * data
    squared = "silicon_concurrency=" in text(row.get("silicon_data_source"))
    if squared and moe_tensor == experts > 1 and gpus == moe_tensor * experts:
        gpus = experts
        tensor, data = (1, experts) if data > 1 else (experts, 1)
    elif squared and tensor == data > 1 and experts == tensor * data:
        gpus = experts = data
        tensor = 1
    if gpus > _WIDEST:
        return None
    return GpuSpread(tensor, data, min(experts, gpus), gpus)


def load(path: Path) -> Iterator[Run]:
    """Runs of the table, plain or gzipped; each measurement once.

    Raises
    ------
    BadInput
        When the file is missing or lacks columns.
    """
    if not path.is_file():
        message = f"no such file: {path}. Give the table of measured serving latencies"
        raise BadInput(message)
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = _COLUMNS - set(reader.fieldnames or ())
        if missing:
            message = f"{path} lacks the columns {', '.join(sorted(missing))}"
            raise BadInput(message)
        seen: set[tuple[str, ...]] = set()
        for row in reader:
            key = tuple(row[name] for name in _SAME)
            run = None if key in seen else run_of(row)
            if run is not None:
                seen.add(key)
                yield run


def run_of(row: Mapping[str, Any]) -> Run | None:
    """The run of a row, ``None`` where it is no single server or lacks its times."""
    spread = spread_of(row)
    batch, prompt, output = (number(row.get(n)) for n in ("batch_size", "isl", "osl"))
    ttft_ms, tpot_ms = number(row.get("silicon_ttft_ms")), number(row.get("silicon_tpot_ms"))
    if text(row.get("mode")) != "agg" or spread is None:
        return None
    if batch is None or prompt is None or output is None or ttft_ms is None or tpot_ms is None:
        return None
    engine, year = engine_of(f"{text(row.get('backend'))} {text(row.get('backend_version'))}")
    serving = Serving(
        prompt_tokens=prompt,
        output_tokens=output,
        concurrency=_concurrency(row, batch),
        engine=engine,
        engine_year=year if year is not None else _year_measured(row),
        tensor_parallel=spread.tensor,
        pipeline_parallel=1,
        data_parallel=spread.data,
        expert_parallel=spread.experts,
    )
    setup = _setup(row, serving, spread)
    measured = _measured(serving, ttft_ms / 1e3, tpot_ms / 1e3)
    if _prefill_share(setup, measured) > 1:
        return None
    return Run(
        setup=setup,
        measurement=measured,
        source=SOURCE,
        model_group=setup.architecture.group,
        model_family=family_of(setup.architecture),
        hardware_id=text(row.get("system")),
        versions={"engine": f"{engine} {text(row.get('backend_version'))}".strip()},
        where={"gemm": text(row.get("gemm_quant_mode")), "moe": text(row.get("moe_quant_mode"))},
    )


def _setup(row: Mapping[str, Any], serving: Serving, spread: GpuSpread) -> Setup:
    machine = replace(hardware.machine(text(row.get("system"))), n_gpus=spread.gpus)
    network, notes = network_of(text(row.get("model_path")), Facts())
    modes = (text(row.get(n)) for n in ("gemm_quant_mode", "precision"))
    stated = next((p for p in map(precision_of, modes) if p), "")
    if stated in _NARROW_CACHE and network.kv_bytes_per_token:
        network = replace(network, kv_bytes_per_token=network.kv_bytes_per_token / 2)
    workload = Workload(
        task="serve",
        samples=math.nan,
        batch_size=serving.concurrency or 1.0,
        precision=stated or _PRECISION_BLANK,
        framework=serving.engine,
        serving=serving,
    )
    return Setup(machine, network, workload, "gpu", notes)


def _concurrency(row: Mapping[str, Any], batch: float) -> float:
    """Requests in the server; `batch` is of one of the GPUs that attend for their own requests."""
    found = _CONCURRENCY.search(text(row.get("silicon_data_source")))
    return float(found[1]) if found else batch * (number(row.get("attention_dp_size")) or 1.0)


def _year_measured(row: Mapping[str, Any]) -> float | None:
    """Year in which the row was measured, for engines whose version nobody noted."""
    found = _MEASURED_ON.search(text(row.get("silicon_data_source")))
    return round(int(found[1]) + (int(found[2]) - 0.5) / _MONTHS, 1) if found else None


def _prefill_share(setup: Setup, measured: Measurement) -> float:
    """Share of the GPUs' fastest arithmetic that filling the prompts alone would take.

    Above 1 the requests were not those of this server alone but of several.
    """
    gpu, serving = setup.machine.gpu, setup.workload.serving
    if gpu is None or serving is None or not measured.duration_s:
        return 0.0
    active = setup.architecture.active_params or setup.architecture.params
    flops = flops_from_macs(active * serving.prompt_tokens)
    fastest = max(gpu.peak_flops_per_s.values(), default=math.inf)
    return flops / measured.duration_s / (fastest * setup.machine.n_gpus)


def _measured(serving: Serving, ttft_s: float, tpot_s: float) -> Measurement:
    """One request's share of the loop; means of its times."""
    latency_s = ttft_s + (serving.output_tokens - 1) * tpot_s
    rps = (serving.concurrency or 1.0) / latency_s
    rest = (math.nan,) * 4
    return Measurement(
        energy_j={},
        duration_s=1 / rps,
        samples=1.0,
        burst=BurstFigures(
            sent=1,
            completed=1,
            failed=0,
            offered_rps=rps,
            achieved_rps=rps,
            prompt_tokens=serving.prompt_tokens,
            output_tokens=serving.output_tokens,
            ttft=Spread(ttft_s, *rest),
            itl=Spread(tpot_s, *rest),
            latency=Spread(latency_s, *rest),
            running_mean=serving.concurrency,
        ),
    )
