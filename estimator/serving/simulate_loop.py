"""The state of a simulated server over time: who waits, fills its prompt, decodes, and leaves."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from joulecast.estimator.serving.simulate import Server

_KEPT_FREE = 0.01
"""Share of the memory for keys and values that entering requests leave free, as vLLM does."""


@dataclass(slots=True)
class Loop:
    """A server at work; `run` it once.

    Attributes
    ----------
    arrival_s, prompt, output, cached : per request; tokens are whole.
    stretches : (start s, seconds, watts, requests) of like iterations, in order.
    """

    arrival_s: list[float]
    prompt: list[float]
    output: list[float]
    cached: list[float]
    server: Server
    first_s: list[float] = field(init=False)
    ended_s: list[float] = field(init=False)
    stretches: list[tuple[float, float, float, float]] = field(init=False, default_factory=list)
    preemptions: int = field(init=False, default=0)
    _now_s: float = field(init=False, default=0.0)
    _next: int = field(init=False, default=0)
    _left: int = field(init=False)
    _turn: float = field(init=False, default=0.0)
    _context: float = field(init=False, default=0.0)
    _held: float = field(init=False, default=0.0)
    _made: list[float] = field(init=False)
    _waiting: deque[int] = field(init=False, default_factory=deque)
    _filling: deque[tuple[int, float]] = field(init=False, default_factory=deque)
    _running: dict[int, float] = field(init=False, default_factory=dict)
    _ends: list[tuple[float, int]] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        """Nobody served yet."""
        n = self._left = len(self.arrival_s)
        self.first_s, self.ended_s = [math.nan] * n, [math.nan] * n
        self._made = [0.0] * n

    def run(self) -> None:
        """Work all requests off."""
        while self._left:
            self._take_arrivals()
            self._admit()
            if self._filling:
                self._make_room()
                self._fill()
            elif self._running:
                self._make_room()
                self._decode()
            else:
                self._now_s = self.arrival_s[self._next]

    def _take_arrivals(self) -> None:
        arrival_s, i, n = self.arrival_s, self._next, len(self.arrival_s)
        while i < n and arrival_s[i] <= self._now_s:
            self._waiting.append(i)
            i += 1
        self._next = i

    def _admit(self) -> None:
        """Let waiting requests in, in order, as long as batch and memory allow."""
        server, waiting = self.server, self._waiting
        while waiting and len(self._running) + len(self._filling) < server.max_batch:
            request = waiting[0]
            need = self.prompt[request] + self._made[request]
            if self._held > 0:
                spare = max(_KEPT_FREE * server.kv_tokens, len(self._running) + 1.0)
                if math.isfinite(server.kv_tokens) and self._held + need + spare > server.kv_tokens:
                    return
            waiting.popleft()
            self._held += need
            self._filling.append((request, max(need - self.cached[request], 1.0)))

    def _make_room(self) -> None:
        """Put the youngest requests back until every other may write one more token."""
        while self._running and self._held + len(self._running) > self.server.kv_tokens:
            request, end = self._running.popitem()
            tokens = self.prompt[request] + self.output[request] - (end - self._turn)
            self._made[request] = tokens - self.prompt[request]
            self._context -= tokens
            self._held -= tokens
            self._waiting.appendleft(request)
            self.preemptions += 1

    def _fill(self) -> None:
        """One iteration that fills prompts, beside the decoding requests or without them."""
        server, filling = self.server, self._filling
        batch = len(self._running) if server.mixed else 0
        budget, tokens, members = max(server.fill_tokens - batch, 1.0), 0.0, 0
        begun: list[int] = []
        while filling and budget > 0:
            request, left = filling[0]
            part = min(left, budget)
            budget, tokens, members = budget - part, tokens + part, members + 1
            if part < left:
                filling[0] = (request, left - part)
            else:
                filling.popleft()
                begun.append(request)
        step_s, power_w = server.iteration(batch, self._context if batch else 0.0, tokens)
        self._pass(step_s, power_w, batch + members, 1 if batch else 0)
        for request in begun:
            self._begin(request)
        self._let_go()

    def _begin(self, request: int) -> None:
        """The prompt is filled: its next token is there, and it decodes from now on."""
        if math.isnan(self.first_s[request]):
            self.first_s[request] = self._now_s
        made = self._made[request] + 1
        self._held += 1
        self._context += self.prompt[request] + made
        end = self._turn + self.output[request] - made
        self._running[request] = end
        heappush(self._ends, (end, request))

    def _decode(self) -> None:
        """Iterations until somebody leaves, enters, or memory runs out."""
        running, server = self._running, self.server
        batch = len(running)
        while running.get(self._ends[0][1]) != self._ends[0][0]:  # put back meanwhile
            heappop(self._ends)
        turns = self._ends[0][0] - self._turn
        if math.isfinite(server.kv_tokens):
            turns = min(turns, (server.kv_tokens - self._held) // batch)
        step_s, power_w = server.iteration(batch, self._context, 0.0)
        if turns > 1:
            last = server.iteration(batch, self._context + batch * (turns - 1), 0.0)
            slope_s, slope_w = ((b - a) / (turns - 1) for a, b in zip((step_s, power_w), last))  # noqa: B905
            if not self._waiting and batch < server.max_batch and self._next < len(self.arrival_s):
                wait_s = self.arrival_s[self._next] - self._now_s
                turns = min(turns, _turns_in(wait_s, step_s, slope_s))
            step_s += slope_s * (turns - 1) / 2
            power_w += slope_w * (turns - 1) / 2
        self._pass(step_s * turns, power_w, batch, turns)
        self._let_go()

    def _pass(self, seconds: float, power_w: float, members: int, turns: float) -> None:
        """Let time pass in which every decoding request makes `turns` tokens."""
        self.stretches.append((self._now_s, seconds, power_w, members))
        self._now_s += seconds
        if turns:
            grown = turns * len(self._running)
            self._turn += turns
            self._context += grown
            self._held += grown

    def _let_go(self) -> None:
        """Requests whose last token is there leave."""
        ends, running = self._ends, self._running
        while ends and ends[0][0] <= self._turn:
            end, request = heappop(ends)
            if running.get(request) != end:
                continue
            del running[request]
            tokens = self.prompt[request] + self.output[request]
            self._context -= tokens
            self._held -= tokens
            self.ended_s[request] = self._now_s
            self._left -= 1


def _turns_in(wait_s: float, step_s: float, slope_s: float) -> float:
    """Iterations until `wait_s` has passed, the first taking `step_s`, each `slope_s` more."""
    base = step_s - slope_s / 2
    root = base * base + 2 * slope_s * wait_s
    if root <= 0:  # ever shorter iterations that never add up to it
        return math.inf
    turns = 2 * wait_s / (base + math.sqrt(root))
    return max(math.ceil(turns - 1e-9), 1.0)
