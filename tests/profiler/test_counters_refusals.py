"""What counting cannot do, and that it says so."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import Tensor, nn

from joulecast.core.errors import BadInput
from joulecast.profiler.counters import count_module

if TYPE_CHECKING:
    from collections.abc import Callable

    from joulecast.core.records import Architecture


class Call(nn.Module):
    """A function as a module."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Any:  # noqa: ANN401
        """Call it."""
        return self.function(x)


def count(module: nn.Module, shape: tuple[int, ...]) -> Architecture:
    """Counts under a fixed name."""
    return count_module(module, shape, name="net")


def test_unknown_operator_is_named() -> None:
    """A custom operator is listed, never silently worth nothing."""
    with torch.library._scoped_library("joulecast_test", "FRAGMENT") as library:
        library.define("mystery(Tensor x) -> Tensor")
        library.impl("mystery", torch.empty_like, "Meta")
        counted = count(Call(torch.ops.joulecast_test.mystery), (4,))
    assert counted.uncounted == ("joulecast_test::mystery",)
    assert (counted.kernels, counted.macs) == (1, 0)
    assert count(Call(torch.fft.rfft), (8,)).uncounted == ("aten::_fft_r2c",)


@pytest.mark.parametrize(
    ("function", "culprit"),
    [
        (lambda x: x[x > 0], "aten::index"),
        (lambda x: x if x.sum() > 0 else -x, "aten::_local_scalar_dense"),
        (lambda x: x @ x, "aten::bmm"),
    ],
    ids=["mask", "branch", "shape"],
)
def test_failure_names_the_operator(function: Callable[[Tensor], Tensor], culprit: str) -> None:
    """Control flow on values and wrong shapes are told apart from our own faults."""
    with pytest.raises(BadInput, match=culprit):
        count(Call(function), (2, 3, 4, 5) if culprit == "aten::bmm" else (4,))


@pytest.mark.parametrize("shape", [None, (), (3, 0), (-1,), (1.5,)])
def test_bad_shapes_are_refused(shape: Any) -> None:  # noqa: ANN401
    """Sizes are positive whole numbers."""
    with pytest.raises(BadInput, match="input_shape"):
        count(nn.ReLU(), shape)


def test_bad_examples_and_lazy_modules_are_refused() -> None:
    """One sample at a time, and parameters must have a shape."""
    with pytest.raises(BadInput, match="leading batch of 1"):
        count_module(nn.ReLU(), name="r", example=(torch.ones(2, 3),))
    with pytest.raises(BadInput, match="leading batch of 1"):
        count_module(nn.ReLU(), name="r", example=())
    trace: Any = torch.jit.trace
    with pytest.warns(DeprecationWarning, match="deprecated"):
        script = trace(nn.ReLU(), torch.ones(1, 4))
    with pytest.raises(BadInput, match="TorchScript"):
        count(script, (4,))
    with pytest.raises(BadInput, match="lazy"):
        count(nn.LazyLinear(3), (4,))
