"""Times to the first and per further token: known answers, recovery, directions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from joulecast.core.records import Setup, Workload
from joulecast.core.serving import Serving
from joulecast.datasets import architectures, hardware
from joulecast.estimator.serving import latency, physics
from joulecast.estimator.serving.columns import columns_of

MODELS = ("llama-3.1-8b", "llama-3.1-70b", "qwen3-30b-a3b", "deepseek-v3", "qwen3.5-397b-a17b")
MACHINES = ("8xh100-sxm", "8xb200")


def loop(model: str, machine: str, clients: float, engine: str, prompt: float = 1024) -> Setup:
    """A closed loop on eight GPUs."""
    serving = Serving(prompt, 512, concurrency=clients, engine=engine, engine_year=2025.9)
    serving = replace(serving, tensor_parallel=8)
    network = architectures.find(f"llm:{model}")
    workload = Workload(task="serve", precision="fp8", framework=engine, serving=serving)
    return Setup(hardware.machine(machine), network, workload, "gpu")


SETUPS = [
    loop(model, machine, clients, engine, prompt)
    for model in MODELS
    for machine in MACHINES
    for engine in ("vllm", "trtllm", "sglang")
    for clients, prompt in ((4, 256), (16, 1024), (64, 4096))
]


@pytest.fixture(scope="module")
def fitted() -> latency.Latency:
    """Fitted to what physics says: 1.3 iterations per token, three fills to the first."""
    c = columns_of(SETUPS)
    tpot_s, ttft_s = made_up()
    return latency.fit(c, ttft_s, tpot_s, np.ones(len(SETUPS)))


def made_up() -> tuple[np.ndarray, np.ndarray]:
    """Seconds per token and to the first, slower than physics by known factors."""
    c = columns_of(SETUPS)
    clients = c["concurrency"]
    t = physics.step(c, physics.default_coefficients(), clients)
    tpot_s = 1.3 * t["step_s"]
    return tpot_s, 2 * tpot_s + 3 * t["prompt_s"] * (1 + 0.05 * clients)


def test_known_times_are_recovered(fitted: latency.Latency) -> None:
    """Times that differ from physics by known factors come back to a tenth in the median."""
    told = latency.times(columns_of(SETUPS), fitted)
    tpot_s, ttft_s = made_up()
    assert np.median(np.abs(np.log(told["tpot_s"] / tpot_s))) < 0.1
    assert np.median(np.abs(np.log(told["ttft_s"] / ttft_s))) < 0.2


@pytest.mark.parametrize("engine", ["vllm", "trtllm", "sglang", "an engine of mine"])
def test_more_clients_and_longer_prompts_wait_longer(fitted: latency.Latency, engine: str) -> None:
    """Both times rise with the clients; the first token's with the prompt."""
    few, many = (loop("llama-3.1-8b", "8xh100-sxm", n, engine) for n in (4, 64))
    long = loop("llama-3.1-8b", "8xh100-sxm", 4, engine, 8192)
    told = latency.times(columns_of([few, many, long]), fitted)
    assert told["tpot_s"][1] > told["tpot_s"][0]
    assert told["ttft_s"][1] > told["ttft_s"][0]
    assert told["ttft_s"][2] > told["ttft_s"][0]


def test_clients_without_room_wait(fitted: latency.Latency) -> None:
    """Where keys and values of 4,096 clients do not fit, the first token waits for whole lives."""
    crowded = loop("llama-3.1-70b", "8xh100-sxm", 4096, "vllm", 8192)
    told = latency.times(columns_of([crowded]), fitted)
    assert told["ttft_s"][0] > 512 * told["tpot_s"][0]


def test_structure_by_hand() -> None:
    """DeepSeek attends latently, Qwen3.5 recurs, both have experts, Llama has neither."""
    names = ("deepseek-v3", "qwen3.5-397b-a17b", "llama-3.1-8b")
    c = columns_of([loop(n, "8xh100-sxm", 8, "sglang") for n in names])
    found = latency.structure(c)
    assert found[:, 0].tolist() == [1, 0, 0]
    assert found[:, 1].tolist() == [0, 1, 0]
    assert found[:, 2].tolist() == [1, 1, 0]
    assert found[:, 3].tolist() == [0, 0, 0]
    assert found[:, 4].tolist() == [1, 1, 1]
    assert found[:, 7] == pytest.approx(np.log(8) / 2)
