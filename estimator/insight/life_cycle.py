"""Energy of a model over its life: trying out, training, and being used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulecast.core.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Sequence

PHASES = ("experimentation", "training", "inference")
SHARES = (10.0, 20.0, 70.0)
"""Of the energy, as the papers' section 4.2 quotes them from a large operator."""


def life_cycle(
    train_energy_j: float | None,
    infer_energy_per_sample_j: float | None,
    *,
    shares: Sequence[float] = SHARES,
    requests: float | None = None,
) -> dict[str, float]:
    """Joules of each of `PHASES` that can be told; the others follow from a known one's share.

    Parameters
    ----------
    train_energy_j : of the final training. infer_energy_per_sample_j : of one answer.
    shares : of the phases, in any unit, each above 0. requests : answers that are expected over the
        model's life; ``None``: inference takes its share beside training. With a number, inference
        is what so many answers cost, and left out where one's energy is not known.

    Examples
    --------
    >>> life_cycle(2e6, 0.5)
    {'experimentation': 1000000.0, 'training': 2000000.0, 'inference': 7000000.0}
    >>> life_cycle(2e6, 0.5, requests=1e6)
    {'experimentation': 1000000.0, 'training': 2000000.0, 'inference': 500000.0}

    Raises
    ------
    BadInput
        For shares that are not three positive numbers, or a negative volume.
    """
    if len(shares) != len(PHASES) or not all(0 < share < float("inf") for share in shares):
        message = f"the life cycle takes three shares above 0 such as 10:20:70, not {shares}"
        raise BadInput(message)
    if requests is not None and not 0 <= requests < float("inf"):
        message = f"a number of requests is 0 or more, not {requests}"
        raise BadInput(message)
    trying, training, using = shares
    known: dict[str, float] = {}
    if train_energy_j is not None:
        known["experimentation"] = train_energy_j * trying / training
        known["training"] = train_energy_j
    if requests is None and train_energy_j is not None:
        known["inference"] = train_energy_j * using / training
    elif requests is not None and infer_energy_per_sample_j is not None:
        known["inference"] = requests * infer_energy_per_sample_j
    return known
