"""The public functions: the one place where the wings are put together."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from joulecast.core.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from joulecast.core.records import Architecture, Estimate, Machine, Run

_CHUNK = 4096


def estimate(  # noqa: PLR0913 (the public interface)
    model: str | Path | Architecture | Any,  # noqa: ANN401 (torch.nn.Module without importing torch)
    hardware: str | Path | Machine,
    *,
    task: str | None = "train",
    epochs: float = 1,
    samples: float | None = None,
    batch_size: float = 128,
    input_shape: tuple[int, ...] | None = None,
    seq_len: int | None = None,
    precision: str = "fp32",
    framework: str = "pytorch",
    optimiser: str = "sgd",
    trainable_frac: float = 1.0,
    loader_workers: int | None = None,
    n_gpus: int | None = None,
    power_limit_w: float | None = None,
    scope: str = "system",
    level: float = 0.9,
    runs: str | Path | Iterable[str | Path | Run] | None = None,
    explain: bool = False,
    force: bool = False,
) -> Estimate:
    """Energy and time of a run that has not been started, with intervals.

    Parameters
    ----------
    model : catalogue name, `Architecture`, ``torch.nn.Module``, or path to a config.json.
    hardware : machine or device id, ``8xh100-sxm``, `Machine`, path to a TOML file, or ``auto``
        for the machine this runs on.
    task : ``train``, ``infer`` (or ``inference``); ``None``: train, but refused for an LLM.
    epochs, samples : samples per epoch; 50,000 if not given.
    batch_size : samples per step and device. input_shape : without the batch.
    seq_len : tokens per sample of a token model.
    trainable_frac : 0..1. loader_workers : data-loading processes, if known.
    power_limit_w : watts per GPU. level : of the intervals, 0.5..0.995.
    scope : gpu, cpu, dram, system (their sum, the papers' Eq. 3) or wall.
    runs : measured runs to lean on: a folder of records, or `Run` records; ``None`` for the user's
        own folder, ``()`` for none. Only those of this machine or of this model count.
    explain : fill `Estimate.explanation`. force : answer even if the weights do not fit.

    Raises
    ------
    JoulecastError
        For unknown names, values that cannot be right, and weights larger than the memory.

    Examples
    --------
    >>> answer = estimate("vgg16", "hc3", epochs=100)
    >>> answer.energy_low_j < answer.energy_j < answer.energy_high_j
    True
    """
    from joulecast.answering import estimate_of
    from joulecast.asking_run import refuse_level, setup_of
    from joulecast.known_runs import runs_given

    refuse_level(level)
    setup, notices = setup_of(
        model,
        hardware,
        task=task,
        epochs=epochs,
        samples=samples,
        batch_size=batch_size,
        input_shape=input_shape,
        seq_len=seq_len,
        precision=precision,
        framework=framework,
        optimiser=optimiser,
        trainable_frac=trainable_frac,
        loader_workers=loader_workers,
        n_gpus=n_gpus,
        power_limit_w=power_limit_w,
        scope=scope,
        force=force,
    )
    known, skipped = runs_given(runs)
    return estimate_of(setup, level, notices + skipped, explain=explain, runs=known)


def predict_rows(rows: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """The rows with their predictions added, as they come; see `predict_table`."""
    from itertools import islice

    from joulecast.table import predict_chunk

    stream = iter(rows)
    while chunk := list(islice(stream, _CHUNK)):
        yield from predict_chunk(chunk)


def predict_table(table: Any) -> Any:  # noqa: ANN401 (DataFrame, mapping or list; the same comes back)
    """Predictions for a table of workloads, one per row, in the columns of the runs table.

    Parameters
    ----------
    table : pandas DataFrame, mapping of columns, or list of mappings. Only input columns are read
        (model, hardware_id, task, batch_size, samples, input_shape, ...); any may be blank.

    Returns
    -------
    The same kind of table, rows and order kept, with ``predicted_*`` columns, ``basis``,
    ``novelty`` and ``notices`` added. A row that cannot be answered keeps them blank and says why
    in ``notices``. In a DataFrame a blank number is NaN, elsewhere an empty text.
    """
    from joulecast import table as tables

    if hasattr(table, "to_dict") and hasattr(table, "columns"):
        return tables.predict_data_frame(table)
    if hasattr(table, "keys"):
        return tables.predict_columns(table)
    if isinstance(table, str | bytes) or not hasattr(table, "__iter__"):
        message = f"a {type(table).__name__} is no table. Give a DataFrame, columns or records"
        raise BadInput(message)
    return list(predict_rows(table))


def card() -> dict[str, Any]:
    """The stored accuracy card of the shipped predictor, that of model servers under ``serving``.

    Only `train` computes them.
    """
    from joulecast.estimator.bundle import CARD, PRETRAINED
    from joulecast.estimator.serving import bundle as serving

    served = _stored_card(serving.PRETRAINED / serving.CARD)
    return _stored_card(PRETRAINED / CARD) | {"serving": served}


def _stored_card(path: Path) -> dict[str, Any]:
    import json

    from joulecast.core.errors import BadRecord, NotFitted

    if not path.is_file():
        message = f"no accuracy card in {path.parent}. 'joulecast train' writes one"
        raise NotFitted(message)
    try:
        stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as exc:
        message = f"cannot read {path}: {exc}. Refit with 'joulecast train'"
        raise BadRecord(message) from exc
    return stored


def train(
    runs: Sequence[str | Path],
    out: str | Path | None = None,
    *,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """Refit the predictor on tables of runs and return its accuracy card.

    Parameters
    ----------
    runs : CSV files with the columns of the runs table, or of the table of model servers (those
        with ``model_id``). Only what tables are given for is refitted.
    out : folder for the bundle, default the installed one. seed : same seed, same files.
    """
    from importlib.util import find_spec

    from joulecast.core.errors import MissingExtra
    from joulecast.datasets import runs_table, serving_table
    from joulecast.estimator import train as common
    from joulecast.estimator.bundle import PRETRAINED
    from joulecast.estimator.serving import train as serving

    for package in ("sklearn", "lightgbm", "joblib"):
        if find_spec(package) is None:
            raise MissingExtra(package, "train", "refitting the predictor")
    paths = [Path(p) for p in runs]
    served = [path for path in paths if _is_of_servers(path)]
    rest = [path for path in paths if path not in served]
    folder, card = Path(out) if out else PRETRAINED, {}
    if rest or not served:
        records = [run for path in rest for run in runs_table.load(path)]
        card = common.train(records, rest, folder, seed, progress)
    if served:
        records = [run for path in served for run in serving_table.load(path)]
        card["serving"] = serving.train(records, served, folder, seed, progress)
    return card


def _is_of_servers(path: Path) -> bool:
    """Whether a table holds runs of model servers: its head names ``model_id``."""
    import csv

    if not path.is_file():
        return False
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        return "model_id" in next(csv.reader(file), [])


def model_names() -> list[str]:
    """Names of all catalogued architectures, own networks first."""
    from joulecast.datasets import architectures

    return list(architectures.names())


def describe_models() -> list[dict[str, Any]]:
    """Name, collection, framework, input shape, params and macs of every architecture."""
    from joulecast.datasets import architectures

    return [
        {
            "name": a.name,
            "collection": a.collection,
            "framework": a.framework,
            "input_shape": list(a.input_shape),
            "params": a.params,
            "macs": a.macs,
        }
        for a in architectures.all_architectures()
    ]


def describe_hardware() -> list[dict[str, Any]]:
    """Id, name, kind, TDP, memory and year of every machine and device."""
    from joulecast.datasets import hardware as shelf

    out: list[dict[str, Any]] = [
        {
            "id": m.id,
            "name": m.name,
            "kind": "machine",
            "tdp_w": sum(d.tdp_w * n for d, n in ((m.gpu, m.n_gpus), (m.cpu, m.n_cpus)) if d),
            "mem_bytes": m.mem_bytes,
            "year": m.accelerator.year if m.accelerator else None,
        }
        for m in map(shelf.machine, shelf.machine_names())
    ]
    for name in shelf.device_names():
        d = shelf.device(name)
        out.append(
            {
                "id": d.id,
                "name": d.name,
                "kind": d.kind,
                "tdp_w": d.tdp_w,
                "mem_bytes": d.mem_bytes,
                "year": d.year,
            }
        )
    return out
