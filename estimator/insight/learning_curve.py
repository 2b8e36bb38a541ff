"""Epochs until a learning curve reaches a target accuracy, from its first epochs.

Saturating curves of four families (Domhan et al. 2015, IJCAI, extrapolate such an ensemble) are
laid on a grid and weighted by how well each fits; many are drawn, each goes on with its own noise,
and the epoch at which each first shows the target makes the forecast.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.errors import BadInput
from joulecast.core.insight import EpochForecast

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

FEWEST = 4
"""Epochs below which no curve can be told from another."""
WORTH = 5.0
"""Independent epochs that even a long beginning is worth: real curves are not quite of any family,
and err in one direction for many epochs. Found by `benchmarks/learning_curves.py`."""
HORIZON = 5000
"""Epochs after which a curve that has not reached the target counts as never reaching it."""
MOST_NEVER = 1 / 3
"""Share of the curves that may never reach the target where a number of epochs is still told. On
real curves the median of those with a third to a half errs by a factor of 3.3, below by 1.2."""
_PER_SEEN = 100
"""Epochs per epoch seen that are looked at, up to the horizon."""
_DRAWS = 400
_CEILINGS = 160
_EARLY = 4.0
"""Extra noise variance of the first epoch over a late one, falling as 1/epoch."""
_BENDS = (0.5, 1.0, 1.6)
"""Of exponentials: slower and slower, plain, and slow at first (small learning rates, warm-up)."""
_NOISE = 0.01
"""Noise of an evaluation that is assumed before any epoch was seen, and worth one epoch."""
_SCHEDULE = (
    "the curve is taken to go on as it began: a later drop of the learning rate reaches the "
    "target sooner"
)


@dataclass(frozen=True, slots=True)
class _Shapes:
    """Falling shapes that are 1 at the first epoch, all (n_shapes,).

    Powers ((e + late) / (1 + late)) ** -power, whose ``scale`` is infinite, and exponentials
    exp((1 - e ** bend) / scale), whose ``power`` is 0.
    """

    power: Array
    late: Array
    scale: Array
    bend: Array

    def at(self, epoch: Array, which: NDArray[np.intp] | None = None) -> Array:
        """Heights at `epoch` (n_epochs,) of all or of the given shapes, (n_shapes, n_epochs)."""
        rows = slice(None) if which is None else which
        power, late, scale, bend = (
            part[rows, None] for part in (self.power, self.late, self.scale, self.bend)
        )
        powers = np.exp(-power * np.log((epoch + late) / (1 + late)))
        height: Array = powers * np.exp((1 - np.exp(bend * np.log(epoch))) / scale)
        return height


def epochs_until(
    accuracy_per_epoch: Sequence[float], target: float, *, level: float = 0.9, seed: int = 0
) -> EpochForecast:
    """The epoch whose evaluation first shows `target`, counted from the start of training.

    Parameters
    ----------
    accuracy_per_epoch : of epochs 1, 2, ... without gaps, 0..1; at least four.
    target : 0..1. level : of the intervals, 0.5..0.995. seed : same seed, same forecast.

    Returns
    -------
    Quantiles over all curves that fit; ``epochs`` is ``None`` where more than a third of them
    never reach the target.

    Raises
    ------
    BadInput
        For fewer than four epochs, percentages, and values that are no accuracy.

    Examples
    --------
    >>> curve = [0.9 - 0.5 * 0.8**epoch for epoch in range(40)]
    >>> actual = next(i for i, accuracy in enumerate(curve, 1) if accuracy >= 0.88)
    >>> found = epochs_until(curve[:12], 0.88)
    >>> found.epochs_low <= actual <= found.epochs_high
    True
    """
    accuracy = _checked(accuracy_per_epoch, target, level)
    shapes = _shapes()
    chosen = _drawn(shapes, accuracy, np.random.default_rng(seed))
    tail = (1 - level) / 2
    low, middle, high = (float(q) for q in np.quantile(chosen.ceiling, [tail, 0.5, 1 - tail]))
    first = np.flatnonzero(accuracy >= target)
    if first.size:
        epoch = float(first[0] + 1)
        return EpochForecast(
            target, level, accuracy.size, epoch, epoch, epoch, middle, low, high, reached=True
        )
    passed = _first_passages(shapes, chosen, accuracy.size, target)
    bounds = np.quantile(passed, [tail, 0.5, 1 - tail], method="inverted_cdf")
    least, median, most = (float(q) if math.isfinite(q) else None for q in bounds)
    if _never(passed) > MOST_NEVER:
        median = None
    return EpochForecast(
        target=target,
        level=level,
        seen=accuracy.size,
        epochs=median,
        epochs_low=least,
        epochs_high=most,
        ceiling=middle,
        ceiling_low=low,
        ceiling_high=high,
        notices=_said(target, passed, (low, middle, high), accuracy.size),
    )


def _checked(accuracy_per_epoch: Sequence[float], target: float, level: float) -> Array:
    """The accuracies as an array, if they and the target can be accuracies."""
    try:
        accuracy = np.asarray(accuracy_per_epoch, dtype=np.float64)
        wanted, sure = float(target), float(level)
    except (TypeError, ValueError) as exc:
        message = f"accuracy per epoch, target and level are numbers: {exc}"
        raise BadInput(message) from exc
    if accuracy.ndim != 1 or not np.isfinite(accuracy).all():
        message = "accuracy per epoch: give one finite number from 0 to 1 for each epoch"
        raise BadInput(message)
    if accuracy.size < FEWEST:
        message = f"{accuracy.size} epochs show no curve: give at least {FEWEST}"
        raise BadInput(message)
    if accuracy.min() < 0 or accuracy.max() > 1:
        message = f"accuracy per epoch lies outside 0 to 1{_percent(float(accuracy.max()))}"
        raise BadInput(message)
    if not 0 < wanted <= 1:
        message = f"target = {target!r} is no accuracy above 0, up to 1{_percent(wanted)}"
        raise BadInput(message)
    if not 0.5 <= sure <= 0.995:
        message = f"level = {level!r} is outside 0.5 to 0.995"
        raise BadInput(message)
    return accuracy


def _percent(value: float) -> str:
    """A hint for a value that looks like percent."""
    hint = f". {value:g} looks like percent: give {value / 100:g}"
    return hint if 1 < value <= 100 else ". Give the share that was right"


def _shapes() -> _Shapes:
    """All shapes of the four families, each family with the same number."""
    power, late = (part.ravel() for part in np.meshgrid(np.geomspace(0.15, 2.5, 12), [0, 1, 4, 16]))
    scale = np.geomspace(0.8, 400, 48)
    bends = np.repeat(_BENDS, scale.size)
    none = np.zeros(bends.size)
    return _Shapes(
        power=np.concatenate([power, none]),
        late=np.concatenate([late, none]),
        scale=np.concatenate([np.full(power.size, np.inf), np.tile(scale, len(_BENDS)) ** bends]),
        bend=np.concatenate([np.ones(power.size), bends]),
    )


@dataclass(frozen=True, slots=True)
class _Drawn:
    """Curves drawn by their weight, all (n_draws,): ceiling - fall * shape, and their noise.

    Attributes
    ----------
    rest : standard normal numbers are drawn from it as each curve goes on.
    """

    shape: NDArray[np.intp]
    ceiling: Array
    fall: Array
    noise: Array
    rest: np.random.Generator


def _drawn(shapes: _Shapes, accuracy: Array, rng: np.random.Generator) -> _Drawn:
    """Curves drawn by how well they fit: flat over ceilings up to 1, the noise integrated out.

    With SS the weighted sum of squares, a curve's weight is SS ** (-m / 2), where the n epochs seen
    are worth m = n / (1 + n / WORTH) independent ones.
    """
    epoch = np.arange(1.0, accuracy.size + 1)
    weight = 1 / (1 + _EARLY / epoch)
    height = shapes.at(epoch)
    lowest = float(np.quantile(accuracy, 0.75)) - 0.05
    ceilings = np.linspace(min(lowest, 0.99), 1.0, _CEILINGS)
    gap = ceilings[:, None] - accuracy
    cross = (height * weight) @ gap.T
    norm = ((height**2) @ weight)[:, None]
    fall = cross / norm
    squares = np.maximum(((gap**2) @ weight) - fall * cross, 0.0) + _NOISE**2
    n = accuracy.size
    worth = n / (1 + n / WORTH)
    log_weight = np.where((fall >= 0) & (fall < 1.1), -0.5 * worth * np.log(squares), -np.inf)
    odds = np.exp(log_weight - log_weight.max()).ravel()
    picked = rng.choice(odds.size, size=_DRAWS, p=odds / odds.sum())
    shape, place = np.unravel_index(picked, fall.shape)
    spread = np.sqrt(squares[shape, place] / rng.chisquare(max(n - 1, 1), size=_DRAWS))
    return _Drawn(shape, ceilings[place], fall[shape, place], spread, rng)


def _first_passages(shapes: _Shapes, chosen: _Drawn, seen: int, target: float) -> Array:
    """Epoch at which each curve, with its noise, first shows `target`; infinite for never."""
    last = min(_PER_SEEN * seen, max(HORIZON, 2 * seen))
    passed = np.full(chosen.shape.size, np.inf)
    start, step = seen + 1, 64
    while start <= last and not np.isfinite(passed).all():
        epoch = np.arange(start, min(start + step, last + 1), dtype=np.float64)
        open_ = np.flatnonzero(np.isinf(passed))
        curve = shapes.at(epoch, chosen.shape[open_])
        shown = chosen.ceiling[open_, None] - chosen.fall[open_, None] * curve
        shown += chosen.noise[open_, None] * chosen.rest.standard_normal(shown.shape)
        hit = shown >= target
        found = hit.any(axis=1)
        passed[open_[found]] = epoch[hit[found].argmax(axis=1)]
        start, step = start + step, 2 * step
    return passed


def _never(passed: Array) -> float:
    """Share of the curves that never reach the target."""
    return float(np.isinf(passed).mean())


def _said(
    target: float, passed: Array, ceiling: tuple[float, float, float], seen: int
) -> tuple[str, ...]:
    """What the reader should know about a forecast."""
    never = _never(passed)
    low, middle, high = ceiling
    tends = f"the curve tends to {middle:.3g} ({low:.3g} to {high:.3g})"
    if never > 0.5:
        why = f"{tends}: {target:g} is not reached by going on like this"
        return (f"{why}. Change the learning rate, the network or the data", _SCHEDULE)
    share = f"in {100 * never:.0f} % of the curves that fit, {target:g} is never reached"
    if never > MOST_NEVER:
        open_ = f"{tends}, and {share}: too many to tell a number of epochs"
        return (f"{open_}. Give more epochs than {seen}, or a lower target", _SCHEDULE)
    return (f"{tends}; {seen} epochs seen", *(share,) * (never >= 0.02), _SCHEDULE)
