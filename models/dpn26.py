"""DPN26: dual path network, a residual path beside a dense one.

Widths and strides as in kuangliu/pytorch-cifar (MIT).
Paper: Chen et al. 2017, arXiv:1707.01629.
"""

from typing import Final

import torch
from torch import Tensor, nn

from joulecast.models._blocks import bottleneck, conv_norm, conv_norm_relu, head

INPUT_SHAPE: tuple[int, int, int] = (3, 32, 32)
"""Channels, height and width of one image."""

_STAGES: Final = (
    (96, 256, 16, 1),
    (192, 512, 32, 2),
    (384, 1024, 24, 2),
    (768, 2048, 128, 2),
)
"""Inner width, residual width, dense growth and stride of each stage of two blocks."""


class DualPath(nn.Module):
    """Block whose first channels add up and whose other channels pile up.

    Parameters
    ----------
    body : nn.Module
        The layers of the block.
    shortcut : nn.Module
        What the input passes beside the body.
    residual : int
        Number of channels that add up.
    """

    def __init__(self, body: nn.Module, shortcut: nn.Module, residual: int) -> None:
        """Keep the parts."""
        super().__init__()
        self.body = body
        self.shortcut = shortcut
        self.residual = residual
        self.activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Join the sum, the old dense channels and the new ones."""
        new, old = self.body(x), self.shortcut(x)
        cut = self.residual
        parts = (old[:, :cut] + new[:, :cut], old[:, cut:], new[:, cut:])
        out: Tensor = self.activation(torch.cat(parts, dim=1))
        return out


def build(num_classes: int = 10) -> nn.Module:
    """Build DPN26 with fresh weights.

    Parameters
    ----------
    num_classes : int
        Number of classes.

    Returns
    -------
    nn.Module
        The network; it maps images to one score per class.
    """
    trunk = nn.Sequential(conv_norm_relu(3, 64, 3))
    width = 64
    for mid, residual, dense, stride in _STAGES:
        joint = residual + dense
        project = conv_norm(width, joint, stride=stride)
        trunk.append(DualPath(bottleneck(width, mid, joint, stride, 32), project, residual))
        width = joint + dense
        body = bottleneck(width, mid, joint, 1, 32)
        trunk.append(DualPath(body, nn.Identity(), residual))
        width += dense
    return nn.Sequential(trunk, head(width, num_classes))
