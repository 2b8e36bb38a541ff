"""Runs as columns, so that what is asked of many runs is arithmetic on arrays.

NaN is unknown. Energies and powers are gross, of the whole measured window.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from joulecast.core.catalog import normalise
from joulecast.core.records import is_measured
from joulecast.estimator.insight.facts import LEAST, MOST, SETUP_NUMBERS, SETUP_TEXTS, facts_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from joulecast.core.records import Measurement, Run
    from joulecast.estimator.insight.facts import SetupFacts

    Array = NDArray[np.float64]
    Labels = NDArray[np.object_]

SCOPES = ("system", "gpu", "cpu", "dram", "wall")
"""The widest that software meters see first; the wall is another meter's."""
_OWN_TEXTS = ("model_group", "machine", "source", "basis", "variant", "flag")
TEXTS = (*_OWN_TEXTS, *SETUP_TEXTS)
_MEASURED = (
    *("samples", "epochs", "duration_s", "sample_s"),
    *(f"energy_{s}_j" for s in SCOPES),
    *(f"energy_per_sample_{s}_j" for s in SCOPES),
    *(f"power_{s}_w" for s in SCOPES),
    *(f"measured_{s}" for s in SCOPES),
    *("gpu_util_frac", "gpu_mem_util_frac", "gpu_mem_used_bytes", "accuracy"),
    *("rate_rps", "cache_hit_frac", "output_tokens", "prompt_tokens", "saturated"),
)
MOST_W = 1e7
"""Ten thousand accelerators draw less: what is above is an error."""
_MOST = dict.fromkeys(
    ("gpu_util_frac", "gpu_mem_util_frac", "accuracy", "cache_hit_frac"), 1.0 + 1e-6
) | dict.fromkeys((f"power_{s}_w" for s in SCOPES), MOST_W)
"""A share above 1 is a percentage or an error."""
_ABOVE_0 = frozenset({"duration_s", "samples", *(f"energy_{s}_j" for s in SCOPES)})
"""No run takes none of these: a reading of 0 is one that failed."""
NUMBERS = (*_MEASURED, *SETUP_NUMBERS)
PREDICTED = "predicted"
"""Source of runs that were predicted, not executed."""
_GRADE = "tier_"
"""How the flags begin that grade a row of a table of servers and doubt nothing."""
_MODELLING = ("codecarbon", "carbontracker", "eco2ai", "impact-tracker")
"""Meters that take the power of a CPU without RAPL, and that of memory, from a table."""


@dataclass(frozen=True, slots=True)
class Frame:
    """Columns of n runs.

    Attributes
    ----------
    text : of `TEXTS`: model, model_group, machine, task, precision, framework, source,
        basis (measured, modelled or predicted), variant, flag (why a row is in doubt); (n,) of str.
        Spellings that differ in case, ``-`` and ``_`` are one network, under the first of them.
    number : of `NUMBERS`, SI units in the names, (n,), NaN where unknown. ``measured_<scope>`` is 1
        where sensors stand behind that energy, 0 where it is modelled or predicted.
    refused : values that were there and cannot be, and count as unknown: not finite, absurd, below
        0, a share above 1, no energy or time at all.
    """

    text: Mapping[str, Labels]
    number: Mapping[str, Array]
    refused: int = 0

    def __len__(self) -> int:
        return len(self.number["duration_s"])

    def where(self, mask: NDArray[Any]) -> Frame:
        """The runs that `mask` (n,) or an array of their places chooses."""
        return Frame(
            {name: values[mask] for name, values in self.text.items()},
            {name: values[mask] for name, values in self.number.items()},
            self.refused,
        )


def frame_of(runs: Sequence[Run]) -> Frame:
    """The columns of `runs`."""
    measured: dict[str, list[float | None]] = {name: [None] * len(runs) for name in _MEASURED}
    seen: dict[int, SetupFacts] = {}
    order: list[SetupFacts] = []
    own: dict[str, list[str]] = {name: [] for name in _OWN_TEXTS}
    for i, run in enumerate(runs):
        facts = seen.get(id(run.setup))
        if facts is None:
            facts = seen[id(run.setup)] = facts_of(run.setup)
        order.append(facts)
        own["model_group"].append(run.model_group or run.setup.architecture.name)
        own["machine"].append(run.hardware_id or run.setup.machine.id)
        own["source"].append(run.source)
        own["basis"].append(_basis(run))
        own["variant"].append(run.where.get("variant", ""))
        own["flag"].append(_doubt(run.quality_flag) if run.quality_flag else "")
        for name, value in _measured(run).items():
            measured[name][i] = value
    number, refused = _amounts(measured)
    place = {id(facts): j for j, facts in enumerate(seen.values())}
    at = np.array([place[id(facts)] for facts in order], dtype=np.intp)
    numbers = np.array([facts.numbers for facts in seen.values()]).reshape(-1, len(SETUP_NUMBERS))
    number |= {name: numbers[at, j] for j, name in enumerate(SETUP_NUMBERS)}
    text = {name: np.array(values, dtype=object) for name, values in own.items()}
    text["model_group"] = np.array(_one_spelling(own["model_group"]), dtype=object)
    for j, name in enumerate(SETUP_TEXTS):
        values = [facts.texts[j] for facts in seen.values()]
        values = _one_spelling(values) if name == "model" else values
        text[name] = np.array(values, dtype=object)[at]
    _derive(number)
    return Frame(text, number, refused)


