"""Power of another machine, from pages that DCGM's exporter wrote, over real HTTP on loopback."""

from __future__ import annotations

import json
from typing import Any

import pytest

from joulecast.core.errors import MeterReadError, MeterUnavailable
from joulecast.profiler.meters import MeterContext, probe
from joulecast.profiler.session import Session, SessionOptions
from tests.fakes.clock import FakeClock
from tests.fakes.pages import Pages
from tests.fakes.scrapes import DCGM_A100, DCGM_T4

ENERGY = "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"
POWER = "DCGM_FI_DEV_POWER_USAGE"


def opened(url: str, clock: FakeClock | None = None) -> list[Any]:
    """The meters at the URL."""
    return [*probe("prometheus", MeterContext(options={"url": url}, clock=clock or FakeClock()))]


def gpus(count: int, energy_mj: float = 1e6, power_w: float = 100.0, labels: str = "") -> str:
    """A page of `count` GPUs, each with a counter and a power."""
    return "".join(
        f'{ENERGY}{{gpu="{i}",UUID="GPU-{i}"{labels}}} {energy_mj + i}\n'
        f'{POWER}{{gpu="{i}",UUID="GPU-{i}"{labels}}} {power_w + i}\n'
        for i in range(count)
    )


def vector(*values: tuple[str, dict[str, str], float]) -> str:
    """An answer of a Prometheus server to an instant query."""
    result: list[dict[str, Any]] = [
        {"metric": dict(labels, __name__=name), "value": [1435781451.781, str(value)]}
        for name, labels, value in values
    ]
    return json.dumps({"status": "success", "data": {"resultType": "vector", "result": result}})


def test_an_a100_s_counter_is_read_in_joules() -> None:
    """The exporter counts millijoules; the counter is taken before the power."""
    with Pages({"/metrics": DCGM_A100}) as pages:
        (meter,) = opened(pages.root + "/metrics")
        assert meter.read_energy_j() == pytest.approx(319159.391)
        assert (meter.scope, meter.energy_source) == ("gpu", "nvml-counter")
        assert meter.facts["host"] == "ub20-a100-k8s"
        assert meter.facts["uuid"].startswith("GPU-34319582")


def test_a_gpu_without_a_counter_is_read_in_watts() -> None:
    """As DCGM writes it for boards that count no energy."""
    page = "\n".join(line for line in DCGM_T4.splitlines() if ENERGY not in line)
    with Pages({"/metrics": page}) as pages:
        (meter,) = opened(pages.root)
        assert meter.read_power_w() == pytest.approx(8.969)
        assert meter.energy_source == "nvml-power"
        assert meter.facts["name"] == "Tesla T4"


def test_a_number_that_stands_for_unknown_is_no_reading() -> None:
    """DCGM's blank values are near 2^63: at first the meter is not offered, later it fails."""
    blank = DCGM_A100.replace("319159391", "9223372036854775794")
    with Pages({"/metrics": blank}) as pages:
        clock = FakeClock()
        (meter,) = opened(pages.root, clock)
        assert meter.energy_source == "nvml-power"
        pages.texts["/metrics"] = blank.replace("409.692000", "9223372036854775794")
        clock.advance(1.0)
        with pytest.raises(MeterReadError, match="cannot be"):
            meter.read_power_w()


def test_one_meter_per_gpu_and_a_shared_page() -> None:
    """Four GPUs are read with one request per half second."""
    with Pages({"/metrics": gpus(4)}) as pages:
        clock = FakeClock()
        meters = opened(pages.root + "/metrics", clock)
        clock.advance(1.0)
        before = len(pages.asked)
        assert [m.read_energy_j() for m in meters] == pytest.approx(
            [1e3, 1000.001, 1000.002, 1000.003]
        )
        assert len(pages.asked) == before + 1
        assert len({m.name for m in meters}) == 4


