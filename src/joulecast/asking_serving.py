"""From what was asked about a model server to a `Setup`: the impossible refused, doubts noted."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from joulecast import asking
from joulecast.core.errors import BadInput, nearest_names
from joulecast.core.records import Setup, Workload
from joulecast.core.units import BYTES_PER_VALUE
from joulecast.serving_memory import more_than_there_are, refuse_too_large, too_large
from joulecast.serving_times import copies_of, copies_said

if TYPE_CHECKING:
    from pathlib import Path

    from joulecast.core.records import Architecture, Machine
    from joulecast.core.serving import Serving

ENGINES = ("vllm", "sglang", "trtllm", "transformers", "llama.cpp", "tgi", "lmdeploy", "mii")
_ENGINE_SPELLINGS = {
    "tensorrt-llm": "trtllm",
    "tensorrt": "trtllm",
    "hf": "transformers",
    "llamacpp": "llama.cpp",
    "llama-cpp": "llama.cpp",
    "ollama": "llama.cpp",
    "deepspeed-mii": "mii",
}
_PRECISIONS = {
    "bfloat16": "bf16",
    "float16": "fp16",
    "half": "fp16",
    "float32": "fp32",
    "mxfp4": "fp4",
    "nvfp4": "fp4",
    "awq": "int4",
    "gptq": "int4",
}
_YEARS = (2018.0, 2035.0)
_MOST_TOKENS = 1e8


@dataclass(frozen=True, slots=True)
class Place:
    """On what a model is served, and which part of it counts; see `joulecast.estimate_serving`."""

    weight_precision: str = "bf16"
    n_gpus: int | None = None
    power_limit_w: float | None = None
    scope: str = "system"
    force: bool = False


def checked(asked: Serving) -> tuple[Serving, tuple[str, ...]]:
    """`asked` with its engine's usual name, and what had to be assumed.

    Raises
    ------
    BadInput
        For a value that cannot be right, and for a rate together with a concurrency.
    """
    _refuse_missing(asked)
    asking.refuse_absurd(
        rate_rps=asked.rate_rps,
        concurrency=asked.concurrency,
        prompt_tokens=asked.prompt_tokens,
        duration_s=asked.duration_s,
    )
    _refuse_tokens(asked)
    _refuse_hits(asked.cache_hit_frac)
    if asked.engine_year is not None:
        asking.refuse_outside("engine_year", asked.engine_year, *_YEARS)
    if asked.rate_rps is not None and asked.concurrency is not None:
        message = (
            "both a rate and a concurrency were given. Give rate_rps (--rps) for requests that "
            "arrive whether or not others are done, or concurrency for so many at any time"
        )
        raise BadInput(message)
    engine, notices = _engine_named(asked.engine)
    if asked.rate_rps is None and asked.concurrency is None:
        notices += ("neither a rate nor a concurrency given: answered for a server at full load",)
    return replace(asked, engine=engine), notices


def place_checked(place: Place) -> str:
    """The precision of the weights that `place` means.

    Raises
    ------
    BadInput
        For a value that is right on no machine.
    """
    asking.refuse_absurd(n_gpus=place.n_gpus, power_limit_w=place.power_limit_w)
    if place.scope not in asking.SCOPES:
        message = f"unknown scope '{place.scope}'. Use one of {', '.join(asking.SCOPES)}"
        raise BadInput(message)
    return weights_named(place.weight_precision)


def _refuse_missing(asked: Serving) -> None:
    needed = ("prompt_tokens", "output_tokens", "duration_s")
    missing = [name for name in needed if getattr(asked, name) is None]
    if missing:
        message = f"{' and '.join(missing)} not given: no answer without. Give a positive number"
        raise BadInput(message)


def _refuse_tokens(asked: Serving) -> None:
    n = asked.output_tokens
    if n == 0 and not isinstance(n, bool):
        message = (
            "output_tokens = 0: a request without an answer has no energy per token. "
            "Give 1 or more; for prompts alone ask for the task infer with seq_len"
        )
        raise BadInput(message)
    asking.refuse_absurd(output_tokens=n)
    for name in ("prompt_tokens", "output_tokens"):
        if getattr(asked, name) > _MOST_TOKENS:
            message = f"{name} = {getattr(asked, name):g} is more than any model takes in"
            raise BadInput(message)


def _refuse_hits(frac: float) -> None:
    percent = isinstance(frac, int | float) and 1 < frac <= 100
    if percent:
        message = f"cache_hit_frac = {frac:g} is outside 0 to 1. For {frac:g} % give {frac / 100:g}"
        raise BadInput(message)
    asking.refuse_outside("cache_hit_frac", frac, 0.0, 1.0)


def _engine_named(spelling: str) -> tuple[str, tuple[str, ...]]:
    """The engine's usual name; one that nobody knows is answered, with the nearest names."""
    if not isinstance(spelling, str) or not spelling.strip():
        message = f"engine = {spelling!r} names no engine. Use one of {', '.join(ENGINES)}"
        raise BadInput(message)
    name = spelling.strip().lower().replace("_", "-")
    name = _ENGINE_SPELLINGS.get(name, name)
    if name in ENGINES:
        return name, ()
    near = ", ".join(nearest_names(name, ENGINES))
    return "vllm", (f"unknown engine '{spelling}', answered as vllm. Nearest: {near}",)


