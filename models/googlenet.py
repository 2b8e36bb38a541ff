"""GoogLeNet: nine inception blocks of four branches.

Widths and strides as in kuangliu/pytorch-cifar (MIT).
Paper: Szegedy et al. 2014, arXiv:1409.4842.
"""

from typing import Final

from torch import nn

from joulecast.models._blocks import Concat, head

INPUT_SHAPE: tuple[int, int, int] = (3, 32, 32)
"""Channels, height and width of one image."""

_Row = tuple[int, int, int, int, int, int]

_STAGES: Final[tuple[tuple[_Row, ...], ...]] = (
    (
        (64, 96, 128, 16, 32, 32),
        (128, 128, 192, 32, 96, 64),
    ),
    (
        (192, 96, 208, 16, 48, 64),
        (160, 112, 224, 24, 64, 64),
        (128, 128, 256, 24, 64, 64),
        (112, 144, 288, 32, 64, 64),
        (256, 160, 320, 32, 128, 128),
    ),
    (
        (256, 160, 320, 32, 128, 128),
        (384, 192, 384, 48, 128, 128),
    ),
)
"""Per block: 1x1 width, 3x3 reduction and width, 5x5 reduction and width, pool width."""


def _unit(width_in: int, width_out: int, kernel: int = 1) -> nn.Sequential:
    """Make a convolution with bias, batch normalisation and ReLU."""
    return nn.Sequential(
        nn.Conv2d(width_in, width_out, kernel, padding=kernel // 2),
        nn.BatchNorm2d(width_out),
        nn.ReLU(),
    )


def _inception(width: int, row: _Row) -> Concat:
    """Make one inception block; two 3x3 convolutions stand for the 5x5 one."""
    single, reduce3, width3, reduce5, width5, pooled = row
    return Concat(
        _unit(width, single),
        nn.Sequential(_unit(width, reduce3), _unit(reduce3, width3, 3)),
        nn.Sequential(_unit(width, reduce5), _unit(reduce5, width5, 3), _unit(width5, width5, 3)),
        nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), _unit(width, pooled)),
    )


def build(num_classes: int = 10) -> nn.Module:
    """Build GoogLeNet with fresh weights.

    Parameters
    ----------
    num_classes : int
        Number of classes.

    Returns
    -------
    nn.Module
        The network; it maps images to one score per class.
    """
    width = 192
    trunk = _unit(INPUT_SHAPE[0], width, 3)
    for index, rows in enumerate(_STAGES):
        if index:
            trunk.append(nn.MaxPool2d(3, stride=2, padding=1))
        for row in rows:
            trunk.append(_inception(width, row))
            width = row[0] + row[2] + row[4] + row[5]
    return nn.Sequential(trunk, head(width, num_classes))
