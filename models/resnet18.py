"""ResNet18: residual network of two layer blocks.

Widths and strides as in kuangliu/pytorch-cifar (MIT).
Paper: He et al. 2015, arXiv:1512.03385.
"""

from torch import nn

from joulecast.models._blocks import EIGHTEEN_LAYERS, basic_block, conv_norm_relu, head, stages

INPUT_SHAPE: tuple[int, int, int] = (3, 32, 32)
"""Channels, height and width of one image."""


def build(num_classes: int = 10) -> nn.Module:
    """Build ResNet18 with fresh weights.

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
        stages(basic_block, 64, EIGHTEEN_LAYERS),
        head(512, num_classes),
    )
