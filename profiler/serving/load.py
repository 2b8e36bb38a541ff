"""Sends requests at their times whether or not others are answered; keeps what becomes of each."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

import numpy as np

from joulecast.core.errors import BadInput
from joulecast.profiler.clock import SystemClock
from joulecast.profiler.serving.arrivals import arrivals_s
from joulecast.profiler.serving.client import Client, Draft
from joulecast.profiler.serving.outcomes import Load, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from joulecast.profiler.clock import Clock
    from joulecast.profiler.serving.outcomes import LoadPlan, Prompt, Target

LATE_S: Final = 5e-3
"""Arrivals that are later than this at the 99th percentile are no longer the plan's."""
BUSY_FRAC: Final = 0.7
"""Of a core: above it the generator may wait for itself."""
INTERRUPTED: Final = "interrupted"


def send(
    target: Target,
    plan: LoadPlan,
    prompts: Iterator[Prompt],
    on_outcome: Callable[[Outcome], str | None] | None = None,
    clock: Clock | None = None,
) -> Load:
    """What became of every request of `plan`, sent to `target` with the next of `prompts`.

    Lasts `plan.duration_s`, and then until all are answered, at most until `plan.drain_s` after the
    last arrival. Ctrl-C ends it early, and so does `on_outcome` by returning why (it is called as
    each request ends, between the others: it must be quick). What ends early keeps all that came;
    requests under way count as failed, those not due yet are not in it.
    Raises BadInput for a plan or an address that cannot be, MissingExtra without aiohttp.
    """
    sending = _Sending(target, plan, on_outcome, clock or SystemClock())
    due_s = arrivals_s(plan.rate_rps, plan.duration_s, plan.arrivals, plan.seed)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        _run(sending, due_s.tolist(), prompts)
    else:
        _run_apart(sending, due_s.tolist(), prompts)
    return sending.load()


class _Sending:
    """One load while it runs, in one thread."""

    def __init__(
        self,
        target: Target,
        plan: LoadPlan,
        on_outcome: Callable[[Outcome], str | None] | None,
        clock: Clock,
    ) -> None:
        _check(plan)
        self._plan, self._on_outcome, self._clock = plan, on_outcome, clock
        self._client = Client(target, self._now_s)
        self._outcomes: list[Outcome] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._main: asyncio.Task[None] | None = None
        self._notices: list[str] = []
        self._reason = ""
        self._stopped = False
        self._failure: BaseException | None = None
        self._started_s = clock.monotonic_s()
        self._cpu_s = 0.0

    async def run(self, due_s: list[float], prompts: Iterator[Prompt]) -> None:
        """Send all, wait for the answers, leave nothing behind."""
        cpu_s = time.thread_time()
        self._main = asyncio.current_task()
        try:
            async with self._client:
                self._started_s = self._clock.monotonic_s()
                try:
                    await self._arrive(due_s, prompts)
                    await self._drain(due_s[-1] if due_s else 0.0)
                except asyncio.CancelledError:
                    self._reason = self._reason or INTERRUPTED
                    raise
                finally:
                    await self._cut()
        except asyncio.CancelledError:
            self._reason = self._reason or INTERRUPTED  # it may come before the first arrival, too
        finally:
            self._cpu_s = time.thread_time() - cpu_s
        if self._failure is not None:
            raise self._failure

    def stop(self, reason: str) -> None:
        """End early, from within the loop."""
        if not self._stopped and self._main is not None:
            self._stopped, self._reason = True, self._reason or reason
            self._main.cancel()

    def load(self) -> Load:
        """All outcomes so far."""
        outcomes = tuple(sorted(self._outcomes, key=lambda o: o.due_s))
        wall_s = self._clock.monotonic_s() - self._started_s
        ended = [f"ended early: {self._reason}"] if self._reason else []
        notices = (*ended, *self._notices, *doubts(self._plan, outcomes, self._cpu_s / wall_s))
        return Load(
            plan=self._plan,
            started_s=self._started_s,
            outcomes=outcomes,
            cpu_s=self._cpu_s,
            stopped_early=bool(self._reason),
            notices=notices,
        )

    def _now_s(self) -> float:
        return self._clock.monotonic_s() - self._started_s

    async def _arrive(self, due_s: list[float], prompts: Iterator[Prompt]) -> None:
        """Start a request at each of the times; none waits for another."""
        for sent, due in enumerate(due_s):
            prompt = next(prompts, None)
            if prompt is None:
                self._reason = f"the prompts ran out after {sent} of {len(due_s)} requests"
                return
            body = self._client.encode(prompt)
            await asyncio.sleep(max(0.0, due - self._now_s()))
            if len(self._tasks) >= self._plan.max_in_flight:
                full = f"not sent: {self._plan.max_in_flight} requests were under way"
                self._keep(Outcome(due_s=due, sent_s=None, error=full))
                continue
            task = asyncio.create_task(self._request(prompt, body, Draft(due)))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        await asyncio.sleep(max(0.0, self._plan.duration_s - self._now_s()))

    async def _request(self, prompt: Prompt, body: bytes, draft: Draft) -> None:
        error = ""
        try:
            await self._client.ask(prompt, body, draft)
        except asyncio.CancelledError:
            error = f"cut off: {self._reason or 'no whole answer when the waiting ended'}"
        except Exception as failure:  # noqa: BLE001 - a mistake of ours must end the load, not one request
            self._fail(failure)
        self._keep(draft.outcome(self._now_s(), error))

    def _keep(self, outcome: Outcome) -> None:
        self._outcomes.append(outcome)
        if self._on_outcome is None or self._failure is not None:
            return
        try:
            if reason := self._on_outcome(outcome):
                self.stop(reason)
        except Exception as failure:  # noqa: BLE001 - raised again once nothing is left behind
            self._fail(failure)

    def _fail(self, failure: BaseException) -> None:
        self._failure = self._failure or failure
        self.stop(f"{type(failure).__name__}")

    async def _drain(self, last_s: float) -> None:
        left_s = last_s + self._plan.drain_s - self._now_s()
        if self._tasks and left_s > 0:
            await asyncio.wait(self._tasks, timeout=left_s)

    async def _cut(self) -> None:
        """End the requests that are still under way."""
        self._stopped = True
        await asyncio.sleep(0)  # a task that never began could not keep its outcome
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        left_out = sorted(self._client.left_out)
        self._notices += [f"the server refuses '{name}'; sent without it" for name in left_out]


