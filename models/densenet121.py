"""DenseNet121: dense blocks of growth 32 with halving transitions.

Widths and strides as in kuangliu/pytorch-cifar (MIT).
Paper: Huang et al. 2016, arXiv:1608.06993.
"""

from typing import Final

from torch import nn

from joulecast.models._blocks import Concat, conv, conv_norm_relu, head

INPUT_SHAPE: tuple[int, int, int] = (3, 32, 32)
"""Channels, height and width of one image."""

_GROWTH: Final = 32
"""Channels that each layer adds."""

_DEPTHS: Final = (6, 12, 24, 16)
"""Layers of each dense block."""


def _dense(width: int, depth: int) -> nn.Sequential:
    """Make one dense block: each layer puts its channels before those it was given."""
    block = nn.Sequential()
    for width_in in range(width, width + depth * _GROWTH, _GROWTH):
        layer = nn.Sequential(
            nn.BatchNorm2d(width_in),
            nn.ReLU(),
            conv_norm_relu(width_in, 4 * _GROWTH),
            conv(4 * _GROWTH, _GROWTH, 3),
        )
        block.append(Concat(layer, nn.Identity()))
    return block


def _transition(width: int) -> nn.Sequential:
    """Halve the channels and both edges."""
    return nn.Sequential(nn.BatchNorm2d(width), nn.ReLU(), conv(width, width // 2), nn.AvgPool2d(2))


def build(num_classes: int = 10) -> nn.Module:
    """Build DenseNet121 with fresh weights.

    Parameters
    ----------
    num_classes : int
        Number of classes.

    Returns
    -------
    nn.Module
        The network; it maps images to one score per class.
    """
    width = 2 * _GROWTH
    trunk = nn.Sequential(conv(3, width, 3))
    for depth in _DEPTHS[:-1]:
        trunk.append(_dense(width, depth))
        width += depth * _GROWTH
        trunk.append(_transition(width))
        width //= 2
    trunk.append(_dense(width, _DEPTHS[-1]))
    width += _DEPTHS[-1] * _GROWTH
    trunk.extend((nn.BatchNorm2d(width), nn.ReLU()))
    return nn.Sequential(trunk, head(width, num_classes))
