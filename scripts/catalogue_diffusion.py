"""Stable Diffusion's U-Nets, decoder and text encoders as torch modules for counting."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from catalogue_nets import Attention, Block
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence

TIME = 1280
EPS = 1e-6


def _norm(size: int) -> nn.GroupNorm:
    return nn.GroupNorm(32, size, EPS)


class ResBlock(nn.Module):
    """Two convolutions with a shortcut, shifted by the time embedding if there is one."""

    def __init__(self, inside: int, outside: int, time: int = TIME) -> None:
        super().__init__()
        self.first = nn.Sequential(
            _norm(inside),
            nn.SiLU(),
            nn.Conv2d(inside, outside, 3, padding=1),
        )
        self.shift = nn.Sequential(nn.SiLU(), nn.Linear(time, outside)) if time else None
        self.second = nn.Sequential(
            _norm(outside),
            nn.SiLU(),
            nn.Conv2d(outside, outside, 3, padding=1),
        )
        self.skip = nn.Conv2d(inside, outside, 1) if inside != outside else nn.Identity()

    def forward(self, x: Tensor, time: Tensor | None = None) -> Tensor:
        """`x` with the output channels."""
        y = self.first(x)
        if self.shift is not None and time is not None:
            y = y + self.shift(time)[:, :, None, None]
        return torch.as_tensor(self.second(y) + self.skip(x))


class CrossBlock(nn.Module):
    """Self-attention, attention to the prompt, gated feed-forward."""

    def __init__(self, width: int, context: int, heads: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(3))
        self.own = Attention(width, width, heads)
        self.cross = Attention(width, context, heads)
        self.gate = nn.Linear(width, 8 * width)
        self.out = nn.Linear(4 * width, width)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Same shape as `x`."""
        x = x + self.own(self.norms[0](x))
        x = x + self.cross(self.norms[1](x), context)
        value, gate = self.gate(self.norms[2](x)).chunk(2, -1)
        return torch.as_tensor(x + self.out(value * nn.functional.gelu(gate)))


class Spatial(nn.Module):
    """Transformer over the pixels of a feature map."""

    def __init__(self, width: int, context: int, depth: int, heads: int) -> None:
        super().__init__()
        self.norm = _norm(width)
        self.inside = nn.Linear(width, width)
        self.blocks = nn.ModuleList(CrossBlock(width, context, heads) for _ in range(depth))
        self.outside = nn.Linear(width, width)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        """Same shape as `x`."""
        y = self.inside(self.norm(x).flatten(2).transpose(1, 2))
        for block in self.blocks:
            y = block(y, context)
        return torch.as_tensor(x + self.outside(y).transpose(1, 2).reshape(x.shape))


class Stage(nn.Module):
    """Residual blocks, each followed by a transformer if `depth`, then a change of size."""

    def __init__(
        self,
        sizes: Sequence[tuple[int, int]],
        depth: int,
        context: int,
        head: int,
        resize: str = "",
    ) -> None:
        super().__init__()
        width = sizes[-1][1]
        heads = width // head if head > 8 else head  # size of a head, else their number
        self.blocks = nn.ModuleList(ResBlock(a, b) for a, b in sizes)
        self.mixers = nn.ModuleList(Spatial(width, context, depth, heads) for _ in sizes if depth)
        self.resize = {
            "": None,
            "down": nn.Conv2d(width, width, 3, stride=2, padding=1),
            "up": nn.Sequential(nn.Upsample(scale_factor=2), nn.Conv2d(width, width, 3, padding=1)),
        }[resize]

    def shrunk_or_grown(self, x: Tensor) -> Tensor:
        """`x` at the size of the next stage."""
        return x if self.resize is None else torch.as_tensor(self.resize(x))

    def step(self, number: int, x: Tensor, time: Tensor, context: Tensor) -> Tensor:
        """One residual block with its transformer."""
        x = self.blocks[number](x, time)
        return torch.as_tensor(self.mixers[number](x, context) if len(self.mixers) else x)


