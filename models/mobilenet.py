"""MobileNet: depthwise and pointwise convolutions in turn.

Widths and strides as in kuangliu/pytorch-cifar (MIT).
Paper: Howard et al. 2017, arXiv:1704.04861.
"""

from torch import nn

from joulecast.models._blocks import conv_norm_relu, head, stages

INPUT_SHAPE: tuple[int, int, int] = (3, 32, 32)
"""Channels, height and width of one image."""


def _block(width_in: int, width_out: int, stride: int) -> nn.Sequential:
    """Make a depthwise 3x3 convolution and a pointwise one."""
    return nn.Sequential(
        conv_norm_relu(width_in, width_in, 3, stride, groups=width_in),
        conv_norm_relu(width_in, width_out),
    )


def build(num_classes: int = 10) -> nn.Module:
    """Build MobileNet with fresh weights.

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
        stages(_block, 32, ((64, 1, 1), (128, 2, 2), (256, 2, 2), (512, 6, 2), (1024, 2, 2))),
        head(1024, num_classes),
    )
