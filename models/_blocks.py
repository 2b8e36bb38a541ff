"""Building blocks that several networks share; no network itself."""

from collections.abc import Callable, Iterable
from typing import Final, TypeAlias

import torch
from torch import Tensor, nn

BlockMaker: TypeAlias = Callable[[int, int, int], nn.Module]
"""Makes one block from its input width, output width and stride."""

StagePlan: TypeAlias = tuple[int, int, int]
"""Output width, number of blocks and stride of the first block of one stage."""

EIGHTEEN_LAYERS: Final[tuple[StagePlan, ...]] = (
    (64, 2, 1),
    (128, 2, 2),
    (256, 2, 2),
    (512, 2, 2),
)
"""Stages of the 18 layer residual networks."""


def conv(
    width_in: int,
    width_out: int,
    kernel: int = 1,
    stride: int = 1,
    groups: int = 1,
) -> nn.Conv2d:
    """Make a convolution without bias that keeps the size at stride 1.

    Parameters
    ----------
    width_in, width_out : int
        Channels that enter and leave.
    kernel : int
        Edge of the square kernel, an odd number.
    stride : int
        Step in both directions.
    groups : int
        Number of channel groups that do not mix.

    Returns
    -------
    nn.Conv2d
        The layer, padded by half a kernel.
    """
    padding = kernel // 2
    return nn.Conv2d(
        width_in, width_out, kernel, stride=stride, padding=padding, groups=groups, bias=False
    )


def conv_norm(
    width_in: int,
    width_out: int,
    kernel: int = 1,
    stride: int = 1,
    groups: int = 1,
) -> nn.Sequential:
    """Make a convolution followed by batch normalisation; parameters as in `conv`."""
    return nn.Sequential(
        conv(width_in, width_out, kernel, stride, groups), nn.BatchNorm2d(width_out)
    )


def conv_norm_relu(
    width_in: int,
    width_out: int,
    kernel: int = 1,
    stride: int = 1,
    groups: int = 1,
) -> nn.Sequential:
    """Make convolution, batch normalisation and ReLU; parameters as in `conv`."""
    return conv_norm(width_in, width_out, kernel, stride, groups).append(nn.ReLU())


def head(width: int, num_classes: int) -> nn.Sequential:
    """Make the classifier: global average pool and one linear layer.

    Parameters
    ----------
    width : int
        Channels that enter.
    num_classes : int
        Number of classes.

    Returns
    -------
    nn.Sequential
        The layers.
    """
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, num_classes))


def stages(block: BlockMaker, width: int, plans: Iterable[StagePlan]) -> nn.Sequential:
    """Stack blocks stage by stage.

    Parameters
    ----------
    block : BlockMaker
        Makes one block.
    width : int
        Channels that enter the first block.
    plans : iterable of StagePlan
        One row per stage; its stride falls on the first block, the others have 1.

    Returns
    -------
    nn.Sequential
        One nested sequence per stage.
    """
    stack = nn.Sequential()
    for width_out, depth, stride in plans:
        first = block(width, width_out, stride)
        rest = (block(width_out, width_out, 1) for _ in range(depth - 1))
        stack.append(nn.Sequential(first, *rest))
        width = width_out
    return stack


class Concat(nn.Module):
    """Branches over one input, their outputs joined along the channels.

    Parameters
    ----------
    *branches : nn.Module
        The branches, in the order of their channels.
    """

    def __init__(self, *branches: nn.Module) -> None:
        """Keep the branches."""
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        """Run every branch on `x` and join the results."""
        return torch.cat([branch(x) for branch in self.branches], dim=1)


