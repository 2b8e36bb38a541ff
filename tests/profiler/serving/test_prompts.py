"""Prompts: the same for the same seed, without an end, and out of files as others write them."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulecast.core.errors import BadInput
from joulecast.profiler.serving.prompts import bundled, from_file, synthetic, tokens_per_word
from joulecast.profiler.serving.prompts_file import dialogues

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from joulecast.profiler.serving.outcomes import Prompt


def texts(prompts: Iterable[Prompt], count: int) -> list[str]:
    """The first `count` prompts, each as one text."""
    return ["\n".join(text for _, text in p.messages) for p in islice(prompts, count)]


def words(prompts: Iterable[Prompt], count: int) -> list[list[str]]:
    """The first `count` prompts, each as its words."""
    return [text.split() for text in texts(prompts, count)]


def common(left: list[str], right: list[str]) -> int:
    """Words that both begin with."""
    same = [a == b for a, b in zip(left, right, strict=True)]
    return same.index(False) if False in same else len(same)


def written(folder: Path, *entries: object, array: bool = False) -> Path:
    """A file with the entries: those that are text as they stand, others as JSON."""
    path = folder / "prompts.jsonl"
    lines = [entry if isinstance(entry, str) else json.dumps(entry) for entry in entries]
    path.write_text(json.dumps(list(entries)) if array else "\n".join(lines), encoding="utf-8")
    return path


def test_the_bundled_set_is_varied() -> None:
    """About 60 prompts, from a few words to some hundred, none twice, in plain text."""
    prompts = bundled(max_tokens=99)
    assert prompts.texts is not None
    assert 55 <= prompts.texts <= 70
    found = words(prompts, prompts.texts)
    assert len({" ".join(text) for text in found}) == prompts.texts
    lengths = sorted(len(text) for text in found)
    assert lengths[0] < 6
    assert 15 < lengths[len(lengths) // 2] < 40
    assert lengths[-1] > 200
    assert next(prompts).max_tokens == 99


def test_a_pass_is_shuffled_by_its_seed() -> None:
    """One seed one order, another one another; every text once in a pass."""
    first, again, other = (texts(bundled(seed=seed), 63) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert sorted(first) == sorted(other)


def test_repeats_begin_with_a_number_of_their_own() -> None:
    """A prefix cache that knows the first pass knows no word of the second."""
    found = texts(bundled(), 3 * 63)
    assert len({text[:11] for text in found[63:]}) == 2 * 63
    assert all(text.startswith("[") and text[10:12] == "] " for text in found[63:])
    assert sorted(text[12:] for text in found[63:126]) == sorted(found[:63])


def test_salt_makes_a_second_command_new_to_the_cache() -> None:
    """The same texts in the same order, each with a number that another salt does not give."""
    plain, one, two = (texts(bundled(salt=salt), 20) for salt in (0, 1, 2))
    assert [text[12:] for text in one] == plain == [text[12:] for text in two]
    assert not {text[:11] for text in one} & {text[:11] for text in two}


@given(st.integers(1, 600), st.floats(0, 0.95), st.integers(0, 1000))
def test_synthetic_prompts_share_their_beginning(tokens: int, frac: float, seed: int) -> None:
    """As long as asked; the shared part is common to all, then each goes its own way."""
    first, second, third = words(synthetic(tokens, 8, frac, seed), 3)
    assert len(first) == len(second) == len(third) == tokens
    shared = min(common(first, second), common(first, third), common(second, third))
    assert round(tokens * frac) <= shared
    if tokens - round(tokens * frac) > 3:
        assert shared <= round(tokens * frac) + 3  # the next words agree by chance once in 763


def test_synthetic_prompts_are_the_seed_s() -> None:
    """Seed and salt decide; a new salt keeps the shared words and no other."""
    first, again, salted, seeded = (
        words(synthetic(200, 8, 0.5, seed, salt), 5)
        for seed, salt in ((1, 0), (1, 0), (1, 7), (2, 0))
    )
    assert first == again
    assert [common(a, b) for a, b in zip(first, salted, strict=True)] == [100] * 5
    assert common(first[0], seeded[0]) < 3


def test_the_server_s_count_corrects_the_length() -> None:
    """A tokenizer with 1.25 tokens per word gets a fifth fewer words."""
    plain = next(synthetic(400, 8))
    per_word = tokens_per_word(plain, 500)
    assert per_word == 1.25
    corrected = next(synthetic(400, 8, tokens_per_word=per_word))
    assert len(corrected.messages[0][1].split()) == 320
    assert (corrected.prompt_tokens, corrected.max_tokens) == (400, 8)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"prompt_tokens": 0}, "prompt_tokens is 0"),
        ({"output_tokens": 0}, "output_tokens is 0"),
        ({"shared_frac": 1.5}, "shared_frac is 1.5"),
        ({"shared_frac": float("nan")}, "shared_frac is nan"),
        ({"tokens_per_word": 0.0}, "tokens_per_word is 0.0"),
        ({"salt": -1}, "salt is -1"),
    ],
)
def test_counts_that_cannot_be_are_refused(options: dict[str, Any], name: str) -> None:
    """Zero output tokens and shares outside 0 to 1 among them."""
    with pytest.raises(BadInput, match=name):
        synthetic(**({"prompt_tokens": 10, "output_tokens": 10} | options))


def test_an_answer_of_no_tokens_is_refused() -> None:
    """For texts too."""
    with pytest.raises(BadInput, match="max_tokens is 0"):
        bundled(max_tokens=0)


HUMAN = [{"from": "human", "value": "one"}, {"from": "gpt", "value": "two"}]
CHAT = [
    {"role": "system", "content": "be brief"},
    {"role": "user", "content": "one"},
    {"role": "assistant", "content": "two"},
    {"role": "user", "content": [{"type": "text", "text": "three"}, {"type": "image_url"}]},
    {"role": "assistant", "content": "four"},
]


@pytest.mark.parametrize(
    ("entry", "turns", "expected"),
    [
        ({"prompt": "one"}, "first", [("user", "one")]),
        ({"messages": CHAT}, "first", [("user", "one")]),
        (
            {"messages": CHAT},
            "all",
            [("system", "be brief"), ("user", "one"), ("assistant", "two"), ("user", "three")],
        ),
        ({"id": "x", "conversations": HUMAN}, "first", [("user", "one")]),
        ({"conversations": HUMAN * 2}, "all", [("user", "one"), ("assistant", "two")] * 1
         + [("user", "one")]),
        ({"model_a": "m", "conversation_a": CHAT[1:3], "conversation_b": []}, "all",
         [("user", "one")]),
        ({"model": "m", "conversation": CHAT[1:]}, "first", [("user", "one")]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("array", [False, True])
def test_layouts_of_others_are_read(
    tmp_path: Path,
    entry: dict[str, Any],
    turns: Literal["first", "all"],
    expected: list[tuple[str, str]],
    *,
    array: bool,
) -> None:
    """JSON lines and arrays; the first user turn, or all up to the last one."""
    found, notices = dialogues(written(tmp_path, entry, array=array), turns)
    assert found == [tuple(expected)]
    assert notices == ()


def test_broken_lines_are_named_and_skipped(tmp_path: Path) -> None:
    """The rest is used; empty lines are none."""
    path = written(
        tmp_path,
        {"prompt": "good"},
        "{broken",
        "",
        {"question": "?"},
        {"messages": [{"role": "assistant", "content": "hi"}]},
        {"conversation": "no list", "x": 1},
        {"conversation": 7},
        "[1]",
    )
    prompts = from_file(path)
    assert texts(prompts, 1) == ["good"]
    (notice,) = prompts.notices
    assert prompts.texts == 1
    assert "6 of 7 prompts skipped" in notice
    assert "line 2 (not JSON), line 4 (has 'question', but no prompt)" in notice
    assert "line 5 (no user turn in 'messages')" in notice
    assert notice.endswith(" and 3 more")


def test_other_line_ends_within_a_text_are_no_line_ends(tmp_path: Path) -> None:
    """A line separator of Unicode may stand in a JSON text."""
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "one\u2028two"}\r\n{"prompt": "three"}\r\n', encoding="utf-8-sig")
    assert sorted(texts(from_file(path), 2)) == ["one\u2028two", "three"]


def test_a_file_of_plain_texts(tmp_path: Path) -> None:
    """An array of texts needs no objects."""
    assert texts(from_file(written(tmp_path, "one", array=True)), 1) == ["one"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no usable prompt: it is empty"),
        (b"id,prompt\n1,hello\n", r"line 1 \(not JSON\); line 2"),
        (b"[1, 2", "begins like a JSON array but is none"),
        (b"PAR1\x15\x04\xff\xfe", "is a Parquet file. Convert it to JSON lines"),
        (b"\x1f\x8b\x08\x00", "no UTF-8 text"),
        (b'{"text": "x", "label": 3}', "has 'text', 'label', but no prompt"),
        (b"[" * 100_000, "begins like a JSON array"),
    ],
)
def test_an_unusable_file_is_refused_with_what_was_seen(
    tmp_path: Path, content: bytes, words: str
) -> None:
    """The message shows it."""
    path = tmp_path / "prompts.jsonl"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=words):
        from_file(path)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """Its name and the system's reason."""
    with pytest.raises(BadInput, match=r"cannot read .*none\.jsonl: No such file"):
        from_file(tmp_path / "none.jsonl")
