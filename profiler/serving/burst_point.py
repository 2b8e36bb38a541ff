"""One rate point: a load sent while a session measures, kept whatever ends it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from joulecast.core.errors import BadInput
from joulecast.profiler.serving.burst import Burst
from joulecast.profiler.serving.load import send
from joulecast.profiler.serving.outcomes import Load, LoadPlan
from joulecast.profiler.serving.scrape_watch import Plan, Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from joulecast.core.records import Run
    from joulecast.profiler.clock import Clock
    from joulecast.profiler.serving.outcomes import Outcome, Prompt, Target
    from joulecast.profiler.serving.scrape import ServerState
    from joulecast.profiler.serving.scrape_watch import Look
    from joulecast.profiler.session import Session

HOPELESS = 20
"""Requests in a row that reached nobody, after which a load ends."""
_TRIES = 3
_GONE = ("connection refused", "connection failed", "not streaming")
_ADVICE = {
    "connection refused": "Is the server up, and is this its port?",
    "connection failed": "Is the server up, and is this its address?",
    "not streaming": "Take the server itself, not a proxy that collects its answers",
    "stalled": "Give --timeout a longer time if it is slow, or restart it",
    "HTTP 401": "Give the variable that holds the key: --api-key NAME",
    "HTTP 403": "Give the variable that holds the key: --api-key NAME",
    "HTTP 404": "Give the address up to and with /v1, and the model's name as the server has it",
    "HTTP 429": "It refuses even a single request: wait, or raise its limit",
}


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is to be measured at one rate.

    Attributes
    ----------
    warmup_s, seconds : before the measured window, and of it. look : at the server's metrics.
    """

    target: Target
    plan: LoadPlan
    warmup_s: float
    seconds: float
    look: Look | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """Requests that have ended so far."""

    answered: int
    failed: int


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of an attempt.

    Attributes
    ----------
    burst : ``None`` if it ended before the window opened. ended_by : what the user did to end it.
    gone : why the server was given up, in words; empty if it was not.
    """

    run: Run
    load: Load
    burst: Burst | None
    ended_by: BaseException | None = None
    gone: str = ""


def first_answer(target: Target, prompts: Iterator[Prompt], clock: Clock) -> Outcome:
    """The outcome of one request sent alone, so that a server that cannot be used is told at once.

    Raises
    ------
    BadInput
        If none of three such requests is answered.
    KeyboardInterrupt
        If the user ends it.
    """
    plan = LoadPlan(1000.0, 0.001, "constant", drain_s=target.timeout_s)
    for _ in range(_TRIES):
        load = send(target, plan, prompts, clock=clock)
        if load.stopped_early:
            raise KeyboardInterrupt
        outcome = load.outcomes[0]
        if not outcome.error:
            return outcome
        if outcome.kind in (*_GONE, "stalled", "cut off"):
            break
    error = outcome.error
    if outcome.kind == "cut off":
        error = f"stalled: no whole answer in {target.timeout_s:g} s"
    advice = _ADVICE.get(error.partition(":")[0], "Look into the server's log")
    message = f"{target.url} with model '{target.model}' answers no request: {error}. {advice}"
    raise BadInput(message)


def measure(
    attempt: Attempt,
    session: Session,
    prompts: Iterator[Prompt],
    clock: Clock,
    on_look: Callable[[float, Seen, ServerState | None], None] | None = None,
) -> Measured:
    """The load, and the session's run around it; what the user ends early is kept.

    Parameters
    ----------
    on_look : told about once a second of the seconds since the start and of what was seen.
    """
    tally = _Tally()

    def told(elapsed_s: float, state: ServerState | None) -> None:
        if on_look is not None:
            on_look(elapsed_s, Seen(tally.answered, tally.failed), state)

    watch = Watch(session, Plan(attempt.warmup_s, attempt.seconds), clock, attempt.look, told)
    ended_by: BaseException | None = None
    session.start()
    watch.start()
    began_s = clock.monotonic_s()
    try:
        load = send(attempt.target, attempt.plan, prompts, tally.take, clock)
    except (KeyboardInterrupt, SystemExit) as exc:  # what came so far is kept, the end handed on
        ended_by = exc
        load = Load(attempt.plan, began_s, tuple(tally.outcomes), 0.0, stopped_early=True)
    finally:
        watch.stop()
        run = session.stop()
    if load.stopped_early and ended_by is None and not tally.gone:
        ended_by = KeyboardInterrupt()
    ends = watch.window_s()
    if ends is None or ends[1] <= ends[0]:
        return Measured(run, load, None, ended_by, tally.gone)
    burst = Burst(load, ends[0] - load.started_s, ends[1] - load.started_s, watch.server())
    return Measured(run, load, burst, ended_by, tally.gone)


class _Tally:
    """Outcomes as they end; says when nobody is there any more."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.answered = 0
        self.failed = 0
        self.gone = ""
        self._in_a_row = 0

    def take(self, outcome: Outcome) -> str | None:
        """Count it; why the load has to end, once `HOPELESS` in a row reached nobody."""
        self.outcomes.append(outcome)
        if not outcome.error:
            self.answered += 1
        else:
            self.failed += 1
        self._in_a_row = self._in_a_row + 1 if outcome.kind in _GONE else 0
        if self._in_a_row >= HOPELESS:
            self.gone = f"{HOPELESS} requests in a row failed: {outcome.error}"
        return self.gone or None
