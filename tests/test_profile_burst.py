"""`joulecast profile burst` as a user calls it, against servers on loopback that sleep and fail."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from joulecast.cli import main
from joulecast.core.run_files import read_runs
from tests.fakes.model_server import ModelServer
from tests.fakes.pages import Pages
from tests.fakes.scrapes import DCGM_A100

if TYPE_CHECKING:
    from pathlib import Path

    from joulecast.core.records import Run

LLAMA = "meta-llama/Llama-3.1-8B-Instruct-FP8"
SHORT = ["--seconds", "2", "--warmup", "0.3", "--drain", "3", "--arrivals", "constant", "--quiet"]
MADE_UP = ["--prompt-tokens", "64", "--output-tokens", "4"]
WATTS = ["--meter", "constant:100:gpu"]


def burst(
    capsys: pytest.CaptureFixture[str], url: str, folder: Path, *words: str
) -> tuple[int, str, str]:
    """Exit code, standard output and standard error."""
    asked = ["profile", "burst", "--url", url, "-o", str(folder), *SHORT, *words]
    code = main(asked)
    told = capsys.readouterr()
    return code, told.out, told.err


def kept(folder: Path) -> list[Run]:
    """The records, by rate."""
    runs = read_runs(folder).runs
    return sorted(runs, key=lambda r: getattr(r.setup.workload.serving, "rate_rps", 0) or 0)


def told(out: str) -> dict[str, Any]:
    """The one JSON object on standard output."""
    found: dict[str, Any] = json.loads(out)
    return found


def test_each_rate_becomes_a_record_that_estimates_can_lean_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Joules, seconds, answers and tokens of the window, the network, its weights, the server."""
    with ModelServer(LLAMA, ttft_s=0.01, tpot_s=0.002) as server:
        code, out, _ = burst(
            capsys, server.url, tmp_path, "--rps", "10,20,40", *MADE_UP, *WATTS, "--json"
        )
    answer = told(out)
    runs = kept(tmp_path)
    assert code == 0
    assert [p["rate_rps"] for p in answer["points"]] == [10, 20, 40]
    assert len({r.where["burst"] for r in runs}) == 1
    for run, rate in zip(runs, (10, 20, 40), strict=True):
        m, serving = run.measurement, run.setup.workload.serving
        assert run.setup.architecture.name == "llama-3.1-8b"
        assert (run.setup.workload.task, run.setup.workload.precision) == ("serve", "fp8")
        assert serving is not None
        assert m.burst is not None
        assert (serving.rate_rps, serving.engine) == (rate, "vllm")
        assert (serving.prompt_tokens, serving.output_tokens) == (64, 4)
        assert m.duration_s == pytest.approx(2.0, rel=0.1)
        assert m.energy_j["gpu"] == pytest.approx(100 * (m.duration_s or 0), rel=0.05)
        assert m.samples == m.burst.completed == pytest.approx(2 * rate, abs=3)
        assert m.energy_source["gpu"] == "constant"
        assert m.burst.running_mean is not None
        assert run.versions["engine"] == "0.9.1"
    table = {c["metric"]: c for c in answer["correlations"]}
    assert table["request_rate"]["rho"] == -1.0
    assert table["request_rate"]["n"] == 3


