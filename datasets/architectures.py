"""The shipped catalogue of counted architectures: one line of JSON each in ``architectures.jsonl``.

Counted facts, not code: ``scripts/build_catalogue.py`` regenerates the table, and reading it needs
no torch. A name may stand there more than once, for several input sizes or frameworks.
"""

from __future__ import annotations

import json
import math
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

from joulecast.core.catalog import normalise
from joulecast.core.errors import UnknownName
from joulecast.core.records import OP_CLASSES, Architecture, OpCount

TABLE = Path(__file__).with_name("architectures.jsonl")
COLLECTIONS = ("joulecast", "torchvision", "keras", "timm", "llm", "other")
_DEFAULTS = {f.name: f.default for f in fields(Architecture)}


def to_line(architecture: Architecture) -> str:
    """One line of JSON; fields at their default are left out."""
    row: dict[str, Any] = {}
    for f in fields(Architecture):
        value = getattr(architecture, f.name)
        if f.name == "ops":
            value = {c: _op_to_list(o) for c, o in architecture.ops.items()}
        elif value == _DEFAULTS[f.name]:
            continue
        row[f.name] = list(value) if isinstance(value, tuple) else value
    return json.dumps(row, separators=(",", ":"), ensure_ascii=False)


def from_line(line: str) -> Architecture:
    """The architecture that `to_line` wrote."""
    row = json.loads(line)
    row["ops"] = {c: OpCount(*row["ops"][c]) for c in OP_CLASSES if c in row["ops"]}
    for key in ("input_shape", "uncounted", "aliases"):
        row[key] = tuple(row.get(key, ()))
    return Architecture(**row)


def _op_to_list(op: OpCount) -> list[float]:
    return [_short(v) for v in (op.macs, op.activation_bytes, op.weight_bytes, op.kernels)]


def _short(value: float) -> float:
    short = value if value == int(value) else float(f"{value:.6g}")
    return int(short) if short == int(short) else short


@cache
def _lines() -> tuple[str, ...]:
    return tuple(TABLE.read_text(encoding="utf-8").splitlines())


@cache
def _lines_by_name() -> dict[str, list[int]]:
    """Line numbers by normalised name and alias, own networks first."""
    index: dict[str, list[int]] = {}
    for number, line in enumerate(_lines()):
        head = line[: line.index('"ops":')]
        row = json.loads(head.rstrip(",") + "}") | _tail_aliases(line)
        for name in (row["name"], *row.get("aliases", ())):
            index.setdefault(normalise(name), []).append(number)
    return index


def _tail_aliases(line: str) -> dict[str, Any]:
    start = line.find('"aliases":')
    if start < 0:
        return {}
    return {"aliases": json.loads(line[start + len('"aliases":') : line.index("]", start) + 1])}


@cache
def _at(number: int) -> Architecture:
    return from_line(_lines()[number])


def all_architectures() -> list[Architecture]:
    """Every entry of the table, in its order."""
    return [_at(i) for i in range(len(_lines()))]


@cache
def names() -> tuple[str, ...]:
    """Names of all entries, each once, in the table's order (own networks first)."""
    return tuple(
        dict.fromkeys(json.loads(line.split(",", 1)[0] + "}")["name"] for line in _lines())
    )


def candidates(name: str) -> list[Architecture]:
    """Entries that `name` (or ``collection:name``) spells, exact spellings first; may be empty."""
    collection, _, bare = name.rpartition(":")
    if collection and collection not in COLLECTIONS:
        bare, collection = name, ""
    found = _lines_by_name().get(normalise(bare), [])
    entries = [a for a in map(_at, found) if not collection or a.collection == collection]
    return sorted(entries, key=lambda a: a.name != bare)


def find(
    name: str,
    input_shape: tuple[int, ...] | None = None,
    framework: str | None = None,
) -> Architecture:
    """The entry that fits best: nearest input size first, then framework, then the table's order.

    Raises
    ------
    UnknownName
        With the nearest three names.
    """
    found = candidates(name)
    if not found:
        raise UnknownName("model", name, names(), "joulecast list-models shows all")

    def misfit(entry: Architecture) -> tuple[float, bool]:
        far = 0.0 if input_shape is None else _size_ratio(entry.input_shape, input_shape)
        return far, framework is not None and entry.framework != framework

    return min(found, key=misfit)


def _size_ratio(left: tuple[int, ...], right: tuple[int, ...]) -> float:
    """How many times larger one input is than the other, natural log; infinite between kinds."""
    if left == right:
        return 0.0
    if (len(left) >= 3) != (len(right) >= 3):
        return math.inf
    return abs(math.log(math.prod(left) / math.prod(right))) + 1e-9
