"""PNASNet, A form: cells that add a 7x7 depthwise convolution and a pool.

Widths and strides as in kuangliu/pytorch-cifar (MIT).
Paper: Liu et al. 2017, Progressive Neural Architecture Search, arXiv:1712.00559.
"""

from torch import nn

from joulecast.models._blocks import Residual, conv_norm, conv_norm_relu, head, pool_project, stages

INPUT_SHAPE: tuple[int, int, int] = (3, 32, 32)
"""Channels, height and width of one image."""


def _cell(width_in: int, width_out: int, stride: int) -> Residual:
    """Make one cell of two branches."""
    depthwise = conv_norm(width_in, width_out, 7, stride, groups=width_in)
    return Residual(depthwise, pool_project(width_in, width_out, stride), nn.ReLU())


def build(num_classes: int = 10) -> nn.Module:
    """Build PNASNet-A with fresh weights.

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
        conv_norm_relu(3, 44, 3),
        stages(_cell, 44, ((44, 6, 1), (88, 7, 2), (176, 7, 2))),
        head(176, num_classes),
    )