def test_labels_behind_the_hash_choose_gpus_and_host() -> None:
    """A page of a cluster has GPUs that do not serve."""
    page = gpus(4, labels=',Hostname="a"') + gpus(4, labels=',Hostname="b"').replace("GPU-", "B-")
    with Pages({"/metrics": page}) as pages:
        meters = opened(pages.root + "/metrics#gpu=1,2&Hostname=b")
        assert [m.facts["uuid"] for m in meters] == ["B-1", "B-2"]
        with pytest.raises(MeterUnavailable, match="as chosen"):
            opened(pages.root + "/metrics#gpu=9")


def test_a_chosen_gpu_that_is_not_there_is_refused() -> None:
    """Two of three would be two thirds of the energy."""
    with Pages({"/metrics": gpus(2)}) as pages:
        with pytest.raises(MeterUnavailable, match=r"tells nothing of gpu=5, gpu=7\."):
            opened(pages.root + "/metrics#gpu=0,5,7")
        assert len(opened(pages.root + "/metrics#gpu=0&gpu=1")) == 2


@pytest.mark.parametrize("choice", ["0,1", "gpu"])
def test_a_choice_without_a_label_is_refused(choice: str) -> None:
    """It would choose all of them."""
    with Pages({"/metrics": gpus(2)}) as pages:
        with pytest.raises(MeterUnavailable, match="#gpu=0,1&Hostname=a"):
            opened(f"{pages.root}/metrics#{choice}")
        with pytest.raises(MeterUnavailable, match="as chosen"):
            opened(f"{pages.root}/metrics#gpu=")


def test_a_gpu_that_tells_nothing_usable_is_reported() -> None:
    """Others are read, and the one that is left out is named."""
    page = gpus(2).replace("1000001.0", "9223372036854775794").replace("101.0", "0")
    told: list[MeterUnavailable] = []
    with Pages({"/metrics": page}) as pages:
        url = pages.root + "/metrics"
        context = MeterContext(options={"url": url}, clock=FakeClock(), report=told.append)
        assert len(probe("prometheus", context)) == 1
    assert [str(t) for t in told] == [
        "prometheus: DCGM_FI_DEV_POWER_USAGE of GPU-1 is 0, which cannot be."
    ]


def test_a_page_that_fails_fails_all_its_devices_at_once() -> None:
    """Eight GPUs do not wait for eight time-outs."""
    with Pages({"/metrics": gpus(8)}) as pages:
        clock = FakeClock()
        meters = opened(pages.root + "/metrics", clock)
        pages.status = 503
        clock.advance(1.0)
        before = len(pages.asked)
        for meter in meters:
            with pytest.raises(MeterReadError, match="HTTP 503"):
                meter.read_energy_j()
        assert len(pages.asked) == before + 1


def test_a_gpu_told_for_each_pod_counts_once() -> None:
    """Shared GPUs have a line per pod; the energy is the board's."""
    page = gpus(1, labels=',pod="x"') + gpus(1, labels=',pod="y"')
    with Pages({"/metrics": page}) as pages:
        assert len(opened(pages.root)) == 1


def test_a_pod_that_starts_meanwhile_changes_nothing() -> None:
    """The board is known by its UUID, whatever other labels its line gets."""
    with Pages({"/metrics": gpus(1)}) as pages:
        clock = FakeClock()
        (meter,) = opened(pages.root, clock)
        pages.texts["/metrics"] = gpus(1, energy_mj=2e6, labels=',pod="new"')
        clock.advance(1.0)
        assert meter.read_energy_j() == pytest.approx(2000.0)


def test_a_gpu_that_vanishes_is_a_failed_reading() -> None:
    """Its meter says so; the others go on."""
    with Pages({"/metrics": gpus(2)}) as pages:
        clock = FakeClock()
        first, second = opened(pages.root, clock)
        pages.texts["/metrics"] = gpus(1)
        clock.advance(1.0)
        assert first.read_energy_j() > 0
        with pytest.raises(MeterReadError, match="not told any more"):
            second.read_energy_j()


