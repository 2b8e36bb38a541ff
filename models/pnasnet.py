"""PNASNet, B form: cells of three depthwise convolutions and a pool.

Widths and strides as in kuangliu/pytorch-cifar (MIT).
Paper: Liu et al. 2017, Progressive Neural Architecture Search, arXiv:1712.00559.
"""

from torch import nn

from joulecast.models._blocks import (
    Concat,
    Residual,
    conv_norm,
    conv_norm_relu,
    head,
    pool_project,
    stages,
)

INPUT_SHAPE: tuple[int, int, int] = (3, 32, 32)
"""Channels, height and width of one image."""


def _cell(width_in: int, width_out: int, stride: int) -> nn.Sequential:
    """Make one cell: 7x7 with 3x3, pool with 5x5, joined and reduced."""
    wide, narrow, middle = (
        conv_norm(width_in, width_out, kernel, stride, groups=width_in) for kernel in (7, 3, 5)
    )
    return nn.Sequential(
        Concat(
            Residual(wide, narrow, nn.ReLU()),
            Residual(pool_project(width_in, width_out, stride), middle, nn.ReLU()),
        ),
        conv_norm_relu(2 * width_out, width_out),
    )


def build(num_classes: int = 10) -> nn.Module:
    """Build PNASNet-B with fresh weights.

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
        stages(_cell, 32, ((32, 6, 1), (64, 7, 2), (128, 7, 2))),
        head(128, num_classes),
    )
