"""Time on unseen GPUs: which rows are fitted on, which asked, and the figures by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulecast.core.records import Measurement, Run, Setup, Workload
from joulecast.datasets import architectures, hardware
from joulecast.estimator import columns, physics
from joulecast.estimator.frame import frame_of
from joulecast.estimator.studies import Case, unseen_gpu_time

BERT, GPT = (architectures.find(name) for name in ("bert-large", "gpt2-large"))
OLD = ("v100-pcie-32gb", "a100-pcie-40gb", "t4")
TWICE = (False, True)
NEW = ("h100-sxm", "l4", "mi100")


def _run(device: str, slower: float = 1.0, *, gpt: bool = False, train: bool = False) -> Run:
    """A run that takes `slower` times as long as the priors say."""
    network = GPT if gpt else BERT
    workload = Workload(task="train" if train else "infer", batch_size=8, optimiser="none")
    setup = Setup(hardware.machine(device), network, workload, "gpu")
    said = physics.predict(columns.from_setups([setup]), physics.default_coefficients())
    time_s = float(said["sample_s"][0]) * slower
    return Run(
        setup=setup,
        measurement=Measurement(energy_j={}, duration_s=time_s, samples=1.0),
        source="any",
        model_group=network.name,
        model_family=network.name,
        hardware_id=device,
    )


def _records(runs: list[Run]) -> list[dict[str, str | float]]:
    case = Case(frame_of(runs), runs, {}, {})
    return [dict(record) for record in unseen_gpu_time.records(case)]


@pytest.fixture(name="older")
def _older() -> list[Run]:
    """Older devices where the priors are exactly right."""
    return [_run(d, gpt=gpt, train=t) for d in OLD for gpt in TWICE for t in TWICE]


def test_errors_by_hand(older: list[Run]) -> None:
    """Devices 25 % slower, 20 % faster and as said: errors 20, 25 and 0 %, AMD apart."""
    asked = [_run("h100-sxm", 1.25), _run("l4", 0.8), _run("h100-sxm", train=True)]
    found = _records([*older, *asked, _run("mi100", 2.0)])
    labels = [(r["vendor"], r["device"], r["task"], r["n"]) for r in found]
    assert labels == [
        ("NVIDIA", "all", "all", 3),
        ("NVIDIA", "h100-sxm", "infer", 1),
        ("NVIDIA", "h100-sxm", "train", 1),
        ("NVIDIA", "l4", "infer", 1),
        ("AMD", "all", "all", 1),
        ("AMD", "mi100", "infer", 1),
    ]
    wanted = [15.0, 20.0, 0.0, 25.0, 50.0, 50.0]
    assert [r["mape"] for r in found] == pytest.approx(wanted, abs=0.5)
    assert found[0]["mdape"] == pytest.approx(20.0, abs=0.5)


def test_only_time_of_eager_fp32_on_one_gpu_counts(older: list[Run]) -> None:
    """Rows with power, a variant, several GPUs, half precision or images are left out."""
    one = _run("h100-sxm")
    workload, machine = one.setup.workload, one.setup.machine
    resnet = architectures.find("torchvision:resnet50")
    others = [
        replace(one, measurement=replace(one.measurement, power_w={"gpu": 300.0})),
        replace(one, where={"variant": "fusion"}),
        replace(one, setup=replace(one.setup, machine=replace(machine, n_gpus=4))),
        replace(one, setup=replace(one.setup, workload=replace(workload, precision="fp16"))),
        replace(one, setup=replace(one.setup, architecture=resnet)),
    ]
    runs = [*older, one, *others]
    mask = unseen_gpu_time.of_the_split(frame_of(runs), runs)
    assert mask.tolist() == [True] * (len(older) + 1) + [False] * len(others)


def test_nothing_of_the_asked_devices_is_fitted_on(older: list[Run]) -> None:
    """However wrong the asked rows are, the answers stay."""
    near, far = (_records([*older, _run("l4", slower)]) for slower in (2.0, 4.0))
    assert near[0]["mape"] == pytest.approx(50.0, abs=0.5)
    assert far[0]["mape"] == pytest.approx(75.0, abs=0.5)


def test_roofline_by_hand(older: list[Run]) -> None:
    """2 MACs per sample over peak; its one constant is the median ratio of the older rows."""
    asked = _run("h100-sxm")
    c = columns.from_setups([r.setup for r in [*older, asked]])
    roofline_s = np.exp(unseen_gpu_time.log_roofline_s(c))
    assert roofline_s[-1] == pytest.approx(2 * BERT.macs / 66.9e12)
    measured_s = np.array([r.measurement.duration_s or np.nan for r in [*older, asked]])
    constant = np.exp(np.median(np.log(measured_s / roofline_s)[:-1]))
    wanted = 100 * abs(constant * roofline_s[-1] / measured_s[-1] - 1)
    assert _records([*older, asked])[0]["roofline_mape"] == pytest.approx(wanted)


def test_without_older_devices_there_is_nothing_to_say() -> None:
    """Rows of new devices alone make no study."""
    assert _records([_run(d) for d in NEW]) == []