class UNet(nn.Module):
    """Denoising U-Net of Stable Diffusion.

    Parameters
    ----------
    sizes : channels per stage. depths : transformer layers per stage. head : size of one attention
    head, or (up to 8) their number. extra : inputs of the size conditioning, 0 without.
    """

    def __init__(
        self,
        sizes: Sequence[int],
        depths: Sequence[int],
        context: int,
        head: int,
        *,
        middle: int = 1,
        extra: int = 0,
    ) -> None:
        super().__init__()
        first, top = sizes[0], len(sizes) - 1
        self.time = nn.Sequential(nn.Linear(first, TIME), nn.SiLU(), nn.Linear(TIME, TIME))
        self.conditions = (
            nn.Sequential(nn.Linear(extra, TIME), nn.SiLU(), nn.Linear(TIME, TIME))
            if extra
            else None
        )
        self.first = nn.Conv2d(4, first, 3, padding=1)
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        kept, last = [first], first
        for i, (size, depth) in enumerate(zip(sizes, depths, strict=True)):
            resize = "down" if i < top else ""
            self.down.append(Stage([(last, size), (size, size)], depth, context, head, resize))
            kept += [size] * (3 if i < top else 2)
            last = size
        self.middle = Stage([(last, last)], middle, context, head)
        self.after = ResBlock(last, last)
        for i in range(top, -1, -1):
            size, pairs = sizes[i], []
            for _ in range(3):
                pairs.append((last + kept.pop(), size))
                last = size
            self.up.append(Stage(pairs, depths[i], context, head, "up" if i else ""))
        self.last = nn.Sequential(_norm(first), nn.SiLU(), nn.Conv2d(first, 4, 3, padding=1))

    @staticmethod
    def stages(held: nn.ModuleList) -> list[Stage]:
        """The stages in a list of modules."""
        return [stage for stage in held if isinstance(stage, Stage)]

    def forward(self, x: Tensor, moment: Tensor, context: Tensor, sizes: Tensor) -> Tensor:
        """One denoising step of latents `x`."""
        time = self.time(moment)
        if self.conditions is not None:
            time = time + self.conditions(sizes)
        kept = [self.first(x)]
        for stage in self.stages(self.down):
            for number in range(2):
                kept.append(stage.step(number, kept[-1], time, context))
            if stage.resize is not None:
                kept.append(stage.shrunk_or_grown(kept[-1]))
        x = self.after(self.middle.step(0, kept[-1], time, context), time)
        for stage in self.stages(self.up):
            for number in range(3):
                x = stage.step(number, torch.cat((x, kept.pop()), 1), time, context)
            x = stage.shrunk_or_grown(x)
        return torch.as_tensor(self.last(x))


class Decoder(nn.Module):
    """Decoder of the latents into pixels."""

    def __init__(self, sizes: Sequence[int] = (512, 512, 256, 128)) -> None:
        super().__init__()
        size = sizes[0]
        self.first = nn.Sequential(nn.Conv2d(4, 4, 1), nn.Conv2d(4, size, 3, padding=1))
        self.before, self.after = ResBlock(size, size, 0), ResBlock(size, size, 0)
        self.norm = _norm(size)
        self.attention = Attention(size, size, 1, biased=True)
        layers: list[nn.Module] = []
        for number, width in enumerate(sizes):
            layers += [ResBlock(size, width, 0)]
            layers += [ResBlock(width, width, 0) for _ in range(2)]
            if number < len(sizes) - 1:
                layers += [nn.Upsample(scale_factor=2), nn.Conv2d(width, width, 3, padding=1)]
            size = width
        layers += [_norm(size), nn.SiLU(), nn.Conv2d(size, 3, 3, padding=1)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Pixels, eight times as wide and high as the latents."""
        x = self.before(self.first(x))
        y = self.attention(self.norm(x).flatten(2).transpose(1, 2))
        return torch.as_tensor(self.layers(self.after(x + y.transpose(1, 2).reshape(x.shape))))


class TextEncoder(nn.Module):
    """CLIP's text tower on 77 tokens."""

    def __init__(self, width: int, heads: int, layers: int, *, projected: bool = False) -> None:
        super().__init__()
        self.embed = nn.Embedding(49408, width)
        self.position = nn.Parameter(torch.zeros(77, width))
        self.blocks = nn.Sequential(*(Block(width, heads, 4 * width) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.project = nn.Linear(width, width, bias=False) if projected else None

    def forward(self, tokens: Tensor) -> Tensor:
        """One vector per token; the last one projected as well."""
        x = self.norm(self.blocks(self.embed(tokens) + self.position))
        return torch.as_tensor(x if self.project is None else self.project(x[:, -1]))
