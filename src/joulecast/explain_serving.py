"""Why a model server's answer is what it is: the part of the screen that ``--explain`` adds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from joulecast.explain import nearest_groups, shares, watts
from joulecast.render import WIDTH
from joulecast.render_serving import seconds

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

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
_MOVED = {
    "step": "time of an iteration",
    "prefill": "computing prompts",
    "power": "watts above idle",
    "idle": "idle watts",
}


def serving_explanation(answer: ServingEstimate, *, width: int = WIDTH) -> str:
    """Parts of an iteration and of the power, what own bursts moved, the nearest groups."""
    told = answer.explanation or {}
    terms = told.get("iteration_terms_s") or {}
    blocks = (
        shares(
            f"where an iteration's {seconds(told.get('iteration_s', 0.0))} go "
            f"({answer.concurrency:,.3g} requests in it)",
            {_NAMES.get(name, name): value for name, value in terms.items()},
            seconds,
        ),
        shares("where the power goes", told.get("power_terms_w"), watts),
        _idle(told.get("idle_terms_w") or {}),
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


def _moved(factors: Mapping[str, Any]) -> Iterator[str]:
    """By what the user's own bursts moved the curve."""
    moved = {name: factor for name, factor in factors.items() if abs(factor - 1) > 5e-4}
    if not moved:
        return
    yield "  what your own bursts moved"
    for name, factor in moved.items():
        yield f"    {_MOVED.get(name, name):<22}x {factor:.2f}"
