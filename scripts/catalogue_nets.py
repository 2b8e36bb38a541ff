"""Networks of the public benchmarks that no model library ships, as torch modules for counting.

They carry shapes only: nothing here is trained or run on data.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Sequence


class DeepSpeech2(nn.Module):
    """Two convolutions, five bidirectional LSTMs of 1024 with batch norm, one projection."""

    def __init__(self, hidden: int = 1024, layers: int = 5, classes: int = 29) -> None:
        super().__init__()
        self.convs = nn.Sequential(
            nn.Conv2d(1, 32, (41, 11), stride=(2, 2), padding=(20, 5)),
            nn.BatchNorm2d(32),
            nn.Hardtanh(0, 20),
            nn.Conv2d(32, 32, (21, 11), stride=(2, 1), padding=(10, 5)),
            nn.BatchNorm2d(32),
            nn.Hardtanh(0, 20),
        )
        sizes = [32 * 41] + [hidden] * (layers - 1)
        self.rnns = nn.ModuleList(
            nn.LSTM(size, hidden, bidirectional=True, bias=True) for size in sizes
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(hidden) for _ in sizes[1:])
        self.norm = nn.BatchNorm1d(hidden)
        self.fc = nn.Linear(hidden, classes, bias=False)

    def forward(self, spectrogram: Tensor) -> Tensor:
        """Class scores per frame of (batch, 1, 161, frames)."""
        x = self.convs(spectrogram)
        batch, channels, height, frames = x.shape
        x = x.reshape(batch, channels * height, frames).permute(2, 0, 1)
        for number, rnn in enumerate(self.rnns):
            if number:
                x = self.norms[number - 1](x.reshape(-1, x.shape[-1])).reshape(x.shape)
            x = rnn(x)[0].reshape(frames, batch, 2, -1).sum(2)
        return torch.as_tensor(self.fc(self.norm(x.reshape(frames * batch, -1))))


class RNNT(nn.Module):
    """RNN transducer of MLPerf Inference: LSTM encoder that stacks time, prediction, joint net."""

    def __init__(self, symbols: int = 29) -> None:
        super().__init__()
        self.early = nn.LSTM(240, 1024, 2, batch_first=True)
        self.late = nn.LSTM(2048, 1024, 3, batch_first=True)
        self.embed = nn.Embedding(symbols - 1, 320)
        self.predict = nn.LSTM(320, 320, 2, batch_first=True)
        self.joint = nn.Sequential(nn.Linear(1344, 512), nn.ReLU(), nn.Linear(512, symbols))

    def forward(self, frames: Tensor, symbols: Tensor) -> Tensor:
        """Greedy decoding: one joint evaluation per encoded frame and per symbol."""
        x = self.early(frames)[0]
        x = self.late(x.reshape(x.shape[0], x.shape[1] // 2, -1))[0]
        y = self.predict(self.embed(symbols))[0]
        steps = x.shape[1] + y.shape[1]
        pairs = torch.cat((x, x), 1)[:, :steps], torch.cat((y,) * steps, 1)[:, :steps]
        return torch.as_tensor(self.joint(torch.cat(pairs, -1)))


def _double(inside: int, outside: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv3d(inside, outside, 3, stride=stride, padding=1, bias=False),
        nn.InstanceNorm3d(outside, affine=True),
        nn.ReLU(),
        nn.Conv3d(outside, outside, 3, padding=1, bias=False),
        nn.InstanceNorm3d(outside, affine=True),
        nn.ReLU(),
    )


class UNet3D(nn.Module):
    """3D U-Net of MLPerf on KiTS19, one window of 128 x 128 x 128."""

    def __init__(self, sizes: Sequence[int] = (32, 64, 128, 256, 320, 320)) -> None:
        super().__init__()
        self.first = _double(1, sizes[0])
        pairs = list(pairwise(sizes))
        self.down = nn.ModuleList(_double(a, b, 2) for a, b in pairs)
        self.up = nn.ModuleList(nn.ConvTranspose3d(b, a, 2, stride=2) for a, b in reversed(pairs))
        self.merge = nn.ModuleList(_double(2 * a, a) for a, _ in reversed(pairs))
        self.out = nn.Conv3d(sizes[0], 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores per voxel."""
        kept = [self.first(x)]
        for block in self.down:
            kept.append(block(kept[-1]))
        x = kept.pop()
        for up, merge in zip(self.up, self.merge, strict=True):
            x = merge(torch.cat((up(x), kept.pop()), 1))
        return torch.as_tensor(self.out(x))


def mlp(sizes: Sequence[int], *, last: bool = False) -> nn.Sequential:
    """Linear layers with ReLU between them, after the last one too if `last`."""
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*(layers if last else layers[:-1]))


