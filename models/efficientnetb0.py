"""EfficientNetB0: gated inverted residual blocks.

Widths and strides as in kuangliu/pytorch-cifar (MIT).
Paper: Tan and Le 2019, arXiv:1905.11946.

The collection holds a 1x1 expansion in the first block (1,088 parameters) that it never runs;
here it runs, so that no parameter idles: 1.05 M multiply-adds more per image.
"""

from typing import Final

from torch import Tensor, nn

from joulecast.models._blocks import Residual, SqueezeExcite, conv_norm, head

INPUT_SHAPE: tuple[int, int, int] = (3, 32, 32)
"""Channels, height and width of one image."""

_DROP: Final = 0.2
"""Chance to drop a feature before the last layer; bodies approach it with depth."""

_STAGES: Final = (
    (1, 16, 1, 3, 1),
    (6, 24, 2, 3, 2),
    (6, 40, 2, 5, 2),
    (6, 80, 3, 3, 2),
    (6, 112, 3, 5, 1),
    (6, 192, 4, 5, 2),
    (6, 320, 1, 3, 1),
)
"""Expansion, width, number of blocks, kernel and stride of each stage."""


class DropBody(nn.Module):
    """Zero the whole body of single images while training, and scale up the others.

    Parameters
    ----------
    rate : float
        Chance that an image loses the body.
    """

    def __init__(self, rate: float) -> None:
        """Keep the rate."""
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Return `x` unchanged in evaluation."""
        if not self.training:
            return x
        keep = 1 - self.rate
        return x * x.new_empty(x.shape[0], 1, 1, 1).bernoulli_(keep) / keep


def _body(width_in: int, width_out: int, expansion: int, kernel: int, stride: int) -> nn.Sequential:
    """Make expansion, depthwise convolution, gate and projection."""
    wide = expansion * width_in
    return nn.Sequential(
        conv_norm(width_in, wide),
        nn.SiLU(),
        conv_norm(wide, wide, kernel, stride, groups=wide),
        nn.SiLU(),
        SqueezeExcite(wide, width_in // 4, nn.SiLU()),
        conv_norm(wide, width_out),
    )


def build(num_classes: int = 10) -> nn.Module:
    """Build EfficientNetB0 with fresh weights.

    Parameters
    ----------
    num_classes : int
        Number of classes.

    Returns
    -------
    nn.Module
        The network; it maps images to one score per class.
    """
    trunk = nn.Sequential(conv_norm(3, 32, 3), nn.SiLU())
    width = 32
    done = 0
    total = sum(row[2] for row in _STAGES)
    for expansion, width_out, depth, kernel, first in _STAGES:
        for stride in (first, *[1] * (depth - 1)):
            block = _body(width, width_out, expansion, kernel, stride)
            if stride == 1 and width == width_out:
                block.append(DropBody(_DROP * done / total))
                trunk.append(Residual(block, nn.Identity()))
            else:
                trunk.append(block)
            width = width_out
            done += 1
    pool, flatten, linear = head(width, num_classes)
    return nn.Sequential(trunk, pool, flatten, nn.Dropout(_DROP), linear)