class Residual(nn.Module):
    """Sum of a body and a shortcut, followed by an activation.

    Parameters
    ----------
    body : nn.Module
        The layers of the block.
    shortcut : nn.Module
        What the input passes beside the body.
    activation : nn.Module, optional
        Applied to the sum; none leaves the sum as it is.
    """

    def __init__(
        self, body: nn.Module, shortcut: nn.Module, activation: nn.Module | None = None
    ) -> None:
        """Keep the parts."""
        super().__init__()
        self.body = body
        self.shortcut = shortcut
        self.activation = activation or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Add body and shortcut of `x`."""
        out: Tensor = self.activation(self.body(x) + self.shortcut(x))
        return out


def project(width_in: int, width_out: int, stride: int = 1) -> nn.Module:
    """Make a shortcut: the identity where shapes agree, else a normalised 1x1 convolution.

    Parameters
    ----------
    width_in, width_out : int
        Channels that enter and leave.
    stride : int
        Step of the block beside it.

    Returns
    -------
    nn.Module
        The shortcut.
    """
    if stride == 1 and width_in == width_out:
        return nn.Identity()
    return conv_norm(width_in, width_out, stride=stride)


def pool_project(width_in: int, width_out: int, stride: int) -> nn.Module:
    """Make a 3x3 max pool that a normalised 1x1 convolution follows where the stride is not 1."""
    pool = nn.MaxPool2d(3, stride=stride, padding=1)
    return pool if stride == 1 else nn.Sequential(pool, conv_norm(width_in, width_out))


def basic_block(width_in: int, width_out: int, stride: int) -> Residual:
    """Make the two layer residual block; a `BlockMaker`."""
    body = nn.Sequential(
        conv_norm_relu(width_in, width_out, 3, stride),
        conv_norm(width_out, width_out, 3),
    )
    return Residual(body, project(width_in, width_out, stride), nn.ReLU())


def bottleneck(
    width_in: int, width_mid: int, width_out: int, stride: int, groups: int
) -> nn.Sequential:
    """Make the body of a bottleneck: 1x1, grouped 3x3, 1x1, all normalised.

    Parameters
    ----------
    width_in, width_mid, width_out : int
        Channels that enter, pass the 3x3 convolution, and leave.
    stride : int
        Step of the 3x3 convolution.
    groups : int
        Channel groups of the 3x3 convolution.

    Returns
    -------
    nn.Sequential
        The layers; no activation follows the last one.
    """
    return nn.Sequential(
        conv_norm_relu(width_in, width_mid),
        conv_norm_relu(width_mid, width_mid, 3, stride, groups),
        conv_norm(width_mid, width_out),
    )


class PreActBlock(nn.Module):
    """Residual block with normalisation and activation before each convolution.

    Parameters
    ----------
    width_in, width_out : int
        Channels that enter and leave.
    stride : int
        Step of the first convolution.
    gate : nn.Module, optional
        Applied to the body before the sum.
    """

    def __init__(
        self, width_in: int, width_out: int, stride: int, gate: nn.Module | None = None
    ) -> None:
        """Build the layers."""
        super().__init__()
        changes = stride != 1 or width_in != width_out
        self.norm = nn.Sequential(nn.BatchNorm2d(width_in), nn.ReLU())
        self.shortcut = conv(width_in, width_out, stride=stride) if changes else None
        self.body = nn.Sequential(
            conv_norm_relu(width_in, width_out, 3, stride),
            conv(width_out, width_out, 3),
            gate or nn.Identity(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Add the body to `x`, or to its projection where the shape changes."""
        ready = self.norm(x)
        skip = x if self.shortcut is None else self.shortcut(ready)
        out: Tensor = self.body(ready) + skip
        return out


class SqueezeExcite(nn.Module):
    """Channel gate computed from the pooled input.

    Parameters
    ----------
    width : int
        Channels that enter and leave.
    squeezed : int
        Channels between the two layers of the gate.
    activation : nn.Module
        Stands between the two layers of the gate.
    """

    def __init__(self, width: int, squeezed: int, activation: nn.Module) -> None:
        """Build the gate."""
        super().__init__()
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(width, squeezed, 1),
            activation,
            nn.Conv2d(squeezed, width, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Scale every channel of `x`."""
        out: Tensor = x * self.gate(x)
        return out
