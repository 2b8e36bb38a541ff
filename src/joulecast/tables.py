"""Tables on the terminal (rich is imported only here and only to print) and JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from joulecast.core.units import BYTES_PER_GB, format_si

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_PIPE_WIDTH = 160


def _percent(value: float) -> str:
    return f"{value:.1f} %"


_SHOWN: dict[str, Callable[[Any], str]] = {
    "params": lambda n: format_si(n, ""),
    "macs": lambda n: format_si(n, ""),
    "input_shape": lambda shape: "x".join(map(str, shape)),
    "tdp_w": lambda power_w: f"{power_w:g} W",
    "mem_bytes": lambda size: f"{size / BYTES_PER_GB:.0f} GB",
    "year": str,
    "width": lambda factor: f"x {factor:.2f}",
    **dict.fromkeys(("p90", "bias", "plain_mean", "devices", "devices_before"), _percent),
}
_PERCENT = ("mdape", "mape", "coverage", "percent")
"""Words in the names of figures that are percent."""
_HEADS = {
    "n": "n",
    "n_groups": "groups",
    "mdape": "MdAPE",
    "mape": "MAPE",
    "p90": "P90",
    "params": "params",
    "macs": "MACs",
    "tdp_w": "TDP",
    "mem_bytes": "memory",
}

_SERVED = ("new-model", "new-hardware")
Table = tuple[str, list[str], Sequence[Sequence[Any]]]
"""Title, names of the columns, lines of cells."""


def print_listing(what: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the known networks (`what` is ``models``) or machines and devices, one a line."""
    names = list(dict.fromkeys(key for row in rows for key in row))
    noun = "networks" if what == "models" else "machines and devices"
    print_table(f"{len(rows):,} {noun}", names, [[row.get(n) for n in names] for row in rows])


def print_card(card: Mapping[str, Any], *, full: bool) -> None:
    """Print the accuracy card: protocols beside the baselines, or with `full` every part of it.

    Without `full` model servers have a line for a model and one for a GPU never measured.
    """
    protocols = card.get("protocols")
    if protocols:
        for table in _flattened("out-of-group error", protocols):
            print_table(*table)
        print_table(*_compared(card))
        if not full and card.get("serving"):
            print_table(*_served(card["serving"]))
    for name, part in card.items():
        if (full and name != "protocols") or not protocols:
            for table in _flattened(_words(name), part):
                print_table(*table)


def _compared(card: Mapping[str, Any]) -> Table:
    """MdAPE of energy per protocol: the answer, each learner, each baseline."""
    names = ["", "answer"]
    lines = {
        p: [_words(p), _mdape(quantities.get("energy"))]
        for p, quantities in card["protocols"].items()
    }
    for part in ("learners", "baselines"):
        by_protocol = card.get(part, {})
        rivals = list(dict.fromkeys(name for row in by_protocol.values() for name in row))
        names += rivals
        for p, line in lines.items():
            line += [_mdape(by_protocol.get(p, {}).get(name)) for name in rivals]
    return (
        "energy: MdAPE of the answer, the learners and the baselines",
        names,
        list(lines.values()),
    )


def _served(card: Mapping[str, Any]) -> Table:
    """Joules per output token of model servers on a model and on a GPU that were never measured."""
    rows = {p: card.get("protocols", {}).get(p, {}).get("text", {}) for p in _SERVED}
    named = {p: row["energy"] for p, row in rows.items() if row.get("energy")}
    title = "model servers: out-of-group error of energy per output token (--full: all)"
    kept = {p: {n: v for n, v in row.items() if n != "n_models"} for p, row in named.items()}
    return _of_mapping(title, kept)


def _mdape(summary: Mapping[str, float] | None) -> str:
    return _percent(summary["mdape"]) if summary and summary.get("n") else "-"


