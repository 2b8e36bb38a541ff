"""ResNeXt29 (2x64d): bottleneck blocks with two channel groups.

Widths and strides as in kuangliu/pytorch-cifar (MIT).
Paper: Xie et al. 2016, arXiv:1611.05431.
"""

from torch import nn

from joulecast.models._blocks import Residual, bottleneck, conv_norm_relu, head, project, stages

INPUT_SHAPE: tuple[int, int, int] = (3, 32, 32)
"""Channels, height and width of one image."""


def _block(width_in: int, width_out: int, stride: int) -> Residual:
    """Make a bottleneck block, half as wide inside as at its end."""
    body = bottleneck(width_in, width_out // 2, width_out, stride, groups=2)
    return Residual(body, project(width_in, width_out, stride), nn.ReLU())


def build(num_classes: int = 10) -> nn.Module:
    """Build ResNeXt29 (2x64d) with fresh weights.

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
        conv_norm_relu(3, 64),
        stages(_block, 64, ((256, 3, 1), (512, 3, 2), (1024, 3, 2))),
        head(1024, num_classes),
    )
