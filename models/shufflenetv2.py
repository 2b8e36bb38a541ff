"""ShuffleNetV2 (1.0x): split, convolve one half, join and shuffle the channels.

Widths and strides as in kuangliu/pytorch-cifar (MIT).
Paper: Ma et al. 2018, arXiv:1807.11164.
"""

import torch
from torch import Tensor, nn

from joulecast.models._blocks import Concat, conv_norm, conv_norm_relu, head, stages

INPUT_SHAPE: tuple[int, int, int] = (3, 32, 32)
"""Channels, height and width of one image."""


class SplitUnit(nn.Module):
    """Unit of stride 1: one half of the channels passes, the other is convolved.

    Parameters
    ----------
    width : int
        Channels that enter and leave.
    """

    def __init__(self, width: int) -> None:
        """Build the branch."""
        super().__init__()
        self.branch = _branch(width // 2, width // 2, 1)
        self.shuffle = nn.ChannelShuffle(2)

    def forward(self, x: Tensor) -> Tensor:
        """Convolve the second half of `x` and shuffle it with the first."""
        kept, worked = x.chunk(2, dim=1)
        out: Tensor = self.shuffle(torch.cat((kept, self.branch(worked)), dim=1))
        return out


def _branch(width_in: int, width_out: int, stride: int) -> nn.Sequential:
    """Make pointwise, depthwise 3x3 and pointwise convolutions."""
    return nn.Sequential(
        conv_norm_relu(width_in, width_out),
        conv_norm(width_out, width_out, 3, stride, groups=width_out),
        conv_norm_relu(width_out, width_out),
    )


def _block(width_in: int, width_out: int, stride: int) -> nn.Module:
    """Make a unit; with stride 2 both branches see all channels."""
    if stride == 1:
        return SplitUnit(width_out)
    half = width_out // 2
    short = nn.Sequential(
        conv_norm(width_in, width_in, 3, stride, groups=width_in),
        conv_norm_relu(width_in, half),
    )
    return nn.Sequential(Concat(short, _branch(width_in, half, stride)), nn.ChannelShuffle(2))


def build(num_classes: int = 10) -> nn.Module:
    """Build ShuffleNetV2 (1.0x) with fresh weights.

    Parameters
    ----------
    num_classes : int
        Number of classes.

    Returns
    -------
    nn.Module
        The network; it maps images to one score per class.
    """
    return nn.Sequential(
        conv_norm_relu(3, 24, 3),
        stages(_block, 24, ((116, 4, 2), (232, 8, 2), (464, 4, 2))),
        conv_norm_relu(464, 1024),
        head(1024, num_classes),
    )
