"""Write today's figures into the README: the stored card's tables and the screen of the main job.

Run after a refit, in the environment that has joulecast installed: python scripts/readme_figures.py
"""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joulecast import api, cli

if TYPE_CHECKING:
    from collections.abc import Mapping

README = Path(__file__).resolve().parent.parent / "README.md"
PROTOCOLS = {
    "random": "nothing: a measured pair, random folds",
    "new-model": "the network (`model_group`)",
    "new-family": "the network family",
    "new-hardware": "the device",
    "new-pair": "network and device",
}
GIVEN = {
    "runs of other networks on it": "other models",
    "runs of the same network on it, another batch or limit": "same model",
    "the nearest such runs": "same model, near",
}
KS = (1, 3, 5)


def protocol_rows(card: Mapping[str, Any]) -> list[str]:
    """One line of the table per protocol."""
    rows = []
    for name, words in PROTOCOLS.items():
        found = card["protocols"][name]
        energy, beside = found["energy"], card["baselines"][name]
        groups = "5 random folds" if name == "random" else energy["n_groups"]
        cells = [
            words,
            f"{energy['mdape']:.1f} %",
            f"{energy['p90']:.0f} %",
            f"{energy['coverage']:.0f} %",
            f"x/÷ {energy['width']:.2f}",
            f"{found['time']['mdape']:.1f} %",
            f"{found['power']['mdape']:.1f} %",
            f"{beside['physics_constant']['mdape']:.1f} %",
            f"{beside['nearest_row']['mdape']:.0f} %",
            f"{beside['macs_constant']['mdape']:.0f} %",
            f"{energy['n']} ({groups})",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def short_run_rows(table: Mapping[str, Any]) -> list[str]:
    """One line of the table per kind of run that was given."""

    def cell(k: int, given: str) -> str:
        line = table.get(f"k = {k}, {given}")
        return f"{line['mdape']:.1f} % ({line['coverage']:.0f})" if line else "-"

    def before(given: str) -> str:
        return f"{table[f'k = 1, {given}']['mdape_before']:.1f} %"

    return [
        f"| {words} | {before(given)} | {' | '.join(cell(k, given) for k in KS)} |"
        for words, given in GIVEN.items()
    ]


def with_rows(text: str, head: str, rows: list[str]) -> str:
    """`text` with the body of the table whose first line begins with `head` replaced."""
    lines = text.splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith(head)) + 2
    last = first
    while lines[last].startswith("|"):
        last += 1
    return "\n".join([*lines[:first], *rows, *lines[last:]]) + "\n"


def main() -> None:
    """Rewrite the README in place."""
    card = api.card()
    screen = io.StringIO()
    with contextlib.redirect_stdout(screen):
        cli.estimate_main(["--model", "vgg16", "--hw", "hc3", "--epochs", "100"])
    text = README.read_text(encoding="utf-8")
    block = f"```text\n{screen.getvalue()}```"
    text = re.sub(r"```text\n.*?```", lambda _: block, text, flags=re.DOTALL)
    text = with_rows(text, "| left out |", protocol_rows(card))
    text = with_rows(text, "| asked of a machine left out", short_run_rows(card["short_runs"]))
    README.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
