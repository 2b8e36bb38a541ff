"""What the user's own bursts add to an answer about a model server, and where they end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from joulecast.core.errors import BadInput
from joulecast.core.records import Evidence
from joulecast.estimator.predictor import device_of
from joulecast.estimator.serving import calibration
from joulecast.estimator.serving.calibration_bursts import bursts_of, is_same_server

if TYPE_CHECKING:
    from collections.abc import Sequence

    from joulecast.core.records import Basis, Run, Setup
    from joulecast.estimator.serving.answers import Adjustment, ServingAnswers
    from joulecast.estimator.serving.bundle import Bundle
    from joulecast.estimator.serving.calibration_bursts import Burst

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
    adjust, used, notices = calibration.adjusted(setup, _served(runs), bundle)
    count = Counter(
        (b.run.setup.architecture.name, device_of(b.run.setup), b.run.source) for b in used
    )
    evidence = tuple(Evidence(m, d, n, source) for (m, d, source), n in count.most_common(_MOST))
    return Leaning(adjust, calibration.basis(setup, used), evidence, notices)


def contradicted(setup: Setup, runs: Sequence[Run], a: ServingAnswers) -> tuple[str, ...]:
    """A sentence where bursts of this very server were answered faster than the answer admits.

    Parameters
    ----------
    a : the figures moved by the bursts, arrays of one.
    """
    found, _ = bursts_of(setup, _served(runs))
    own = [_pace_rps(b) for b in found if is_same_server(b.setup, setup)]
    full_rps = float(a.saturation_high_rps[0])
    if not own or max(own) <= full_rps:
        return ()
    said = (
        f"your bursts of this server were answered at {max(own):.3g} requests/s, more than the "
        f"{full_rps:.3g} that this machine may reach: is --hw the machine that it runs on?"
    )
    return (said,)


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
    full_rps = float(a.saturation_rps[0])
    if rate is None or rate <= full_rps:
        return
    found, _ = bursts_of(setup, _served(runs))
    own = [b for b in found if is_same_server(b.setup, setup)]
    if not own or any(b.is_saturated for b in own):
        return
    most_rps = max(_pace_rps(b) for b in own)
    if rate <= most_rps:
        return
    message = (
        f"{rate:g} requests/s lie beyond the {full_rps:.3g} that this server may reach; its "
        f"bursts went up to {most_rps:.3g} and none was saturated. "
        "Burst it until it is (joulecast profile burst --rps auto), ask for less, or --force"
    )
    raise BadInput(message)


def _served(runs: Sequence[Run]) -> list[Run]:
    return [run for run in runs if run.setup.workload.task == "serve"]


def _pace_rps(burst: Burst) -> float:
    """Requests per second that came, or in a closed loop were answered."""
    serving = burst.setup.workload.serving
    return (serving.rate_rps if serving else None) or burst.rate_rps or 0.0