def test_the_screen_is_a_table_with_what_to_do_next(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line per rate; energies say how they were got; the next step is named."""
    with ModelServer("nobody-knows-this", ttft_s=0.01, tpot_s=0.002) as server:
        code, out, _ = burst(capsys, server.url, tmp_path, "--rps", "10", *MADE_UP, *WATTS)
    assert code == 0
    assert "J/req" in out
    assert "gpu (constant)" in out
    assert "--rps auto" in out
    assert "no network of the catalogue is called 'nobody-knows-this'" in out
    assert str(tmp_path) in out
    (run,) = kept(tmp_path)
    assert run.setup.architecture.params == 0


def test_no_request_repeats_another_of_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor the first one, sent alone: a prefix cache would answer for what is to be computed."""
    with ModelServer(LLAMA) as server:
        words = ["--rps", "5,10", "--shared", "0,0.01", *MADE_UP, *WATTS, "--seconds", "1"]
        assert burst(capsys, server.url, tmp_path, *words)[0] == 0
        texts = [body["messages"][0]["content"] for body in server.requests]
    assert len(texts) > 30
    assert len(set(texts)) == len(texts)


def test_the_shared_share_is_what_the_prefix_cache_hits(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Half of 64 tokens in blocks of 16, as the server itself counts."""
    with ModelServer(LLAMA, ttft_s=0.005) as server:
        words = ["--rps", "20", "--shared", "0,0.5", *MADE_UP, *WATTS]
        assert burst(capsys, server.url, tmp_path, *words)[0] == 0
    shares = {r.where["shared_frac"]: r.setup.workload.serving for r in kept(tmp_path)}
    assert shares["0"] is not None
    assert shares["0.5"] is not None
    assert shares["0"].cache_hit_frac == pytest.approx(0.0, abs=0.02)
    assert shares["0.5"].cache_hit_frac == pytest.approx(0.5, abs=0.05)


@pytest.mark.slow
def test_auto_finds_where_goodput_stalls(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One at a time and 100 ms each: ten per second."""
    with ModelServer(LLAMA, ttft_s=0.1, capacity=1) as server:
        words = ["--rps", "auto", "--prompt-tokens", "8", "--output-tokens", "1", *WATTS]
        code, out, _ = burst(capsys, server.url, tmp_path, *words, "--seconds", "1.5", "--json")
    found = told(out)["saturation"]
    assert code == 0
    assert told(out)["saturations"] == [{"shared_frac": None, **found}]
    assert found["rate_rps"] == pytest.approx(9.5, rel=0.25)
    assert found["low_rps"] <= 12.5  # a window of 1.5 s tells no closer
    assert found["high_rps"] >= 8.5


def test_power_of_another_machine_comes_from_its_exporter(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Watts of the A100 that NVIDIA's documentation shows; no meter of this machine beside it."""
    page = "\n".join(line for line in DCGM_A100.splitlines() if "TOTAL_ENERGY" not in line)
    with ModelServer(LLAMA, ttft_s=0.01) as server, Pages({"/metrics": page}) as pages:
        words = ["--rps", "20", *MADE_UP, "--hw", "hc4", "--power-from", pages.root + "/metrics"]
        assert burst(capsys, server.url, tmp_path, *words)[0] == 0
    (run,) = kept(tmp_path)
    assert run.setup.machine.id == "hc4"
    assert set(run.measurement.energy_j) == {"gpu"}
    assert run.measurement.energy_source["gpu"] == "nvml-power"
    assert run.measurement.power_w["gpu"] == pytest.approx(409.692, rel=0.02)


def test_a_gpu_that_the_exporter_does_not_tell_of_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is sent, for the joules would be those of half the server."""
    with ModelServer(LLAMA) as server, Pages({"/metrics": DCGM_A100}) as pages:
        words = ["--rps", "20", "--power-from", pages.root + "/metrics#gpu=0,1"]
        code, out, err = burst(capsys, server.url, tmp_path, *words)
        assert server.requests == []
    assert (code, out) == (2, "")
    assert "tells nothing of gpu=1" in err
    assert len(err.strip().splitlines()) == 1


def test_without_counters_the_shared_share_is_an_assumption(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A server that tells no cache hits and counts no tokens: said, with what was taken."""
    with ModelServer(LLAMA, ttft_s=0.005, metrics=False, usage=False) as server:
        words = ["--rps", "20", "--shared", "0.5", *MADE_UP, *WATTS, "--json"]
        code, out, err = burst(capsys, server.url, tmp_path, *words)
    (run,) = kept(tmp_path)
    assert code == 0
    assert run.measurement.burst is not None
    assert run.measurement.burst.cache_hit_frac is None
    assert "50% of the prompt taken as hit" in err
    assert told(out)["saturations"] == []


def test_what_had_to_be_assumed_is_told_beside_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Standard error has the notices of the server too, each once."""
    with ModelServer("nobody-knows-this", ttft_s=0.005) as server:
        words = ["--rps", "20,25", "--prompt-tokens", "64", *WATTS, "--json"]
        _, _, err = burst(capsys, server.url, tmp_path, *words)
    assert err.count("no network of the catalogue is called 'nobody-knows-this'") == 1


def test_a_key_that_is_missing_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A server that is locked says so by its first page."""
    with Pages({"/v1/models": "{}"}) as pages:
        pages.status = 401
        code, _, err = burst(capsys, pages.root + "/v1", tmp_path, "--rps", "1")
    assert code == 2
    assert "--api-key" in err


def test_failures_beside_answers_are_counted_by_kind(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every third request gets HTTP 500; the others count."""
    with ModelServer(LLAMA, ttft_s=0.005, fault="500", fault_every=3) as server:
        words = ["--rps", "30", *MADE_UP, *WATTS, "--json"]
        code, out, err = burst(capsys, server.url, tmp_path, *words)
    (point,) = told(out)["points"]
    assert code == 0
    assert set(point["errors"]) == {"HTTP 500"}
    assert point["errors"]["HTTP 500"] == pytest.approx(20, abs=2)
    assert point["figures"]["completed"] == pytest.approx(40, abs=3)
    assert "HTTP 500" in err


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("429", "HTTP 429: too many requests"),
        ("500", "HTTP 500"),
        ("stall", "stalled"),
        ("malformed", "malformed stream"),
        ("not-streaming", "not streaming"),
    ],
)
def test_a_server_that_answers_nothing_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fault: str, said: str
) -> None:
    """Told by one request before the load; nothing is kept of it."""
    with ModelServer(LLAMA, fault=fault) as server:
        words = ["--rps", "50", *MADE_UP, *WATTS, "--timeout", "0.5"]
        code, out, err = burst(capsys, server.url, tmp_path, *words)
    assert (code, out) == (2, "")
    assert said in err
    assert len(err.strip().splitlines()) == 1
    assert kept(tmp_path) == []


def test_nobody_at_the_url_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The server was stopped; then a URL that is none."""
    with Pages({}) as pages:
        url = pages.root
    for asked, said in ((url + "/v1", "Is the server up?"), ("localhost:8000", "no URL")):
        code, _, err = burst(capsys, asked, tmp_path, "--rps", "1")
        assert code == 2
        assert said in err
        assert len(err.strip().splitlines()) == 1


def test_a_server_that_dies_leaves_what_it_answered(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The second of two rates is cut short; both records are there, and the command says why."""
    server = ModelServer(LLAMA, ttft_s=0.005).__enter__()
    ending = threading.Timer(4.4, server.__exit__, (None, None, None))
    ending.start()
    words = ["--rps", "30,31", *MADE_UP, *WATTS, "--seconds", "3"]
    code, out, err = burst(capsys, server.url, tmp_path, *words)
    ending.join()
    first, second = kept(tmp_path)
    assert code == 2
    assert "is gone: 20 requests in a row failed: connection refused. What came is kept" in err
    assert "J/req" in out
    assert first.measurement.burst is not None
    assert first.measurement.burst.completed == pytest.approx(90, abs=4)
    assert second.status == "interrupted"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--rps", "0"], "above 0"),
        (["--rps", "nan"], "above 0"),
        (["--rps", "1", "--shared", "1.5"], "shares from 0 to 1"),
        (["--rps", "1", "--shared", "0.5", "--cache-hit", "sweep"], "say the same"),
        (["--rps", "1", "--api-key", "NO_SUCH_VARIABLE_X"], "no such variable"),
    ],
)
def test_what_cannot_be_meant_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    """Before anything is sent."""
    code, _, err = burst(capsys, "http://127.0.0.1:9/v1", tmp_path, *words)
    assert code == 2
    assert said in err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_burst_that_is_ended_keeps_what_it_had(tmp_path: Path, number: int, code: int) -> None:
    """Ctrl-C and a scheduler's signal, two seconds into the measured window."""
    with ModelServer(LLAMA, ttft_s=0.01) as server:
        words = ["profile", "burst", "--url", server.url, "--rps", "20", "--seconds", "60"]
        words += ["--warmup", "0.2", "-o", str(tmp_path), *MADE_UP, *WATTS]
        command = [sys.executable, "-m", "joulecast.cli", *words]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as job:
            until_s = time.monotonic() + 30
            while server.counters.succeeded < 40 and time.monotonic() < until_s:
                time.sleep(0.05)
            job.send_signal(number)
            out, err = job.communicate(timeout=30)
    (run,) = kept(tmp_path)
    assert job.returncode == code, err.decode()
    assert b"J/req" in out
    assert run.status == "interrupted"
    assert run.measurement.burst is not None
    assert run.measurement.burst.completed >= 20
    assert run.measurement.burst.failed == 0
    seconds = run.measurement.duration_s or 0
    assert run.measurement.energy_j["gpu"] == pytest.approx(100 * seconds, rel=0.1)
