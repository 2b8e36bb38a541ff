"""VGG16 with batch normalisation: thirteen convolutions and one linear layer.

Widths and strides as in kuangliu/pytorch-cifar (MIT).
Paper: Simonyan and Zisserman 2014, arXiv:1409.1556.
"""

from typing import Final

from torch import nn

from joulecast.models._blocks import head

INPUT_SHAPE: tuple[int, int, int] = (3, 32, 32)
"""Channels, height and width of one image."""

_STAGES: Final = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))
"""Width and number of convolutions before each pool."""


def build(num_classes: int = 10) -> nn.Module:
    """Build VGG16 with fresh weights.

    Parameters
    ----------
    num_classes : int
        Number of classes.

    Returns
    -------
    nn.Module
        The network; it maps images to one score per class.
    """
    trunk = nn.Sequential()
    width = INPUT_SHAPE[0]
    for width_out, depth in _STAGES:
        for _ in range(depth):
            trunk.extend(
                (nn.Conv2d(width, width_out, 3, padding=1), nn.BatchNorm2d(width_out), nn.ReLU())
            )
            width = width_out
        trunk.append(nn.MaxPool2d(2))
    return nn.Sequential(trunk, head(width, num_classes))
