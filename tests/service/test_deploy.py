"""The examples of deploy/ speak of options and metrics that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

from joulecast import options_serve
from joulecast.options import Parser
from tests.fakes.service import asking

DEPLOY = Path(__file__).resolve().parent.parent.parent / "deploy"
OF_PROMETHEUS = {"process_resident_memory_bytes", "process_cpu_seconds_total"}


def told() -> str:
    """The text of the service's metrics after a request."""
    with asking() as client:
        client.post("/v1/estimate", json={"model": "vgg16", "hardware": "hc3"})
        return str(client.get("/metrics").text)


def test_panels_and_rules_name_metrics_that_there_are() -> None:
    """A panel over a metric that nobody counts would stay empty without a word."""
    panels = json.loads((DEPLOY / "grafana-joulecast.json").read_text())["panels"]
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    asked.append((DEPLOY / "joulecast.rules.yml").read_text())
    names = {name for text in asked for name in re.findall(r"\b(?:joulecast|process)_\w+", text)}
    text = told()
    assert len({panel["id"] for panel in panels}) == len(panels)
    for name in names:
        plain = name.removesuffix("_bucket")
        assert f"# TYPE {plain} " in text, name
        assert plain in OF_PROMETHEUS or plain.startswith("joulecast_")


@pytest.mark.parametrize("name", ["Containerfile", "joulecast.service"])
def test_commands_use_options_that_there_are(name: str) -> None:
    """What starts the service is understood by it."""
    text = (DEPLOY / name).read_text().replace("\\\n", " ")
    parser = Parser(prog="joulecast")
    options_serve.add_serve(parser.add_subparsers(dest="verb", parser_class=Parser))
    starts = re.search(
        r"^(?:ENTRYPOINT \[(.*)\]|ExecStart=\S*joulecast (serve .*))$", text, re.MULTILINE
    )
    assert starts is not None
    listed, plain = starts.groups()
    words = json.loads(f"[{listed}]")[1:] if listed else plain.split()
    ask = parser.read(words)
    assert ask.verb == "serve"
    assert ask.host == "0.0.0.0"  # noqa: S104 (inside the container; there tokens are needed)


def test_the_container_is_nobodys_root() -> None:
    """It runs as a user of its own, and the unit writes to its state only."""
    container = (DEPLOY / "Containerfile").read_text()
    unit = (DEPLOY / "joulecast.service").read_text()
    assert re.findall(r"^USER (\d+)$", container, re.MULTILINE) == ["10001"]
    for line in ("DynamicUser=yes", "ProtectSystem=strict", "NoNewPrivileges=yes"):
        assert line in unit.splitlines()
