"""What is asked of a server: prompts without an end, the same ones for the same seed."""

from __future__ import annotations

import json
import math
from importlib.resources import files
from typing import TYPE_CHECKING, Final

import numpy as np

from joulecast.core.errors import BadInput
from joulecast.profiler.serving.outcomes import Prompt
from joulecast.profiler.serving.prompts_file import dialogues

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Literal, Self

    Dialogue = tuple[tuple[str, str], ...]

MAX_TOKENS: Final = 256
"""Of an answer, where nobody says how many."""
MAX_PROMPT_TOKENS: Final = 10_000_000


class Prompts:
    """An endless iterator of prompts.

    One iterator for all bursts of a command keeps them from repeating each other, and with them the
    server's prefix cache from answering what it should compute.

    Attributes
    ----------
    notices : what was skipped, in words. texts : different ones, ``None`` if each is new.
    """

    def __init__(
        self,
        make: Callable[[int], Prompt],
        texts: int | None = None,
        notices: tuple[str, ...] = (),
    ) -> None:
        self.notices = notices
        self.texts = texts
        self._make = make
        self._next = 0

    def __iter__(self) -> Self:
        """Itself."""
        return self

    def __next__(self) -> Prompt:
        """The next prompt; there always is one."""
        self._next += 1
        return self._make(self._next - 1)


def bundled(max_tokens: int = MAX_TOKENS, seed: int = 0, salt: int = 0) -> Prompts:
    """Prompts of our own writing, short and long, shuffled anew for each pass over them.

    From the second pass on each begins with a number of its own, so that a prefix cache does not
    know it; with a `salt` other than 0, which makes this number another one, the first pass too.
    """
    lines = _own_text("prompts.jsonl").splitlines()
    own: list[Dialogue] = [(("user", json.loads(line)["prompt"]),) for line in lines]
    return _cycled(own, max_tokens, seed, salt)


def from_file(
    path: Path,
    max_tokens: int = MAX_TOKENS,
    seed: int = 0,
    salt: int = 0,
    turns: Literal["first", "all"] = "first",
) -> Prompts:
    """The prompts of a file: JSON lines, ShareGPT or Chatbot-Arena layout, shuffled.

    `turns` takes the first user turn alone, or the dialogue up to the last user turn. Repeats are
    numbered as in `bundled`. `notices` names the lines that were skipped; a file without a usable
    one raises BadInput.
    """
    found, notices = dialogues(path, turns)
    return _cycled(found, max_tokens, seed, salt, notices)


def synthetic(
    prompt_tokens: int,
    output_tokens: int,
    shared_frac: float = 0.0,
    seed: int = 0,
    salt: int = 0,
    tokens_per_word: float = 1.0,
) -> Prompts:
    """Prompts of about `prompt_tokens` tokens, made of common words.

    The first `shared_frac` (0..1) of the words is the same in all of them: after the first request
    a prefix cache answers for that share, less a part of a block (16 tokens in vLLM). The rest is
    drawn anew for each request, from `seed` and `salt`; a new `salt` keeps the shared words.
    `tokens_per_word` is what the server's own count divided by the words came to; most tokenizers
    have one token for each of the words, a chat template adds a few to each request.
    """
    _check_counts(prompt_tokens, output_tokens, shared_frac, tokens_per_word)
    _check_seeds(seed, salt)
    words = max(1, round(prompt_tokens / tokens_per_word))
    shared = round(words * shared_frac)
    vocabulary = _own_text("prompts_words.txt").split()
    head = _draw(vocabulary, shared, (seed, 0))

    def make(index: int) -> Prompt:
        text = " ".join([*head, *_draw(vocabulary, words - shared, (seed, 1, salt, index))])
        return Prompt((("user", text),), output_tokens, round(words * tokens_per_word))

    return Prompts(make)


def tokens_per_word(prompt: Prompt, counted_tokens: int) -> float:
    """Tokens per word as the server counted them, for `synthetic`.

    >>> tokens_per_word(Prompt((("user", "one two three four"),), 8), 5)
    1.25
    """
    return counted_tokens / words_of(prompt)


def words_of(prompt: Prompt) -> int:
    """Words of all its messages, at least 1."""
    return max(1, sum(len(text.split()) for _, text in prompt.messages))


def _cycled(
    texts: list[Dialogue], max_tokens: int, seed: int, salt: int, notices: tuple[str, ...] = ()
) -> Prompts:
    """The texts in a new order in each pass; those that a cache could know get a number."""
    _check_seeds(seed, salt)
    if max_tokens < 1:
        raise BadInput(f"max_tokens is {max_tokens}. An answer needs 1 token or more.")
    order: dict[int, list[int]] = {}

    def make(index: int) -> Prompt:
        turn, place = divmod(index, len(texts))
        if turn not in order:
            order.clear()
            shuffled = np.random.default_rng((seed, turn)).permutation(len(texts))
            order[turn] = shuffled.tolist()
        messages = texts[order[turn][place]]
        if turn or salt:
            (role, text), *rest = messages
            number = np.random.default_rng((seed, salt, index)).integers(10**9)
            messages = ((role, f"[{number:09d}] {text}"), *rest)
        return Prompt(messages, max_tokens)

    return Prompts(make, len(texts), notices)


def _own_text(name: str) -> str:
    """A file that lies beside this one."""
    return files("joulecast.profiler.serving").joinpath(name).read_text(encoding="utf-8")


def _draw(vocabulary: list[str], count: int, seed: tuple[int, ...]) -> list[str]:
    """Words drawn from the vocabulary; one stream of numbers for each seed."""
    picks = np.random.default_rng(seed).integers(len(vocabulary), size=count)
    return [vocabulary[pick] for pick in picks.tolist()]


def _check_seeds(seed: int, salt: int) -> None:
    for name, value in (("seed", seed), ("salt", salt)):
        if value < 0:
            raise BadInput(f"{name} is {value}. It must be 0 or more.")


def _check_counts(
    prompt_tokens: int, output_tokens: int, shared_frac: float, per_word: float
) -> None:
    if not 1 <= prompt_tokens <= MAX_PROMPT_TOKENS:
        raise BadInput(f"prompt_tokens is {prompt_tokens}. Say 1 to {MAX_PROMPT_TOKENS}.")
    if output_tokens < 1:
        raise BadInput(f"output_tokens is {output_tokens}. An answer needs 1 token or more.")
    if not 0 <= shared_frac <= 1:
        raise BadInput(f"shared_frac is {shared_frac}. Say a share from 0 to 1.")
    if not (math.isfinite(per_word) and per_word > 0):
        raise BadInput(f"tokens_per_word is {per_word}. Say a number above 0, about 1.")
