"""The simulated server against sums by hand, queueing laws and a slow twin without stretches."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from joulecast.core.errors import BadInput
from joulecast.core.serving import Serving
from joulecast.estimator.serving.simulate import Requests, Server, poisson, simulate


def iteration(batch: int, context: float, tokens: float) -> tuple[float, float]:
    """Seconds and watts that grow with batch, keys and values read, and prompt tokens."""
    return 0.01 + 1e-4 * batch + 1e-6 * context + 2e-5 * tokens, 200 + batch


def requests(arrival_s: list[float], prompt: list[int], output: list[int]) -> Requests:
    """Requests without cached tokens."""
    return Requests(
        np.array(arrival_s), np.array(prompt, float), np.array(output, float), np.zeros(len(prompt))
    )


def test_one_request_takes_what_its_iterations_take() -> None:
    """A lone request: one filling iteration, then one per further token, idle before."""
    served = simulate(requests([2.0], [100], [5]), Server(iteration, idle_w=50.0, max_batch=4))
    steps_s = [0.01 + 1e-4 + 1e-6 * (101 + i) for i in range(4)]
    assert served.ttft_s[0] == pytest.approx(0.01 + 2e-5 * 100)
    assert served.latency_s[0] == pytest.approx(0.012 + sum(steps_s))
    assert served.tpot_s[0] == pytest.approx(np.mean(steps_s))
    whole = served.window()
    assert whole.energy_j == pytest.approx(2 * 50 + 0.012 * 200 + sum(steps_s) * 201)
    assert whole.completed == 1
    assert served.window(0.0, 1.0).power_w == pytest.approx(50.0)


def test_cached_tokens_are_not_filled() -> None:
    """Of a prompt with a cached share only the rest takes time; one token at least is computed."""
    for share, computed in ((0.75, 25), (1.0, 1)):
        r = Requests(np.zeros(1), np.array([100.0]), np.ones(1), np.array([share]))
        served = simulate(r, Server(iteration, 50.0, 4))
        assert served.ttft_s[0] == pytest.approx(0.01 + 2e-5 * computed)
        assert served.ended_s[0] == served.first_s[0]


def test_a_long_prompt_is_filled_in_parts_beside_those_who_decode() -> None:
    """Chunked prefill spreads a prompt over iterations that also decode; whole prefill waits."""
    r = requests([0.0, 0.011], [10, 1000], [500, 2])
    parts = simulate(r, Server(iteration, 50.0, 4, fill_tokens=101))
    whole = simulate(r, Server(iteration, 50.0, 4, fill_tokens=1e4, mixed=False))
    assert parts.ttft_s[1] > 10 * 0.01
    assert whole.ttft_s[1] < 0.05
    assert whole.tpot_s[0] > parts.tpot_s[0] - 1000 * 2e-5 / 499
    assert parts.window().energy_j > 0


def test_littles_law_holds() -> None:
    """Requests in the server on average are their rate times the time they spend there."""
    r = poisson(Serving(200, 100), 8.0, 600.0, seed=1, spread=0.7)
    served = simulate(r, Server(iteration, 50.0, 64))
    whole = served.window()
    inside = whole.batch * whole.busy_frac
    waited_s = served.latency_s.sum() / whole.duration_s
    assert inside == pytest.approx(waited_s, rel=0.02)  # but for the wait for a running iteration


def test_saturation_is_what_a_full_batch_works_off() -> None:
    """Beyond saturation the answered rate is the batch over the time that a full batch takes."""
    serving = Serving(1, 101)
    server = Server(lambda b, _c, _t: (0.01 + 1e-4 * b, 300.0), 50.0, max_batch=16)
    served = simulate(poisson(serving, 50.0, 300.0, seed=2), server)
    most_rps = 16 / (101 * (0.01 + 16e-4))
    loaded = served.window(30.0, 280.0)
    assert loaded.completed / 250.0 == pytest.approx(most_rps, rel=0.02)
    assert loaded.busy_frac == pytest.approx(1.0)
    assert loaded.power_w == pytest.approx(300.0)
    assert served.ttft_s[-1] > 100


def test_memory_for_keys_and_values_limits_the_batch() -> None:
    """With memory for four requests about four run at once, and all are answered in the end."""
    r = poisson(Serving(100, 100), 20.0, 60.0, seed=3)
    tight = simulate(r, Server(iteration, 50.0, 64, kv_tokens=800))
    assert 4 <= tight.window().batch <= 8
    assert tight.preemptions > 0
    assert np.isfinite(tight.ended_s).all()
    assert simulate(r, Server(iteration, 50.0, 64)).preemptions == 0


def test_lengths_and_arrivals_are_drawn_with_the_asked_means() -> None:
    """Rate and token counts of drawn requests have the means that were asked for."""
    r = poisson(Serving(300, 200, cache_hit_frac=0.4), 10.0, 3600.0, seed=4, spread=0.8)
    assert len(r.arrival_s) / 3600 == pytest.approx(10, rel=0.02)
    assert r.prompt_tokens.mean() == pytest.approx(300, rel=0.03)
    assert r.output_tokens.mean() == pytest.approx(200, rel=0.03)
    assert (r.cached_frac == 0.4).all()
    assert (poisson(Serving(300, 200), 1.0, 60.0, seed=4).output_tokens == 200).all()


@pytest.mark.parametrize(
    ("wrong", "what"),
    [
        (requests([], [], []), "columns of one length"),
        (requests([1.0, 0.0], [5, 5], [5, 5]), "order of arrival"),
        (requests([math.nan], [5], [5]), "NaN"),
        (requests([0.0], [5], [0]), "no output token|no prompt or no output"),
        (requests([0.0], [900], [200]), "exceeds the memory"),
        (Requests(np.zeros(1), np.ones(1), np.ones(1), np.array([1.5])), "outside 0 to 1"),
    ],
)
def test_impossible_requests_are_refused(wrong: Requests, what: str) -> None:
    """Requests that cannot be are refused with a sentence that says why."""
    with pytest.raises(BadInput, match=what):
        simulate(wrong, Server(iteration, 50.0, 4, kv_tokens=1000))
    with pytest.raises(BadInput, match="at least one request"):
        simulate(requests([0.0], [5], [5]), Server(iteration, 50.0, 0))


class Slow:
    """The same server, iteration by iteration, with nothing kept but lists."""

    def __init__(self, r: Requests, server: Server) -> None:
        self.server = server
        self.todo = [
            {"id": i, "at": a, "prompt": p, "output": o, "made": 0.0}
            for i, (a, p, o) in enumerate(
                zip(r.arrival_s, r.prompt_tokens, r.output_tokens, strict=True)
            )
        ]
        self.waiting: list[dict[str, float]] = []
        self.inside: list[dict[str, float]] = []
        self.ended_s = np.full(len(self.todo), np.nan)
        self.energy_j = 0.0
        self.now_s = 0.0
        self.begun = 0

    def held(self) -> float:
        """Tokens whose keys and values are kept."""
        return sum(q["prompt"] + q["made"] for q in self.inside)

    def enter(self) -> None:
        """Arrivals queue; the first in the queue enter while there is room."""
        s = self.server
        while self.todo and self.todo[0]["at"] <= self.now_s:
            self.waiting.append(self.todo.pop(0))
        while self.waiting and len(self.inside) < s.max_batch:
            first = self.waiting[0]
            need = first["prompt"] + first["made"]
            decoding = sum(q["left"] == 0 for q in self.inside)
            spare = max(0.01 * s.kv_tokens, decoding + 1)
            if self.inside and self.held() + need + spare > s.kv_tokens:
                return
            self.waiting.pop(0)
            first["left"] = need
            self.inside.append(first)

    def put_back(self) -> None:
        """The youngest that decode go back while not everyone may write a token."""
        decoding = [q for q in self.inside if q["left"] == 0]
        while decoding and self.held() + len(decoding) > self.server.kv_tokens:
            last = max(decoding, key=lambda q: q["began"])
            decoding.remove(last)
            self.inside.remove(last)
            self.waiting.insert(0, last)

    def work(self) -> None:
        """One iteration."""
        s = self.server
        filling = [q for q in self.inside if q["left"] > 0]
        decoding = [q for q in self.inside if q["left"] == 0]
        if filling and not s.mixed:
            decoding = []
        budget, tokens = max(s.fill_tokens - len(decoding), 1.0), 0.0
        for q in filling:
            part = min(q["left"], budget)
            q["left"] -= part
            budget, tokens = budget - part, tokens + part
            if part > 0 and q["left"] == 0:
                decoding.append(q)
                self.begun += 1
                q["began"] = self.begun
        ready = [q for q in decoding if q not in filling]
        context = float(sum(q["prompt"] + q["made"] for q in ready))
        step_s, power_w = s.iteration(len(ready), context, tokens)
        self.now_s += step_s
        self.energy_j += step_s * power_w
        for q in decoding:
            q["made"] += 1
            if q["made"] == q["output"]:
                self.inside.remove(q)
                self.ended_s[int(q["id"])] = self.now_s

    def run(self) -> Slow:
        """Work all off."""
        while self.todo or self.waiting or self.inside:
            self.enter()
            if not self.inside:
                self.now_s = self.todo[0]["at"]
                continue
            self.put_back()
            if self.inside:
                self.work()
        return self


@settings(max_examples=60, deadline=None)
@given(
    n=st.integers(1, 25),
    gap_s=st.floats(0.0, 0.3),
    max_batch=st.integers(1, 8),
    fill_tokens=st.sampled_from([16.0, 64.0, 2048.0]),
    mixed=st.booleans(),
    kv_tokens=st.sampled_from([math.inf, 400.0, 150.0]),
    seed=st.integers(0, 10_000),
)
def test_stretches_change_nothing(  # noqa: PLR0913, PLR0917
    n: int,
    gap_s: float,
    max_batch: int,
    fill_tokens: float,
    mixed: bool,  # noqa: FBT001
    kv_tokens: float,
    seed: int,
) -> None:
    """The simulator ends every request when a server simulated iteration by iteration does."""
    rng = np.random.default_rng(seed)
    r = requests(
        np.cumsum(rng.exponential(gap_s + 1e-9, n)).tolist(),
        rng.integers(1, 80, n).tolist(),
        rng.integers(1, 60, n).tolist(),
    )
    server = Server(iteration, 50.0, max_batch, kv_tokens, fill_tokens, mixed)
    fast, slow = simulate(r, server), Slow(r, server).run()
    np.testing.assert_allclose(fast.ended_s, slow.ended_s, rtol=1e-9)
    worked_j = float(fast.duration_s @ fast.power_w)
    assert worked_j == pytest.approx(slow.energy_j, rel=1e-3)
    assert (fast.ttft_s > 0).all()
    assert (fast.latency_s >= fast.ttft_s).all()
