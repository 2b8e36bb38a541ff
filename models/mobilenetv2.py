"""MobileNetV2: inverted residual blocks with linear ends.

Widths and strides as in kuangliu/pytorch-cifar (MIT).
Paper: Sandler et al. 2018, arXiv:1801.04381.
"""

from functools import partial
from typing import Final

from torch import nn

from joulecast.models._blocks import Residual, conv_norm, conv_norm_relu, head, project, stages

INPUT_SHAPE: tuple[int, int, int] = (3, 32, 32)
"""Channels, height and width of one image."""

_STAGES: Final = ((24, 2, 1), (32, 3, 2), (64, 4, 2), (96, 3, 1), (160, 3, 2), (320, 1, 1))
"""Width, number of blocks and stride of every stage that expands sixfold."""


def _block(expansion: int, width_in: int, width_out: int, stride: int) -> nn.Module:
    """Make expansion, depthwise 3x3 and projection; every block of stride 1 has a shortcut."""
    wide = expansion * width_in
    body = nn.Sequential(
        conv_norm_relu(width_in, wide),
        conv_norm_relu(wide, wide, 3, stride, groups=wide),
        conv_norm(wide, width_out),
    )
    return Residual(body, project(width_in, width_out)) if stride == 1 else body


def build(num_classes: int = 10) -> nn.Module:
    """Build MobileNetV2 with fresh weights.

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
        conv_norm_relu(3, 32, 3),
        stages(partial(_block, 1), 32, ((16, 1, 1),)),
        stages(partial(_block, 6), 16, _STAGES),
        conv_norm_relu(320, 1280),
        head(1280, num_classes),
    )
