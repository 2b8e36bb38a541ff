"""The user's network is left as it was, and stand-ins behave like it."""

from __future__ import annotations

import random
from typing import Any

import torch
from torch import Tensor, nn

from joulecast.profiler.counters import count_module
from joulecast.profiler.counters_meta import stand_in, to_meta, unwrap


class Caching(nn.Module):
    """Keeps what it saw, as rotary caches do."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(4, 4)
        self.scale = torch.ones(4)
        self.seen: list[Tensor] = []
        self.last: Tensor | None = None
        self.act = self.bend

    def bend(self, x: Tensor) -> Tensor:
        """Scale; reached through a bound method kept as an attribute."""
        return x * self.scale

    def forward(self, x: Tensor) -> Tensor:
        """Remember the input."""
        self.seen.append(x)
        self.last = x
        return self.act(self.linear(x)) + torch.arange(4)


def test_network_is_untouched() -> None:
    """Mode, device, parameters, state, hooks and random numbers are what they were."""
    net = nn.Sequential(Caching(), nn.Dropout(), nn.BatchNorm1d(4))
    net[1].eval()
    calls: list[str] = []
    net.register_forward_hook(lambda *_: calls.append("hook"))
    net.register_forward_pre_hook(lambda *_: calls.append("pre"))
    held = {key: (id(t), t.device, t.clone()) for key, t in net.state_dict(keep_vars=True).items()}
    random_state, plain_state = torch.get_rng_state(), random.getstate()
    counted = count_module(net, (4,), name="net")
    assert counted.macs == 16
    assert [m.training for m in net] == [True, False, True]
    for key, tensor in net.state_dict(keep_vars=True).items():
        identity, device, value = held[key]
        assert (id(tensor), tensor.device) == (identity, device)
        assert torch.equal(tensor, value)
    first = net[0]
    assert isinstance(first, Caching)
    assert not first.seen
    assert first.last is None
    assert not calls
    assert torch.equal(torch.get_rng_state(), random_state)
    assert random.getstate() == plain_state


def test_stand_in_shares_what_the_network_shares() -> None:
    """Tied parameters and repeated modules stay tied and repeated."""
    linear = nn.Linear(4, 4)
    twin = nn.Linear(4, 4)
    twin.weight = linear.weight
    copy = stand_in(nn.ModuleList([linear, twin, linear]))
    assert isinstance(copy, nn.ModuleList)
    assert copy[0] is copy[2]
    assert copy[0].weight is copy[1].weight
    assert copy[0].weight is not linear.weight
    assert all(p.is_meta for p in copy.parameters())


def test_bound_methods_reach_the_copy() -> None:
    """A bound method kept as an attribute works on the copy's tensors."""
    copy = stand_in(Caching())
    assert isinstance(copy, Caching)
    assert copy.act.__self__ is copy  # type: ignore[attr-defined]
    assert copy.scale.is_meta


def test_weight_norm_hooks_stay_and_observers_go() -> None:
    """Old-style weight normalisation builds its weight in a hook that counting needs."""
    net = nn.utils.spectral_norm(nn.Linear(4, 3, bias=False))
    assert count_module(net, (4,), name="n").params == 12


def test_named_accelerators_need_not_be_here() -> None:
    """A forward pass that names a device is counted where that device is not."""

    class Placed(nn.Linear):
        def forward(self, input: Tensor) -> Tensor:  # noqa: A002
            """Mix devices as old scripts do."""
            ones = torch.ones(4, device="cuda") + torch.zeros(4).cuda() + torch.zeros(4)
            return super().forward(input.to("cuda:0") + ones).to(torch.device("cpu"))

    counted = count_module(Placed(4, 3), (4,), name="n")
    assert (counted.macs, counted.uncounted) == (12, ())


def test_wrappers_are_opened() -> None:
    """DataParallel and compiled networks count as what they hold."""
    net = nn.Linear(4, 3)
    assert unwrap(nn.DataParallel(net)) is net
    compiled: Any = torch.compile(net, backend="eager")
    assert unwrap(compiled) is net
    assert count_module(compiled, (4,), name="n").macs == 12


def test_to_meta_keeps_shape_strides_dtype() -> None:
    """A meta tensor stands for the tensor, and one that is meta stays itself."""
    x = torch.ones(3, 4, dtype=torch.half).t()
    y = to_meta(x)
    assert (y.shape, y.stride(), y.dtype, y.is_meta) == (x.shape, x.stride(), x.dtype, True)
    assert to_meta(y) is y
