"""Prompts out of files as others lay them out: JSON lines, ShareGPT, Chatbot Arena."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from joulecast.core.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Literal

    Dialogue = tuple[tuple[str, str], ...]

KEYS: Final = ("messages", "conversation", "conversations", "conversation_a", "prompt")
"""Where a line's dialogue may stand, the first that is there counts."""
ROLES: Final = {"human": "user", "user": "user", "prompter": "user", "system": "system"}
"""How others call who speaks; every other one is the assistant."""
_NAMED: Final = 3
_SHOWN: Final = 5


def dialogues(
    path: Path, turns: Literal["first", "all"] = "first"
) -> tuple[list[Dialogue], tuple[str, ...]]:
    """(role, text) of every usable prompt in the file, and what was skipped, in words.

    Raises BadInput, with what was seen, if the file cannot be read or no line of it can be used.
    """
    found: list[Dialogue] = []
    broken: list[str] = []
    for place, item in _items(path):
        try:
            found.append(_dialogue(item, turns))
        except BadInput as error:
            broken.append(f"{place} ({error})")
    if not found:
        seen = "; ".join(broken[:_NAMED]) or "it is empty"
        raise BadInput(
            f"{path} has no usable prompt: {seen}. Give JSON lines with 'prompt' or 'messages', "
            "or a file in ShareGPT's or Chatbot Arena's layout."
        )
    return found, _notices(path, broken, len(broken) + len(found))


def _notices(path: Path, broken: list[str], total: int) -> tuple[str, ...]:
    if not broken:
        return ()
    more = f" and {len(broken) - _NAMED} more" if len(broken) > _NAMED else ""
    named = ", ".join(broken[:_NAMED])
    return (f"{path}: {len(broken)} of {total} prompts skipped: {named}{more}",)


def _items(path: Path) -> Iterator[tuple[str, object]]:
    """Each entry with the place where it stands: of a JSON array, or one in each line."""
    text = _text(path)
    if text.lstrip().startswith("["):
        try:
            array = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise BadInput(f"{path} begins like a JSON array but is none: {error}.") from error
        for number, item in enumerate(array, 1):
            yield f"entry {number}", {"prompt": item} if isinstance(item, str) else item
        return
    for number, line in enumerate(text.split("\n"), 1):  # others end lines within a text, too
        if line.strip():
            yield f"line {number}", line


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        with path.open("rb") as file:
            start = file.read(4)
        kind = "a Parquet file" if start == b"PAR1" else f"no UTF-8 text (it begins {start!r})"
        raise BadInput(f"{path} is {kind}. Convert it to JSON lines.") from error
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}.") from error


def _dialogue(item: object, turns: Literal["first", "all"]) -> Dialogue:
    """The turns that are to be sent; BadInput says why there are none."""
    if isinstance(item, str):
        try:
            item = json.loads(item)
        except (ValueError, RecursionError) as error:
            raise BadInput("not JSON") from error
    if not isinstance(item, dict):
        raise BadInput(f"a {type(item).__name__}, not an object")
    key = next((key for key in KEYS if item.get(key)), None)
    if key is None:
        seen = ", ".join(f"'{name}'" for name in list(item)[:_SHOWN]) or "nothing"
        raise BadInput(f"has {seen}, but no prompt")
    value = item[key]
    text = isinstance(value, str) and key == "prompt"
    spoken = [("user", str(value))] if text else _turns(value, key)
    asked = [i for i, (role, text) in enumerate(spoken) if role == "user" and text.strip()]
    if not asked:
        raise BadInput(f"no user turn in '{key}'")
    return tuple(spoken[: asked[-1] + 1]) if turns == "all" else (spoken[asked[0]],)


def _turns(value: object, key: str) -> list[tuple[str, str]]:
    if not isinstance(value, list) or not all(isinstance(turn, dict) for turn in value):
        raise BadInput(f"'{key}' is no list of turns")
    found = []
    for turn in value:
        role = str(turn.get("role") or turn.get("from") or "")
        found.append((ROLES.get(role, "assistant"), _spoken(turn)))
    return found


def _spoken(turn: dict[str, Any]) -> str:
    """The text of a turn; of content in parts, the parts that are text."""
    content = turn.get("content", turn.get("value"))
    if isinstance(content, list):
        parts = [part.get("text") for part in content if isinstance(part, dict)]
        return "\n".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""
