"""What the user's own bursts add to an answer about a model server, and where they end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.errors import BadInput
from joulecast.core.records import Evidence
from joulecast.estimator.predictor import device_of
from joulecast.estimator.serving import calibration
from joulecast.estimator.serving.answers import Adjustment
from joulecast.estimator.serving.calibration_bursts import bursts_of, is_same_server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joulecast.core.records import Basis, Run, Setup
    from joulecast.estimator.serving.answers import ServingAnswers
    from joulecast.estimator.serving.bundle import Bundle

_MOST = 4


@dataclass(frozen=True, slots=True)
class Leaning:
    """By what own bursts move an answer, on what it then stands, and doubts about them."""

    adjust: Adjustment
    basis: Basis = "zero-shot"
    evidence: tuple[Evidence, ...] = ()
    notices: tuple[str, ...] = ()


def lean_on(setup: Setup, runs: Sequence[Run], bundle: Bundle) -> Leaning:
    """What `runs` say about the asked server; runs of no bursts are passed over."""
    bursts = [run for run in runs if run.setup.workload.task == "serve"]
    if not bursts:
        return Leaning(Adjustment())
    with np.errstate(invalid="ignore"):  # beyond saturation waits are infinite, and so not compared
        adjust, used, notices = calibration.adjusted(setup, bursts, bundle)
    if not used:
        return Leaning(Adjustment(), notices=notices)
    found, _ = bursts_of(setup, bursts)
    count = Counter(
        (b.run.setup.architecture.name, device_of(b.run.setup), b.run.source) for b in found
    )
    evidence = tuple(Evidence(m, d, n, source) for (m, d, source), n in count.most_common(_MOST))
    return Leaning(adjust, calibration.basis(setup, bursts), evidence, notices)


def refuse_beyond(setup: Setup, runs: Sequence[Run], a: ServingAnswers) -> None:
    """Raise if bursts of this very server were given, none saturated, and the rate lies beyond.

    Parameters
    ----------
    a : the figures moved by the bursts, arrays of one.

    Raises
    ------
    BadInput
        With what to measure.
    """
    serving = setup.workload.serving
    rate = serving.rate_rps if serving else None
    found, _ = bursts_of(setup, [run for run in runs if run.setup.workload.task == "serve"])
    own = [b for b in found if is_same_server(b.setup, setup)]
    if rate is None or not own or not calibration.is_beyond(runs, rate, a, setup):
        return
    served = [s.rate_rps or 0.0 for s in (b.setup.workload.serving for b in own) if s]
    if rate <= max(served):
        return
    message = (
        f"{rate:g} requests/s lie beyond the {float(a.saturation_rps[0]):.3g} that this server "
        f"may reach; its bursts went up to {max(served):.3g} and none was saturated. "
        "Burst it until it is (joulecast profile burst --rps auto), ask for less, or --force"
    )
    raise BadInput(message)