def _one_spelling(names: Sequence[str]) -> list[str]:
    """Every name as it is first spelt: ``mobilenet_v2`` and ``MobileNetV2`` are one network."""
    plain = {name: normalise(name) for name in dict.fromkeys(names)}
    first: dict[str, str] = {}
    for name, key in plain.items():
        first.setdefault(key, name)
    return [first[plain[name]] for name in names]


def _amounts(columns: Mapping[str, list[float | None]]) -> tuple[dict[str, Array], int]:
    """The amounts of every column, (n,) each, NaN for none and for what cannot be; how many can't.

    NaN that was given is refused as what is missing is not.
    """
    refused = 0
    out = {}
    for name, given in columns.items():
        values = np.array(given, dtype=np.float64)
        possible = (values >= LEAST) & (values <= _MOST.get(name, MOST))
        if name not in _ABOVE_0:
            possible |= values == 0
        refused += len(values) - given.count(None) - int(possible.sum())
        out[name] = np.where(possible, values, np.nan)
    return out, refused


def _doubt(flags: str) -> str:
    """The flags that doubt a run; grades are none."""
    return ";".join(flag for flag in flags.split(";") if flag and not flag.startswith(_GRADE))


def _measured(run: Run) -> dict[str, float | None]:
    """What was measured of one run, where it is known."""
    m = run.measurement
    found: dict[str, float | None] = {
        "samples": m.samples,
        "epochs": len(m.epochs) or None if run.setup.workload.task == "train" else None,
        "duration_s": m.duration_s,
        "gpu_util_frac": m.gpu_util_frac,
        "gpu_mem_util_frac": m.gpu_mem_util_frac,
        "gpu_mem_used_bytes": m.gpu_mem_used_bytes,
    }
    if m.epochs or m.windows:
        found["accuracy"] = _accuracy(m)
    for scope, energy_j in m.energy_j.items():
        if scope in SCOPES:
            found[f"energy_{scope}_j"] = energy_j
            found[f"measured_{scope}"] = float(is_sensed(run, scope))
    for scope, power_w in m.power_w.items():
        if scope in SCOPES:
            found[f"power_{scope}_w"] = power_w
    if run.setup.workload.serving is not None or m.burst is not None:
        found |= _served(run)
    return found


def _accuracy(m: Measurement) -> float | None:
    known = [w.accuracy for w in (*m.windows, *m.epochs) if w.accuracy is not None]
    return known[-1] if known else None


def _served(run: Run) -> dict[str, float | None]:
    """How requests came and what they met, means per request; what was counted goes first."""
    burst, asked = run.measurement.burst, run.setup.workload.serving
    found: dict[str, float | None] = {}
    if asked is not None:
        found = {
            "rate_rps": asked.rate_rps,
            "cache_hit_frac": asked.cache_hit_frac,
            "output_tokens": asked.output_tokens,
            "prompt_tokens": asked.prompt_tokens,
        }
    if burst is None:
        return found
    if math.isfinite(burst.offered_rps):
        found["rate_rps"] = burst.offered_rps
    if burst.cache_hit_frac is not None:
        found["cache_hit_frac"] = burst.cache_hit_frac
    for name in ("output_tokens", "prompt_tokens"):
        total = getattr(burst, name)
        if total is not None and burst.completed:
            found[name] = total / burst.completed
    if burst.saturated is not None:
        found["saturated"] = float(burst.saturated)
    return found


def is_sensed(run: Run, scope: str) -> bool:
    """Whether sensors alone stand behind a scope's energy.

    A table's row is taken at its word, but for meters known to model: CodeCarbon and its like read
    GPUs by NVML and, where they say so, a CPU by RAPL; whatever else they tell is partly modelled.
    """
    if run.source == PREDICTED:
        return False
    source = run.measurement.energy_source.get(scope)
    if source is not None:
        return is_measured(source)
    meter = run.meter.lower()
    if scope == "gpu" or not any(tool in meter for tool in _MODELLING):
        return True
    return scope == "cpu" and "rapl" in meter


def _basis(run: Run) -> str:
    """Where the energy of what computes comes from: measured, modelled or predicted."""
    if run.source == PREDICTED:
        return PREDICTED
    energy_j = run.measurement.energy_j
    computes = "gpu" if run.setup.machine.gpu is not None else "cpu"
    known = [s for s in (computes, "system", "wall") if s in energy_j] or list(energy_j)
    return "measured" if any(is_sensed(run, s) for s in known) or not known else "modelled"


def _derive(number: dict[str, Array]) -> None:
    """Fill what follows from what is known: per sample, and power and energy from each other."""
    samples, duration_s = (
        np.where(number[name] > 0, number[name], np.nan) for name in ("samples", "duration_s")
    )
    number["sample_s"] = duration_s / samples
    for scope in SCOPES:
        energy_j, power_w = number[f"energy_{scope}_j"], number[f"power_{scope}_w"]
        number[f"power_{scope}_w"] = np.where(np.isnan(power_w), energy_j / duration_s, power_w)
        number[f"energy_per_sample_{scope}_j"] = energy_j / samples
