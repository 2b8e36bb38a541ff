"""The machine of a model server and the network it serves, before a burst is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from joulecast.asking_burst import Server, network_served, precision_served
from joulecast.core.errors import BadInput
from joulecast.options import joulecast_parser
from joulecast.profiling_burst_desk import open_burst_desk
from tests.fakes.pages import Pages
from tests.fakes.scrapes import DCGM_A100

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

LLAMA = "meta-llama/Llama-3.1-8B-Instruct-FP8"


def asked(url: str, folder: Path, *words: str) -> argparse.Namespace:
    """The options as read."""
    words = ("profile", "burst", "--url", url, "--rps", "1", "-o", str(folder), *words)
    return joulecast_parser().read(words)


def remote(url: str) -> Server:
    """A server at `url` of which all is known."""
    network, family, _ = network_served(LLAMA, None)
    return Server(url, LLAMA, "", "vllm", "0.9.1", network, family, "fp8")


def test_gpus_of_the_page_and_of_the_machine_are_held_against_each_other(tmp_path: Path) -> None:
    """One on the page, two in hc4: a doubt, unless one is said to serve."""
    server = remote("http://gpu-node:8000/v1")
    with Pages({"/metrics": DCGM_A100}) as pages:
        words = ["--power-from", pages.root + "/metrics", "--hw", "hc4"]
        here = open_burst_desk(asked(server.url, tmp_path, *words), server).here
        assert any("tells of 1 GPUs, hc4 has 2" in notice for notice in here.notices)
        assert [m.name for m in here.meters] == ["prometheus:0"]
        sure = open_burst_desk(asked(server.url, tmp_path, *words, "--gpus", "1"), server).here
        assert sure.notices == ()


def test_a_meter_by_name_stands_beside_the_exporter(tmp_path: Path) -> None:
    """The page's GPU and the stated watts of the processors; the machine has no name."""
    server = remote("http://gpu-node:8000/v1")
    with Pages({"/metrics": DCGM_A100}) as pages:
        words = ["--power-from", pages.root + "/metrics", "--meter", "constant:80:cpu"]
        here = open_burst_desk(asked(server.url, tmp_path, *words), server).here
    assert [m.scope for m in here.meters] == ["gpu", "cpu"]
    assert here.machine.id == ""
    with pytest.raises(BadInput, match="--hw NAME"):
        open_burst_desk(asked(server.url, tmp_path, *words, "--gpus", "2"), server)


def test_meters_of_this_machine_do_not_see_a_server_elsewhere(tmp_path: Path) -> None:
    """No watts of the client are taken for the server's, and the desk says so."""
    server = remote("http://gpu-node:8000/v1")
    assert not server.is_here
    desk = open_burst_desk(asked(server.url, tmp_path), server)
    assert desk.here.meters == ()
    assert any("--power-from" in notice for notice in desk.here.notices)
    assert any("--hw" in notice for notice in desk.here.notices)
    assert remote("http://127.0.0.1:8000/v1").is_here


def test_gpus_that_serve_are_those_of_the_record(tmp_path: Path) -> None:
    """One of hc4's two."""
    server = remote("http://gpu-node:8000/v1")
    ask = asked(server.url, tmp_path, "--hw", "hc4", "--gpus", "1")
    assert open_burst_desk(ask, server).here.machine.n_gpus == 1


@pytest.mark.parametrize(
    ("model", "network", "precision"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", "llama-3.1-8b", "bf16"),
        ("RedHatAI/Llama-3.2-1B-Instruct-FP8", "llama-3.2-1b", "fp8"),
        ("Qwen/Qwen2.5-7B-Instruct-AWQ", "qwen2.5-7b", "int4"),
        ("Qwen/Qwen2.5-7B-Instruct-GPTQ-Int8", "qwen2.5-7b", "int8"),
    ],
)
def test_a_model_s_name_tells_network_and_weights(model: str, network: str, precision: str) -> None:
    """As publishers on model hubs write them."""
    assert network_served(model, None)[0].name == network
    assert precision_served(model, None)[0] == precision


def test_llama_cpp_s_words_for_the_width_of_weights() -> None:
    """Its blocks of 8 and of 4 bits."""
    assert precision_served("Qwen2.5-7B-Instruct-Q8_0.gguf", None) == ("int8", ())
    assert precision_served("Qwen2.5-7B-Instruct-Q4_K_M.gguf", None) == ("int4", ())
