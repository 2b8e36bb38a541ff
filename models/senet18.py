"""SENet18: pre-activation ResNet18 with squeeze-and-excitation gates.

Widths and strides as in kuangliu/pytorch-cifar (MIT).
Paper: Hu et al. 2017, arXiv:1709.01507.
"""

from torch import nn

from joulecast.models._blocks import (
    EIGHTEEN_LAYERS,
    PreActBlock,
    SqueezeExcite,
    conv_norm_relu,
    head,
    stages,
)

INPUT_SHAPE: tuple[int, int, int] = (3, 32, 32)
"""Channels, height and width of one image."""


def _block(width_in: int, width_out: int, stride: int) -> PreActBlock:
    """Make a pre-activation block whose gate squeezes the channels sixteenfold."""
    gate = SqueezeExcite(width_out, width_out // 16, nn.ReLU())
    return PreActBlock(width_in, width_out, stride, gate)


def build(num_classes: int = 10) -> nn.Module:
    """Build SENet18 with fresh weights.

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
        stages(_block, 64, EIGHTEEN_LAYERS),
        head(512, num_classes),
    )
