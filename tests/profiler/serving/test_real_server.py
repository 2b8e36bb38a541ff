"""Bursts on a real model server: a tiny random Llama under `transformers serve` on this CPU.

The server is a process of its own on loopback; nothing is fetched and it gets few requests.
"""

from __future__ import annotations

import http.client
import os
import socket
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from joulecast.cli import main
from joulecast.core.run_files import read_runs
from tests.fakes import tiny_llama

if TYPE_CHECKING:
    from collections.abc import Iterator

NEEDED = ("torch", "transformers", "tokenizers", "fastapi", "uvicorn", "openai", "aiohttp")
MISSING = [name for name in NEEDED if find_spec(name) is None]
SERVE = Path(sys.executable).with_name("transformers")
START_S = 60.0

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}"),
    pytest.mark.skipif(not SERVE.is_file(), reason="the command 'transformers' is not installed"),
]


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def is_up(port: int) -> bool:
    """Whether the server answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1.0)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """URL and model of the server."""
    folder, home = tmp_path_factory.mktemp("tiny-llama"), tmp_path_factory.mktemp("hub")
    (home / "hub").mkdir()
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_HOME": str(home)}
    environ = {**os.environ, **offline, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    made = [sys.executable, tiny_llama.__file__, str(folder)]
    subprocess.run(made, check=True, env=environ, capture_output=True, timeout=START_S)
    port = free_port()
    command = [str(SERVE), "serve", str(folder), "--device", "cpu", "--host", "127.0.0.1"]
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(
            [*command, "--port", str(port)], env=environ, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            until_s = time.monotonic() + START_S
            while not is_up(port):
                if server.poll() is not None or time.monotonic() > until_s:
                    pytest.fail(f"no server: {(home / 'log').read_text()[-2000:]}")
                time.sleep(0.2)
            yield f"http://127.0.0.1:{port}/v1", str(folder)
        finally:
            server.terminate()
            server.wait(10)


def test_a_real_server_is_measured_at_two_rates(
    served: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It streams, counts its tokens and is answered for; 65 W are a stated figure, not a sensor's.

    The words of made-up prompts are unknown to its tokenizer, one token each, and it ends no answer
    early: lengths are exact.
    """
    url, model = served
    words = ["--url", url, "--model", model, "--network", "llama-3.2-1b", "--precision", "fp32"]
    words += ["--rps", "2,6", "--seconds", "4", "--warmup", "1", "--arrivals", "constant"]
    words += ["--prompt-tokens", "32", "--output-tokens", "8", "--engine", "transformers"]
    code = main(["profile", "burst", *words, "--meter", "constant:65", "-o", str(tmp_path)])
    out = capsys.readouterr().out
    runs = sorted(read_runs(tmp_path).runs, key=lambda r: r.measurement.samples or 0)
    assert code == 0, out
    assert len(runs) == 2
    for run, rate in zip(runs, (2, 6), strict=True):
        m, serving = run.measurement, run.setup.workload.serving
        assert m.burst is not None
        assert serving is not None
        assert m.burst.failed == 0
        assert m.burst.completed == pytest.approx(4 * rate, abs=2)
        assert (serving.prompt_tokens, serving.output_tokens) == (32, 8)
        assert m.energy_j["cpu"] == pytest.approx(65 * (m.duration_s or 0), rel=0.05)
        assert m.energy_source["cpu"] == "constant"
        assert m.burst.ttft is not None
        assert m.burst.itl is not None
        assert m.burst.latency is not None
        assert 0 < m.burst.ttft.p50_s < m.burst.latency.p50_s
        times = m.burst.ttft.p50_s + 7 * m.burst.itl.p50_s
        assert m.burst.latency.p50_s == pytest.approx(times, rel=0.5)
    assert "J/req" in out
