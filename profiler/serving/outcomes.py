"""The words between what sends requests and what makes figures of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Prompt:
    """One request's content.

    Attributes
    ----------
    messages : (role, text) in order. max_tokens : of the answer.
    prompt_tokens : as far as it is known before the server counts them.
    """

    messages: tuple[tuple[str, str], ...]
    max_tokens: int
    prompt_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """A server with the OpenAI interface.

    Attributes
    ----------
    url : up to and with ``/v1``. model : as the server names it. api_key : empty for none.
    api : ``chat`` for /chat/completions, ``completions`` for /completions.
    timeout_s : without a byte, after which a request counts as stalled.
    ignore_eos : ask for exactly `max_tokens`, where the server knows the option.
    """

    url: str
    model: str
    api_key: str = ""
    api: Literal["chat", "completions"] = "chat"
    timeout_s: float = 60.0
    ignore_eos: bool = False


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """Arrivals that do not wait for answers (open loop).

    Attributes
    ----------
    rate_rps : arrivals per second. duration_s : over which they arrive.
    max_in_flight : requests at once; arrivals beyond are not sent and counted as failed.
    drain_s : seconds after the last arrival in which answers are waited for.
    """

    rate_rps: float
    duration_s: float
    arrivals: Literal["poisson", "constant"] = "poisson"
    seed: int = 0
    max_in_flight: int = 2048
    drain_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one request; times in seconds after the load's start.

    Attributes
    ----------
    due_s : when it was to arrive. sent_s : when it did, ``None`` if it was never sent.
    chunk_s : when each piece of the answer came. ended_s : when its last byte came, or it failed.
    prompt_tokens, output_tokens, cached_tokens : as the server counts them, ``None`` if it does
        not say; output then counts the pieces.
    status : of HTTP, ``None`` without an answer. error : empty if the answer is whole.
    """

    due_s: float
    sent_s: float | None
    chunk_s: tuple[float, ...] = ()
    ended_s: float | None = None
    prompt_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    status: int | None = None
    error: str = ""

    @property
    def kind(self) -> str:
        """The kind of its failure; empty if the answer is whole.

        >>> Outcome(0.0, 0.0, error="HTTP 429: too many requests").kind
        'HTTP 429'
        """
        return self.error.partition(":")[0]


@dataclass(frozen=True, slots=True)
class Load:
    """All requests of one plan.

    Attributes
    ----------
    started_s : of the monotonic clock. outcomes : by due time.
    cpu_s : seconds of processor time that sending and reading took here.
    stopped_early : the load was ended before its last arrival; outcomes are those so far.
    """

    plan: LoadPlan
    started_s: float
    outcomes: tuple[Outcome, ...]
    cpu_s: float
    stopped_early: bool = False
    notices: tuple[str, ...] = ()