def _flattened(title: str, part: Any) -> Iterator[Table]:  # noqa: ANN401
    """Tables of a nested part; three levels become one table per middle key (energy, time)."""
    if isinstance(part, list):
        yield from _of_records(title, part)
    elif _depth(part) == 0:
        yield title, [""], [[part]]
    elif _depth(part) == 1:
        yield title, ["", ""], list(part.items())
    elif _depth(part) == 2:
        yield _of_mapping(title, part)
    elif all(_depth(inner) == 2 for inner in part.values()):
        for middle in dict.fromkeys(key for inner in part.values() for key in inner):
            chosen = {row: inner[middle] for row, inner in part.items() if middle in inner}
            yield _of_mapping(f"{title}: {_words(middle)}", chosen)
    else:
        for key, inner in part.items():
            yield from _flattened(f"{title}: {_words(key)}", inner)


def _in_order(names: Iterable[str]) -> list[str]:
    """Figures in the order in which they are read, whatever order they were stored in."""
    first = ("n", "n_groups", "mdape", "mape", "p90", "bias", "coverage", "width")
    return sorted(dict.fromkeys(names), key=lambda n: first.index(n) if n in first else len(first))


def _of_mapping(title: str, part: Mapping[str, Any]) -> Table:
    rows = {k: v if isinstance(v, dict) else {"value": v} for k, v in part.items()}
    names = _in_order(key for row in rows.values() for key in row)
    return title, ["", *names], [[_words(k), *map(row.get, names)] for k, row in rows.items()]


def _of_records(title: str, part: Sequence[Any]) -> Iterator[Table]:
    """One table; where the records hold mappings (energy, time), one table for each of these."""
    rows = [row if isinstance(row, dict) else {"": row} for row in part]
    keys = list(dict.fromkeys(key for row in rows for key in row))
    inner = [key for key in keys if any(isinstance(row.get(key), dict) for row in rows)]
    own = [key for key in keys if key not in inner]
    if not inner:
        words = [key for key in keys if any(isinstance(row.get(key), str) for row in rows)]
        names = [*words, *_in_order(key for key in keys if key not in words)]
        yield title, names, [[row.get(name) for name in names] for row in rows]
    for key in inner:
        parts = [row.get(key) or {} for row in rows]
        below = list(dict.fromkeys(name for values in parts for name in values))
        lines = [
            [*map(row.get, own), *map(values.get, below)]
            for row, values in zip(rows, parts, strict=True)
        ]
        yield f"{title}: {_words(key)}", [*own, *below], lines


def _depth(part: Any) -> int:  # noqa: ANN401
    if isinstance(part, dict):
        return 1 + max(map(_depth, part.values()), default=0)
    return 0


def _words(name: Any) -> str:  # noqa: ANN401
    return str(name).replace("_", " ")


def _cell(name: str, value: Any) -> str:  # noqa: ANN401
    """`value` as a person reads it in the column `name`."""
    if value is None or value == "" or value != value:  # noqa: PLR0124 (NaN)
        return "-"
    if isinstance(value, bool | str):
        return str(value)
    percent = any(word in name.split("_") for word in _PERCENT)
    show = _SHOWN.get(name, _percent if percent else None)
    if show:
        return show(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return f"{value:,.3g}"


def print_table(title: str, names: Sequence[str], lines: Sequence[Sequence[Any]]) -> None:
    """Print `lines` of cells below the `names` of their columns."""
    from rich.console import Console
    from rich.table import Table as Grid

    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=_PIPE_WIDTH)
    shown = [[_cell(n, v) for n, v in zip(names, line, strict=True)] for line in lines]
    if title:
        console.print(title, style="italic", markup=False)
    table = Grid(box=None, pad_edge=False)
    for index, name in enumerate(names):
        cells = [line[index] for line in shown]
        figures = all(cell[:1].isdigit() or cell[:1] == "-" for cell in cells)
        head = _HEADS.get(name, _words(name))
        table.add_column(head, justify="right" if index and figures else "left", no_wrap=not index)
    for line in shown:
        table.add_row(*line)
    console.print(table, markup=False)
    console.print()


def as_json(value: Any) -> str:  # noqa: ANN401 (anything with a plain form)
    """`value` as JSON; a number that is not finite becomes ``null``."""
    return json.dumps(_plain(value), ensure_ascii=False, allow_nan=False, indent=2) + "\n"


def _plain(value: Any) -> Any:  # noqa: ANN401 (the same)
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, str | int | None):
        return value
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(inner) for inner in value]
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    return number if math.isfinite(number) else None
