"""PreActResNet18: ResNet18 with normalisation before each convolution.

Widths and strides as in kuangliu/pytorch-cifar (MIT).
Paper: He et al. 2016, arXiv:1603.05027.

The head follows the last sum directly, without a closing normalisation.
"""

from torch import nn

from joulecast.models._blocks import EIGHTEEN_LAYERS, PreActBlock, conv, head, stages

INPUT_SHAPE: tuple[int, int, int] = (3, 32, 32)
"""Channels, height and width of one image."""


def build(num_classes: int = 10) -> nn.Module:
    """Build PreActResNet18 with fresh weights.

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
        conv(3, 64, 3),
        stages(PreActBlock, 64, EIGHTEEN_LAYERS),
        head(512, num_classes),
    )