def setup_asked(
    model: str | Path | Architecture | Any,  # noqa: ANN401 (whatever a user may hand in)
    hardware: str | Path | Machine,
    serving: Serving,
    place: Place,
) -> tuple[Setup, tuple[str, ...]]:
    """The question, and what the reader should know about how it was understood.

    Raises
    ------
    JoulecastError
        For unknown names, models that generate no text, and weights larger than the memory.
    """
    serving, notices = checked(serving)
    precision = place_checked(place)
    architecture = find_llm(model)
    found, detected = asking.find_machine(hardware)
    machine = asking.configured(found, place.n_gpus, place.power_limit_w)
    requests = math.nan if serving.rate_rps is None else serving.rate_rps * serving.duration_s
    workload = Workload(
        task="serve",
        samples=requests,
        input_shape=architecture.input_shape,
        dataset="tokens",
        precision=precision,
        framework=serving.engine,
        serving=serving,
    )
    setup = Setup(machine, architecture, workload, asking.scope_of(place.scope, machine))
    if not place.force:
        refuse_too_large(setup)
    forced = too_large(setup)
    held = (f"{forced}: answered as if they fitted (--force)",) if forced else ()
    count = _whole_machine(setup) if place.n_gpus is None else ()
    count += more_than_there_are(found, place.n_gpus)
    return setup, (*held, *notices, *count, *detected, *_doubts(setup))


def _whole_machine(setup: Setup) -> tuple[str, ...]:
    """That a machine of several GPUs is counted with all its copies, where nobody said how many."""
    said, (_, together) = copies_said(setup), copies_of(setup)
    whole = f"{setup.machine.id} counted with its {setup.machine.n_gpus} GPUs"
    one = "card" if together == 1 else "copy"
    return (f"{whole} ({said}); --gpus {together} asks for one {one}",) if said else ()


def find_llm(model: Any) -> Architecture:  # noqa: ANN401 (whatever a user may hand in)
    """The language model that `model` means.

    Raises
    ------
    UnknownName
        For a name that nobody knows. BadInput for what generates no text.
    """
    if hasattr(model, "state_dict"):
        name = type(model).__name__
        message = (
            f"a module such as {name} does not tell what it keeps per token. "
            "Give the name of a language model or the path to its config.json"
        )
        raise BadInput(message)
    found = asking.find_architecture(model)
    if not (found.kv_bytes_per_token and found.layers and found.hidden):
        what = "makes images" if found.domain == "diffusion" else "generates no text"
        message = (
            f"{found.name} {what} token by token: it keeps no keys and values per token. "
            "Serving is answered for language models; ask for the task infer instead"
        )
        if found.domain == "diffusion":
            message = message.replace(" token by token", "")
        raise BadInput(message)
    return found


def weights_named(spelling: str) -> str:
    """The precision of the weights that a spelling such as ``bfloat16`` or ``awq`` means."""
    name = str(spelling).strip().lower()
    name = _PRECISIONS.get(name, name)
    if name not in BYTES_PER_VALUE:
        message = (
            f"unknown precision of weights '{spelling}'. Use one of {', '.join(BYTES_PER_VALUE)}"
        )
        raise BadInput(message)
    return name


def _doubts(setup: Setup) -> tuple[str, ...]:
    """Arithmetic that the device lacks, facts that had to be guessed, uncounted operators."""
    device, precision = setup.machine.accelerator, setup.workload.precision
    out = asking.device_notices(setup.machine)
    if device is not None and device.peak_flops_per_s:
        known = {"fp64", "fp32", "int4", "fp4", *device.peak_flops_per_s}
        if precision not in known:
            out.append(f"{device.name} has no {precision} arithmetic: weights kept so, widened")
    if setup.scope == "wall":
        out.append("the wall of a server is counted as its GPUs, CPUs and DRAM: none was measured")
    if setup.architecture.uncounted:
        said = ", ".join(setup.architecture.uncounted[:4])
        out.append(f"not counted in {setup.architecture.name}: {said}")
    return tuple(out)
