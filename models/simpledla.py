"""SimpleDLA: residual blocks aggregated in binary trees.

Widths and strides as in kuangliu/pytorch-cifar (MIT).
Paper: Yu et al. 2017, Deep Layer Aggregation, arXiv:1707.06484 (simplified trees).
"""

import torch
from torch import Tensor, nn

from joulecast.models._blocks import basic_block, conv_norm_relu, head

INPUT_SHAPE: tuple[int, int, int] = (3, 32, 32)
"""Channels, height and width of one image."""


class Tree(nn.Module):
    """Two subtrees in sequence and a root that joins their outputs.

    Parameters
    ----------
    level : int
        Height; the subtrees of a tree of height 1 are residual blocks.
    width_in, width_out : int
        Channels that enter and leave.
    stride : int
        Step of the very first block.
    """

    def __init__(self, level: int, width_in: int, width_out: int, stride: int) -> None:
        """Build the subtrees and the root."""
        super().__init__()
        self.left = self._subtree(level - 1, width_in, width_out, stride)
        self.right = self._subtree(level - 1, width_out, width_out, 1)
        self.root = conv_norm_relu(2 * width_out, width_out)

    @staticmethod
    def _subtree(level: int, width_in: int, width_out: int, stride: int) -> nn.Module:
        """Make a tree, or a residual block at level 0."""
        if level == 0:
            return basic_block(width_in, width_out, stride)
        return Tree(level, width_in, width_out, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Aggregate both subtrees."""
        left = self.left(x)
        out: Tensor = self.root(torch.cat((left, self.right(left)), dim=1))
        return out


def build(num_classes: int = 10) -> nn.Module:
    """Build SimpleDLA with fresh weights.

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
        conv_norm_relu(3, 16, 3),
        conv_norm_relu(16, 16, 3),
        conv_norm_relu(16, 32, 3),
        Tree(1, 32, 64, 1),
        Tree(2, 64, 128, 2),
        Tree(2, 128, 256, 2),
        Tree(1, 256, 512, 2),
        head(512, num_classes),
    )
