"""The papers' MAC reference, and our counts within 5 % of it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import warnings

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from joulecast.core.errors import MissingExtra
from joulecast.profiler.counters import count_module, fvcore_macs

NETWORKS = ("vgg16", "resnet18", "mobilenetv2", "densenet121", "googlenet", "senet18")


class Attend(nn.Module):
    """Fused attention, which fvcore drops by itself."""

    def forward(self, x: Tensor) -> Tensor:
        """Attend to itself."""
        return F.scaled_dot_product_attention(x, x, x)


def test_counts_macs_and_fused_attention() -> None:
    """A linear layer says MACs, not flops; attention has its formula."""
    assert fvcore_macs(nn.Linear(16, 10), (16,)) == 160
    assert fvcore_macs(Attend(), (2, 5, 8)) == 2 * 2 * 5 * 5 * 8


def test_mode_and_random_state_are_restored_in_silence() -> None:
    """Modes of all submodules come back; nothing is warned about."""
    net = nn.Sequential(nn.Linear(4, 4), nn.Dropout())
    net[1].eval()
    state = torch.get_rng_state()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fvcore_macs(net, (4,))
    assert [net.training, net[0].training, net[1].training] == [True, True, False]
    assert torch.equal(torch.get_rng_state(), state)


def test_missing_fvcore_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without fvcore the exact command is named."""
    monkeypatch.setitem(sys.modules, "fvcore.nn", None)
    with pytest.raises(MissingExtra, match=r"joulecast\[torch\]"):
        fvcore_macs(nn.Linear(2, 2), (2,))


@pytest.mark.parametrize("network", NETWORKS)
def test_agrees_with_fvcore_within_five_percent(network: str) -> None:
    """The networks of the study; fvcore also counts norms and pools, so it is never below."""
    if importlib.util.find_spec(f"joulecast.models.{network}") is None:
        pytest.skip(f"models/{network}.py is not there")
    module = importlib.import_module(f"joulecast.models.{network}")
    net = module.build(10)
    counted = count_module(net, module.INPUT_SHAPE, name=network)
    reference = fvcore_macs(net, module.INPUT_SHAPE)
    assert counted.macs == pytest.approx(reference, rel=0.05)
    assert counted.macs <= reference
    assert counted.uncounted == ()
