"""Why a model server's answer is what it is: the part of the screen that ``--explain`` adds."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from joulecast.core.units import format_si
from joulecast.explain import nearest_groups, shares, watts
from joulecast.render import WIDTH
from joulecast.render_serving import joules, seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from joulecast.core.serving_estimate import ServingEstimate

_NAMES = {
    "weights": "reading weights",
    "experts": "reading experts",
    "kv": "reading keys and values",
    "decode": "computing answers",
    "prefill": "computing prompts",
    "layers": "starting layers",
    "fixed": "per iteration",
    "sequences": "per request in it",
    "comm": "between GPUs",
}
_FEATURES = {
    "narrow": "arithmetic of one byte or less",
    "has_experts": "mixture of experts",
    "has_state": "recurrent state",
    "is_eager": "engine transformers",
    "is_trtllm": "engine trtllm",
    "is_sglang": "engine sglang",
}
_MOVED = {
    "step": "time of an iteration",
    "prefill": "computing prompts",
    "power": "watts above idle",
    "idle": "idle watts",
}


def serving_explanation(answer: ServingEstimate, *, width: int = WIDTH) -> str:
    """Parts of an iteration and of the power, what learning and own bursts moved, the groups."""
    told = answer.explanation or {}
    terms = told.get("iteration_terms_s") or {}
    blocks = (
        shares(
            f"where an iteration's {seconds(told.get('iteration_s', 0.0))} go "
            f"({told.get('batch', answer.concurrency):,.3g} requests in it)",
            {_NAMES.get(name, name): value for name, value in terms.items()},
            seconds,
        ),
        shares("where the power goes", told.get("power_terms_w"), watts),
        _idle(told.get("idle_terms_w") or {}),
        _features(told.get("features") or ()),
        _learners(told.get("learners") or {}, told.get("stack") or {}),
        _moved(told.get("factors") or {}),
        nearest_groups(told.get("nearest") or answer.evidence, width),
    )
    text = "\n\n".join("\n".join(lines) for lines in map(list, blocks) if lines)
    return f"\n{text}\n" if text else "\nno explanation comes with this answer\n"


def _idle(terms_w: Mapping[str, float]) -> Iterator[str]:
    """What the server draws while no request is there."""
    if not terms_w:
        return
    parts = "  ".join(f"{name} {watts(value)}" for name, value in terms_w.items() if value > 0)
    yield "  with the model loaded and no request"
    yield f"    {parts}"


def _features(moved: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """What about the server moved the physics most, by Lasso."""
    if not moved:
        return
    said = [_feature(f["name"], f["value"]) for f in moved]
    wide = [max(map(len, column)) for column in zip(*said, strict=True)]
    yield "  what moved the answer most, by Lasso (factors on time of an iteration and on watts)"
    for (name, value), feature in zip(said, moved, strict=True):
        factors = f"x {feature['time']:.2f}   x {feature['power']:.2f}"
        yield f"    {name:<{wide[0]}}  {value:>{wide[1]}}   {factors}"


def _feature(name: str, value: float) -> tuple[str, str]:
    """A feature's name and value as a person says them."""
    kind, _, rest = name.partition("_")
    if kind == "share":
        return f"share of {_NAMES.get(rest, rest)}", f"{100 * value:.0f} %"
    if kind == "log":
        return rest.replace("_", " "), format_si(math.exp(value), "").strip()
    return _FEATURES.get(name, name.replace("_", " ")), f"{value:.3g}"


def _learners(
    learners: Mapping[str, Mapping[str, float]], stack: Mapping[str, float]
) -> Iterator[str]:
    """Joules per request that each learner alone says, and by what it moves the physics."""
    if not learners:
        return
    yield "  what each learner says (joules per request, factors on time and watts, weight)"
    each_j = {name: said["energy_per_request_j"] for name, said in learners.items()}
    shown = {name: joules(value_j, value_j, value_j)[0] for name, value_j in each_j.items()}
    wide = max(map(len, shown.values()))
    for name, said in learners.items():
        weight = stack.get(name)
        line = f"    {name:<10}{shown[name]:>{wide}}"
        if "time" in said:
            line += f"   x {said['time']:.2f}   x {said['power']:.2f}"
        yield line if weight is None else f"{line}   {100 * weight:3.0f} %"


def _moved(factors: Mapping[str, Any]) -> Iterator[str]:
    """By what the user's own bursts moved the curve."""
    moved = {name: factor for name, factor in factors.items() if abs(factor - 1) > 5e-4}
    if not moved:
        return
    yield "  what your own bursts moved"
    for name, factor in moved.items():
        yield f"    {_MOVED.get(name, name):<22}x {factor:.2f}"