def test_http_failures_are_failed_readings() -> None:
    """An error of the exporter, then one that is gone."""
    with Pages({"/metrics": gpus(1)}) as pages:
        clock = FakeClock()
        (meter,) = opened(pages.root, clock)
        pages.status = 503
        clock.advance(1.0)
        with pytest.raises(MeterReadError, match="HTTP 503"):
            meter.read_energy_j()
        pages.status = 200
        clock.advance(1.0)
        assert meter.read_energy_j() == pytest.approx(1000.0)
        pages.stop()
        clock.advance(1.0)
        with pytest.raises(MeterReadError, match="nobody answers"):
            meter.read_energy_j()


def test_a_prometheus_server_is_asked_for_each_metric() -> None:
    """The address alone will do: it has no metrics page of GPUs, but answers queries."""
    gpu = {"UUID": "GPU-0", "gpu": "0", "instance": "node:9400"}
    package = {"index": "0", "instance": "node:9100", "path": "/sys/class/powercap/intel-rapl:0"}
    texts = {
        "/metrics": "prometheus_build_info 1\n",
        "/api/v1/query": vector(),
        f"/api/v1/query?query={ENERGY}": vector((ENERGY, gpu, 319159391)),
        f"/api/v1/query?query={POWER}": vector((POWER, gpu, 409.692)),
        "/api/v1/query?query=node_rapl_package_joules_total": vector(
            ("node_rapl_package_joules_total", package, 5000.5)
        ),
    }
    with Pages(texts) as pages:
        counted, cpu = opened(pages.root)
        assert counted.read_energy_j() == pytest.approx(319159.391)
        assert (cpu.scope, cpu.energy_source, cpu.read_energy_j()) == ("cpu", "rapl", 5000.5)


def test_an_answer_that_is_no_prometheus_server_s_is_a_failed_reading() -> None:
    """HTML, or JSON of something else."""
    texts = {"/api/v1/query": vector((POWER, {"UUID": "GPU-0"}, 50.0))}
    with Pages(texts) as pages:
        clock = FakeClock()
        (meter, *_) = opened(pages.root + "/api/v1/query", clock)
        for answer in ("<html>", '{"status": "success"}', '{"data": {"result": [1]}}'):
            pages.texts["/api/v1/query"] = answer
            clock.advance(1.0)
            with pytest.raises(MeterReadError, match="Prometheus server"):
                meter.read_power_w()


@pytest.mark.parametrize("url", ["", "host:9400", "ftp://host/metrics", "http://"])
def test_what_is_no_url_is_refused_with_an_example(url: str) -> None:
    """Before anything is measured."""
    with pytest.raises(MeterUnavailable, match="9400/metrics"):
        opened(url)


def test_a_page_without_power_is_refused() -> None:
    """A model server's own page has none."""
    with Pages({"/metrics": "vllm:num_requests_running 1\n"}) as pages:
        with pytest.raises(MeterUnavailable, match="tells no power"):
            opened(pages.root + "/metrics")
        with pytest.raises(MeterUnavailable, match="HTTP 404"):
            opened(pages.root + "/nothing")
    with pytest.raises(MeterUnavailable, match="nobody answers"):
        opened(pages.root + "/metrics")


def test_a_session_adds_up_what_it_saw_and_survives_a_reset() -> None:
    """100 W for 60 s are 6 kJ, though the driver was loaded anew after half of it."""
    with Pages({"/metrics": gpus(1, energy_mj=500e6)}) as pages:
        clock = FakeClock()
        options = SessionOptions(meters=tuple(opened(pages.root, clock)), clock=clock, thread=False)
        session = Session(options=options).start()
        for second in range(1, 61):
            clock.advance(1.0)
            counted_mj = 500e6 + second * 100e3 if second <= 30 else (second - 30) * 100e3
            pages.texts["/metrics"] = gpus(1, energy_mj=counted_mj)
            session.tick()
        run = session.stop()
    assert run.measurement.energy_j["gpu"] == pytest.approx(6000.0, rel=0.03)
    assert any("started again" in notice for notice in run.measurement.notices)