class DLRM(nn.Module):
    """Deep learning recommendation model with dot-product interaction (MLPerf, Criteo Terabyte)."""

    def __init__(self, rows: Sequence[int], size: int = 128) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.EmbeddingBag(n, size, mode="sum") for n in rows)
        self.bottom = mlp((13, 512, 256, size), last=True)
        features = len(rows) + 1
        self.top = mlp((size + features * (features - 1) // 2, 1024, 1024, 512, 256, 1))
        chosen = torch.zeros(features * (features - 1) // 2, dtype=torch.long)
        self.pairs: Tensor
        self.register_buffer("pairs", chosen)

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """Click score of one user and item."""
        x = self.bottom(dense)
        looked = [table(sparse[:, i : i + 1]) for i, table in enumerate(self.tables)]
        features = torch.stack([x, *looked], 1)
        dots = torch.bmm(features, features.transpose(1, 2)).flatten(1)
        return torch.as_tensor(self.top(torch.cat((x, dots[:, self.pairs]), 1)))


class DLRMv2(nn.Module):
    """DLRM with low-rank cross layers and multi-hot features (MLPerf, Criteo multi-hot)."""

    def __init__(
        self,
        rows: Sequence[int],
        hots: Sequence[int],
        size: int = 128,
        layers: int = 3,
        rank: int = 512,
    ) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.EmbeddingBag(n, size, mode="sum") for n in rows)
        self.hots = list(hots)
        self.bottom = mlp((13, 512, 256, size), last=True)
        width = (len(rows) + 1) * size
        self.narrow = nn.ModuleList(nn.Linear(width, rank, bias=False) for _ in range(layers))
        self.widen = nn.ModuleList(nn.Linear(rank, width) for _ in range(layers))
        self.top = mlp((width, 1024, 1024, 512, 256, 1))

    def forward(self, dense: Tensor, sparse: Tensor) -> Tensor:
        """Click score of one user and item; `sparse` holds all indices side by side."""
        indices = torch.split(sparse, self.hots, 1)
        looked = [table(i) for table, i in zip(self.tables, indices, strict=True)]
        start = x = torch.cat([self.bottom(dense), *looked], 1)
        for narrow, widen in zip(self.narrow, self.widen, strict=True):
            x = start * widen(narrow(x)) + x
        return torch.as_tensor(self.top(x))


class NeuMF(nn.Module):
    """Neural matrix factorisation: a product branch beside a tower of three layers."""

    def __init__(self, users: int = 6040, items: int = 3706, factors: int = 32) -> None:
        super().__init__()
        wide = 4 * factors
        self.user = nn.Embedding(users, factors)
        self.item = nn.Embedding(items, factors)
        self.user_deep = nn.Embedding(users, wide)
        self.item_deep = nn.Embedding(items, wide)
        self.tower = mlp((2 * wide, wide, wide // 2, factors), last=True)
        self.out = nn.Linear(2 * factors, 1)

    def forward(self, pair: Tensor) -> Tensor:
        """Score of (user, item) pairs."""
        user, item = pair[:, 0], pair[:, 1]
        product = self.user(user) * self.item(item)
        deep = self.tower(torch.cat((self.user_deep(user), self.item_deep(item)), -1))
        return torch.as_tensor(self.out(torch.cat((product, deep), -1)))


class PatchViT(nn.Module):
    """Plain vision transformer with patches of 32, width 1024, depth 6 and an MLP of 2048."""

    def __init__(self, width: int = 1024, depth: int = 6, hidden: int = 2048) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, width, 32, stride=32)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(torch.zeros(1, 50, width))
        self.blocks = nn.ModuleList(Block(width, 16, hidden) for _ in range(depth))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, 1000)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores of a 224 x 224 picture."""
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat((self.token, x), 1) + self.position
        for block in self.blocks:
            x = block(x)
        return torch.as_tensor(self.head(self.norm(x)[:, 0]))


class Block(nn.Module):
    """Transformer layer with the norms in front."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.before = nn.LayerNorm(width)
        self.attention = Attention(width, width, heads, biased=True)
        self.between = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as `x`."""
        x = x + self.attention(self.before(x))
        return torch.as_tensor(x + self.mlp(self.between(x)))


class Attention(nn.Module):
    """Multi-head attention of a sequence to itself or to a context."""

    def __init__(
        self,
        width: int,
        context: int,
        heads: int,
        *,
        inner: int | None = None,
        biased: bool = False,
        biased_out: bool = True,
    ) -> None:
        super().__init__()
        inner = inner or width
        self.heads = heads
        self.query = nn.Linear(width, inner, bias=biased)
        self.key = nn.Linear(context, inner, bias=biased)
        self.value = nn.Linear(context, inner, bias=biased)
        self.out = nn.Linear(inner, width, bias=biased_out)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Same shape as `x`."""
        y = x if context is None else context
        split = [
            t.unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for t in (self.query(x), self.key(y), self.value(y))
        ]
        mixed = nn.functional.scaled_dot_product_attention(*split)
        return torch.as_tensor(self.out(mixed.transpose(1, 2).flatten(2)))


def depthwise(size: int) -> nn.Conv2d:
    """One 3 x 3 filter per channel that halves the picture."""
    return nn.Conv2d(size, size, 3, stride=2, padding=1, groups=size, bias=False)


class QuickNet(nn.Module):
    """QuickNet of larq-zoo; binary 3 x 3 convolutions are counted like any other."""

    def __init__(self, blocks: Sequence[int], filters: Sequence[int]) -> None:
        super().__init__()
        first = filters[0]
        layers: list[nn.Module] = [
            nn.Conv2d(3, first // 4, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(first // 4),
            nn.ReLU(),
            depthwise(first // 4),
            nn.BatchNorm2d(first // 4, affine=False),
            nn.Conv2d(first // 4, first, 1, bias=False),
            nn.BatchNorm2d(first),
        ]
        for number, (count, size) in enumerate(zip(blocks, filters, strict=True)):
            if number:
                before = filters[number - 1]
                layers += [
                    nn.ReLU(),
                    nn.MaxPool2d(3, stride=1, padding=1),
                    depthwise(before),
                    nn.Conv2d(before, size, 1, bias=False),
                    nn.BatchNorm2d(size),
                ]
            layers += [Residual(size) for _ in range(count)]
        self.body = nn.Sequential(*layers, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(filters[-1], 1000)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores."""
        return torch.as_tensor(self.head(self.body(x)))


class Residual(nn.Module):
    """Binary convolution with batch norm, ReLU and a shortcut."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(size, size, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(size)

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as `x`."""
        return torch.as_tensor(x + self.norm(torch.relu(self.conv(torch.sign(x)))))


class SwitchFeedForward(nn.Module):
    """One expert per token; the tokens are spread evenly over the experts."""

    def __init__(self, width: int, hidden: int, experts: int) -> None:
        super().__init__()
        self.router = nn.Linear(width, experts, bias=False) if experts > 1 else None
        self.experts = nn.ModuleList(
            nn.Sequential(
                nn.Linear(width, hidden, bias=False),
                nn.ReLU(),
                nn.Linear(hidden, width, bias=False),
            )
            for _ in range(experts)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as `x`."""
        parts = zip(self.experts, x.chunk(len(self.experts), 1), strict=True)
        y = torch.cat([expert(part) for expert, part in parts], 1)
        return y if self.router is None else y * self.router(x).softmax(-1).amax(-1, keepdim=True)


class SwitchLayer(nn.Module):
    """Self-attention, cross-attention in a decoder, feed-forward; RMS norms in front."""

    def __init__(
        self, width: int, inner: int, heads: int, hidden: int, *, decoder: bool, experts: int
    ) -> None:
        super().__init__()
        count = 2 if decoder else 1
        self.norms = nn.ModuleList(nn.RMSNorm(width) for _ in range(count + 1))
        self.attentions = nn.ModuleList(
            Attention(width, width, heads, inner=inner, biased_out=False) for _ in range(count)
        )
        self.feed = SwitchFeedForward(width, hidden, experts)

    def forward(self, x: Tensor, context: Tensor | None = None) -> Tensor:
        """Same shape as `x`."""
        x = x + self.attentions[0](self.norms[0](x))
        if context is not None:
            x = x + self.attentions[1](self.norms[1](x), context)
        return torch.as_tensor(x + self.feed(self.norms[-1](x)))


class Switch(nn.Module):
    """Switch transformer (encoder and decoder), every second layer with experts."""

    def __init__(
        self, width: int, inner: int, heads: int, hidden: int, layers: int, experts: int = 4
    ) -> None:
        super().__init__()
        self.embed = nn.Embedding(32128, width)
        self.biases = nn.ModuleList(nn.Embedding(32, heads) for _ in range(2))
        for stack, decoder in (("encoder", False), ("decoder", True)):
            made = [
                SwitchLayer(
                    width, inner, heads, hidden, decoder=decoder, experts=experts if i % 2 else 1
                )
                for i in range(layers)
            ]
            self.add_module(stack, nn.ModuleList(made))
        self.norms = nn.ModuleList(nn.RMSNorm(width) for _ in range(2))

    def forward(self, tokens: Tensor) -> Tensor:
        """Vocabulary scores; the decoder reads as many tokens as the encoder."""
        context = x = self.embed(tokens)
        for layer in self.get_submodule("encoder").children():
            context = layer(context)
        context = self.norms[0](context)
        for layer in self.get_submodule("decoder").children():
            x = layer(x, context)
        return nn.functional.linear(self.norms[1](x), self.embed.weight)
