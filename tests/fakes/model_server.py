"""A small model server with the OpenAI interface on loopback: it sleeps instead of computing.

Streams words at a set pace to at most `capacity` requests at once, counts words as tokens, keeps a
prefix cache by blocks, writes its counters as vLLM does, and fails where told to.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Iterator

ENGINE = "vllm"


@dataclass(slots=True)
class Knobs:
    """How the server behaves; may be changed while it runs.

    Attributes
    ----------
    ttft_s : from the start of a request's work to its first token. tpot_s : between tokens.
    capacity : requests worked on at once; the rest wait. prefill_s_per_token : on top of `ttft_s`,
        for each prompt token that is not cached. block : tokens of a block of the prefix cache,
        0 for no cache. max_output : tokens after which an answer ends unless `ignore_eos` is set.
    fault : 429, 500, stall, stall-midway, malformed, not-streaming, cut, error-midway, html,
        silent-end, or empty. fault_every : it hits each such request (1: all of them).
    refuses : fields that are answered with 422. usage : counts tokens for the client.
    newline : at the ends of lines. metrics : whether there is a /metrics.
    """

    ttft_s: float = 0.0
    tpot_s: float = 0.0
    capacity: int = 1_000_000
    prefill_s_per_token: float = 0.0
    block: int = 16
    max_output: int = 1_000_000
    fault: str = ""
    fault_every: int = 1
    refuses: tuple[str, ...] = ()
    usage: bool = True
    newline: str = "\n"
    metrics: bool = True


@dataclass(slots=True)
class Counters:
    """What /metrics shows."""

    running: int = 0
    waiting: int = 0
    most_running: int = 0
    prompt_tokens: int = 0
    output_tokens: int = 0
    cache_queries: int = 0
    cache_hits: int = 0
    succeeded: int = 0
    preemptions: int = 0
    ttft_s: list[float] = field(default_factory=list)
    latency_s: list[float] = field(default_factory=list)


class ModelServer:
    """The server in a thread of its own: ``with ModelServer(ttft_s=0.01) as s:``, then `s.url`."""

    def __init__(self, model: str = "fake-llama", **knobs: Any) -> None:  # noqa: ANN401 - of Knobs
        self.model = model
        self.knobs = Knobs(**knobs)
        self.counters = Counters()
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.connections: set[int] = set()
        self.url = ""
        self.root = ""
        self._cached: set[int] = set()
        self._turn: asyncio.Condition
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, name="fake-model-server")

    def __enter__(self) -> Self:
        """The server, listening."""
        self._thread.start()
        if not self._ready.wait(10) or not self.url:
            raise RuntimeError("the fake server did not start")
        return self

    def __exit__(self, *_: object) -> None:
        """Stop; requests under way are cut."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _serve(self) -> None:
        asyncio.set_event_loop(self._loop)
        app = web.Application()
        app.router.add_post("/v1/chat/completions", self._answer)
        app.router.add_post("/v1/completions", self._answer)
        app.router.add_get("/v1/models", self._models)
        app.router.add_get("/metrics", self._metrics)
        app.router.add_get("/version", self._version)
        runner = web.AppRunner(app, shutdown_timeout=0.0, handler_cancellation=True)
        try:
            self._turn = asyncio.Condition()
            self._loop.run_until_complete(runner.setup())
            site = web.TCPSite(runner, "127.0.0.1", 0)
            self._loop.run_until_complete(site.start())
            self.root = "http://{}:{}".format(*runner.addresses[0][:2])
            self.url = f"{self.root}/v1"
            self._ready.set()
            self._loop.run_forever()
        finally:
            self._ready.set()
            self._loop.run_until_complete(runner.cleanup())
            self._loop.close()

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        self.requests.append(body)
        self.headers.append(dict(request.headers))
        if request.transport is not None:
            self.connections.add(id(request.transport))
        knobs = self.knobs
        fault = knobs.fault if len(self.requests) % knobs.fault_every == 0 else ""
        refusal = _refusal(fault, [name for name in knobs.refuses if name in body])
        if refusal is not None:
            return refusal
        started_s = time.monotonic()
        async with _Slot(self):
            try:
                return await self._work(request, body, fault, started_s)
            except ConnectionResetError:  # the client has gone
                return web.Response()

    async def _work(
        self, request: web.Request, body: dict[str, Any], fault: str, started_s: float
    ) -> web.StreamResponse:
        knobs, counters, words = self.knobs, self.counters, _words(body)
        cached = self._look_up(words)
        if fault == "stall":
            await asyncio.sleep(3600)
        await asyncio.sleep(knobs.ttft_s + knobs.prefill_s_per_token * (len(words) - cached))
        count = int(body.get("max_tokens", 16))
        count = count if body.get("ignore_eos") else min(count, knobs.max_output)
        usage = {
            "prompt_tokens": len(words),
            "completion_tokens": count,
            "prompt_tokens_details": {"cached_tokens": cached},
        }
        if fault == "not-streaming" or not body.get("stream"):
            choice = {"index": 0, "message": {"content": "so " * count}, "finish_reason": "length"}
            return web.json_response({"choices": [choice], "usage": usage})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        counters.prompt_tokens += len(words)
        counters.ttft_s.append(time.monotonic() - started_s)
        if not await self._stream(response, request, count, fault):
            return response
        asked = (body.get("stream_options") or {}).get("include_usage")
        if asked and knobs.usage:
            await self._event(response, {"choices": [], "usage": usage})
        await self._event(response, "[DONE]")
        counters.succeeded += 1
        counters.latency_s.append(time.monotonic() - started_s)
        return response

    async def _stream(
        self, response: web.StreamResponse, request: web.Request, count: int, fault: str
    ) -> bool:
        """Whether the answer ran through."""
        chat = request.path.endswith("/chat/completions")
        if chat:
            role = {"role": "assistant", "content": ""}
            await self._event(response, {"choices": [{"index": 0, "delta": role}]})
        for i in range(count):
            if i == count // 2 and fault:
                return await self._fail(response, request, fault)
            reason = "length" if i == count - 1 else None
            text: dict[str, Any] = {"delta": {"content": "so "}} if chat else {"text": "so "}
            choice = {"index": 0, **text, "finish_reason": reason}
            await self._event(response, {"choices": [choice], "usage": None})
            self.counters.output_tokens += 1
            if self.knobs.tpot_s and i < count - 1:
                await asyncio.sleep(self.knobs.tpot_s)
        return True

    async def _fail(self, response: web.StreamResponse, request: web.Request, fault: str) -> bool:
        if fault == "stall-midway":
            await asyncio.sleep(3600)
        elif fault == "malformed":
            await response.write(b'data: {"choices": [{"delta"\n\n')
        elif fault == "cut" and request.transport is not None:
            request.transport.abort()
        elif fault == "error-midway":
            await self._event(response, {"error": {"message": "out of memory", "code": 500}})
            await self._event(response, "[DONE]")
        return False  # silent-end: nothing more comes

    async def _event(self, response: web.StreamResponse, data: dict[str, Any] | str) -> None:
        text = data if isinstance(data, str) else json.dumps(data)
        await response.write(f"data: {text}{self.knobs.newline * 2}".encode())

    def _look_up(self, words: list[str]) -> int:
        """How many of the words are cached; from now on all whole blocks are."""
        block, hits, missed = self.knobs.block, 0, False
        for end in range(block, len(words), block) if block else ():  # one token is left to compute
            key = hash(tuple(words[:end]))
            missed |= key not in self._cached
            hits += 0 if missed else block
            self._cached.add(key)
        self.counters.cache_queries += len(words)
        self.counters.cache_hits += hits
        return hits

    async def _models(self, _: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": self.model}]})

    async def _version(self, _: web.Request) -> web.Response:
        return web.json_response({"version": "0.9.1"})

    async def _metrics(self, _: web.Request) -> web.Response:
        text = "\n".join(self.metric_lines()) + "\n"
        return web.Response(text=text) if self.knobs.metrics else web.Response(status=404)

    def metric_lines(self) -> Iterator[str]:
        """What /metrics answers, line by line."""
        at, label = self.counters, f'engine="0",model_name="{self.model}"'
        for name, kind, value in (
            ("num_requests_running", "gauge", at.running),
            ("num_requests_waiting", "gauge", at.waiting),
            ("kv_cache_usage_perc", "gauge", min(1.0, at.running / self.knobs.capacity)),
            ("prefix_cache_queries_total", "counter", at.cache_queries),
            ("prefix_cache_hits_total", "counter", at.cache_hits),
            ("num_preemptions_total", "counter", at.preemptions),
            ("prompt_tokens_total", "counter", at.prompt_tokens),
            ("generation_tokens_total", "counter", at.output_tokens),
        ):
            yield f"# TYPE {ENGINE}:{name} {kind}"
            yield f"{ENGINE}:{name}{{{label}}} {float(value)}"
        yield f"# TYPE {ENGINE}:request_success_total counter"
        yield f'{ENGINE}:request_success_total{{{label},finished_reason="length"}} {at.succeeded}.0'
        for name, values in (
            ("time_to_first_token_seconds", at.ttft_s),
            ("e2e_request_latency_seconds", at.latency_s),
        ):
            yield f"# TYPE {ENGINE}:{name} histogram"
            for edge in (0.01, 0.1, 1.0, 10.0):
                below = sum(value <= edge for value in values)
                yield f'{ENGINE}:{name}_bucket{{{label},le="{edge}"}} {float(below)}'
            yield f'{ENGINE}:{name}_bucket{{{label},le="+Inf"}} {float(len(values))}'
            yield f"{ENGINE}:{name}_count{{{label}}} {float(len(values))}"
            yield f"{ENGINE}:{name}_sum{{{label}}} {sum(values)}"


class _Slot:
    """A place in the batch: waited for, held, given to the next."""

    def __init__(self, server: ModelServer) -> None:
        self._server = server

    async def __aenter__(self) -> None:
        server, counters = self._server, self._server.counters
        counters.waiting += 1
        try:
            async with server._turn:
                await server._turn.wait_for(lambda: counters.running < server.knobs.capacity)
                counters.running += 1
                counters.most_running = max(counters.most_running, counters.running)
        finally:
            counters.waiting -= 1

    async def __aexit__(self, *_: object) -> None:
        self._server.counters.running -= 1
        async with self._server._turn:
            self._server._turn.notify()


def _refusal(fault: str, unknown: list[str]) -> web.Response | None:
    if unknown:
        detail = f"Unexpected keys in the request: {set(unknown)}"
        return web.json_response({"detail": detail}, status=422)
    if fault == "html":
        return web.Response(text="<html>Welcome</html>", content_type="text/html")
    if fault == "429":
        return web.json_response({"error": {"message": "too many requests"}}, status=429)
    if fault == "500":
        return web.Response(text="Internal Server Error", status=500)
    return None


def _words(body: dict[str, Any]) -> list[str]:
    texts = [m["content"] for m in body["messages"]] if "messages" in body else [body["prompt"]]
    return " ".join(texts).split()