def doubts(plan: LoadPlan, outcomes: tuple[Outcome, ...], core_frac: float) -> list[str]:
    """What may be wrong with a load: failures by kind, late arrivals, a generator too busy."""
    found = []
    failed = Counter(o.kind for o in outcomes if o.error)
    if failed:
        kinds = ", ".join(f"{kind} {count}" for kind, count in failed.most_common())
        found.append(f"{failed.total()} of {len(outcomes)} requests failed: {kinds}")
    lags = [o.sent_s - o.due_s for o in outcomes if o.sent_s is not None]
    late_s = float(np.percentile(lags, 99)) if lags else 0.0
    if late_s > LATE_S:
        found.append(
            f"1 % of the requests left {late_s * 1e3:.0f} ms or more after their time: "
            f"the sending machine is too busy for {plan.rate_rps:g} per second"
        )
    if core_frac > BUSY_FRAC:
        found.append(
            f"sending and reading took {core_frac:.2f} of a core: times may be the sender's own"
        )
    whole = [o for o in outcomes if not o.error]
    silent = sum(o.prompt_tokens is None for o in whole)
    if silent:
        found.append(
            f"the server did not count the tokens of {silent} of {len(whole)} answers: "
            "output tokens are pieces of the stream there"
        )
    return found


def _run(sending: _Sending, due_s: list[float], prompts: Iterator[Prompt]) -> None:
    """Run in this thread; Ctrl-C reaches the load as a cancellation."""
    with asyncio.Runner() as runner:
        runner.run(sending.run(due_s, prompts))


def _run_apart(sending: _Sending, due_s: list[float], prompts: Iterator[Prompt]) -> None:
    """Run in a thread of its own, for callers whose thread runs a loop already (notebooks)."""
    failed: list[BaseException] = []
    loop = asyncio.new_event_loop()

    def work() -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: loop) as runner:
                runner.run(sending.run(due_s, prompts))
        except BaseException as error:  # noqa: BLE001 - raised again in the caller's thread
            failed.append(error)

    thread = threading.Thread(target=work, name="joulecast-load")
    thread.start()
    while thread.is_alive():
        try:
            thread.join()
        except KeyboardInterrupt:
            loop.call_soon_threadsafe(sending.stop, INTERRUPTED)
    if failed:
        raise failed[0]


def _check(plan: LoadPlan) -> None:
    """Refuse what no load can be; rate and duration are checked with the arrivals."""
    if plan.max_in_flight < 1:
        raise BadInput(f"max_in_flight is {plan.max_in_flight}. Say 1 or more.")
    if not plan.drain_s >= 0:
        raise BadInput(f"drain_s is {plan.drain_s}. Say 0 or more seconds.")
