"""RegNetX-200MF: bottleneck blocks without narrowing, groups of eight channels.

Widths and strides as in kuangliu/pytorch-cifar (MIT).
Paper: Radosavovic et al. 2020, arXiv:2003.13678.
"""

from torch import nn

from joulecast.models._blocks import Residual, bottleneck, conv_norm_relu, head, project, stages

INPUT_SHAPE: tuple[int, int, int] = (3, 32, 32)
"""Channels, height and width of one image."""


def _block(width_in: int, width_out: int, stride: int) -> Residual:
    """Make a block as wide inside as at its end."""
    body = bottleneck(width_in, width_out, width_out, stride, groups=width_out // 8)
    return Residual(body, project(width_in, width_out, stride), nn.ReLU())


def build(num_classes: int = 10) -> nn.Module:
    """Build RegNetX-200MF with fresh weights.

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
        conv_norm_relu(3, 64, 3),
        stages(_block, 64, ((24, 1, 1), (56, 1, 1), (152, 4, 2), (368, 7, 2))),
        head(368, num_classes),
    )
