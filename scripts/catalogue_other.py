"""Benchmark networks of MLPerf, Zeus, larq and diffusion pipelines, counted from torch modules."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import catalogue_diffusion as diffusion
import catalogue_nets as nets
import torch
from catalogue_vision import quietly, retinanet_openimages
from torch import Tensor

from joulecast.core.records import OP_CLASSES, Architecture, OpCount
from joulecast.profiler.counters import count_module

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

# Rows of the 26 tables of Criteo Terabyte, at most 40 million each (MLPerf's rule).
CRITEO = (
    39884406,
    39043,
    17289,
    7420,
    20263,
    3,
    7120,
    1543,
    63,
    38532951,
    2953546,
    403346,
    10,
    2208,
    11938,
    155,
    4,
    976,
    14,
    39979771,
    25641295,
    39664984,
    585935,
    12972,
    108,
    36,
)
MULTI_HOT = (
    40000000,
    39060,
    17295,
    7424,
    20265,
    3,
    7122,
    1543,
    63,
    40000000,
    3067956,
    405282,
    10,
    2209,
    11938,
    155,
    4,
    976,
    14,
    40000000,
    40000000,
    40000000,
    590152,
    12973,
    108,
    36,
)
HOTS = (3, 2, 1, 2, 6, 1, 1, 1, 1, 7, 3, 8, 1, 6, 9, 5, 1, 1, 1, 12, 100, 27, 10, 3, 1, 1)
QUICKNETS = {
    "quicknet": ((4, 4, 4, 4), (64, 128, 256, 512)),
    "quicknetlarge": ((6, 8, 12, 6), (64, 128, 256, 512)),
    "quicknetsmall": ((4, 4, 4, 4), (32, 64, 256, 512)),
}


@dataclass(frozen=True)
class Net:
    """How to build one network and what to feed it."""

    name: str
    make: Callable[[], nn.Module]
    example: tuple[Tensor, ...]
    source: str
    domain: str = "vision"
    aliases: tuple[str, ...] = ()
    group: str = ""
    framework: str = "pytorch"
    head_dim: int | None = None

    def count(self) -> Architecture:
        """Counted facts."""
        counted = count_module(
            quietly(self.make),
            name=self.name,
            domain=self.domain,
            example=self.example,
            framework=self.framework,
            collection="other",
            group=self.group or self.name,
            source=self.source,
            aliases=self.aliases,
        )
        return replace(counted, head_dim=self.head_dim)


def _floats(*shape: int) -> Tensor:
    return torch.empty(1, *shape, device="meta")


def _indices(*shape: int) -> Tensor:
    return torch.empty(1, *shape, device="meta", dtype=torch.long)


def entries() -> list[Architecture]:
    """All of them."""
    counted = [net.count() for net in (*_benchmarks(), *_recommenders(), *_switches())]
    return [*counted, *map(_quicknet, QUICKNETS), *_stable_diffusion()]


def _benchmarks() -> list[Net]:
    """Speech and vision."""
    return [
        Net(
            "deepspeech2",
            nets.DeepSpeech2,
            (_floats(1, 161, 1230),),
            "Deep Speech 2, five bidirectional LSTMs of 1024; 12.3 s of LibriSpeech",
            "speech",
            ("deep_speech_2",),
        ),
        Net(
            "rnnt",
            nets.RNNT,
            (_floats(250, 240), _indices(100)),
            "MLPerf Inference RNN-T; 7.5 s of speech, 100 symbols",
            "speech",
            ("rnn-t",),
        ),
        Net(
            "3d-unet",
            nets.UNet3D,
            (_floats(1, 128, 128, 128),),
            "MLPerf 3D U-Net on KiTS19; one window of 128 x 128 x 128, a scan has many",
            aliases=("3d-unet-99", "3d-unet-99.9", "unet3d"),
        ),
        Net(
            "retinanet",
            retinanet_openimages,
            (_floats(3, 800, 800),),
            "MLPerf Inference RetinaNet, ResNeXt-50 32x4d, 264 classes of OpenImages",
            aliases=("retinanet_resnext50_32x4d_fpn",),
        ),
        Net(
            "vit",
            nets.PatchViT,
            (_floats(3, 224, 224),),
            "vision transformer with patches of 32, width 1024, depth 6, MLP 2048",
        ),
    ]


def _recommenders() -> list[Net]:
    """Recommendation models; a sample is one user and item."""
    return [
        Net(
            "dlrm",
            lambda: nets.DLRM(CRITEO),
            (_floats(13), _indices(26)),
            "MLPerf DLRM on Criteo Terabyte, tables of at most 40 M rows",
            "recommendation",
            ("dlrm-99", "dlrm-99.9"),
        ),
        Net(
            "dlrm-v2",
            lambda: nets.DLRMv2(MULTI_HOT, HOTS),
            (_floats(13), _indices(sum(HOTS))),
            "MLPerf DLRM-DCNv2 on multi-hot Criteo, tables of at most 40 M rows",
            "recommendation",
            ("dlrm-v2-99", "dlrm-v2-99.9", "dlrm-dcnv2"),
        ),
        Net(
            "ncf",
            nets.NeuMF,
            (_indices(2),),
            "NeuMF on MovieLens-1M, 32 factors, tower of three",
            "recommendation",
            ("neumf",),
        ),
    ]


def _switches() -> list[Net]:
    """Switch transformers with four experts; encoder and decoder read 512 tokens each."""
    return [
        Net(
            "switch-4exp",
            lambda: nets.Switch(768, 768, 12, 3072, 12),
            (_indices(512),),
            "Switch transformer, base size, 4 experts",
            "text",
            ("switch-base-4",),
            head_dim=64,
        ),
        Net(
            "switch-xl-4exp",
            lambda: nets.Switch(1024, 4096, 32, 16384, 24),
            (_indices(512),),
            "Switch transformer, XL size, 4 experts",
            "text",
            head_dim=128,
        ),
    ]


def _quicknet(name: str) -> Architecture:
    """One QuickNet; Keras counts the running statistics of batch norm as parameters."""
    net = Net(
        name,
        lambda: nets.QuickNet(*QUICKNETS[name]),
        (_floats(3, 224, 224),),
        "larq-zoo's architecture; binary convolutions counted like any other",
        group="quicknet",
        framework="tensorflow",
        aliases=(name.replace("quicknet", "quicknet_"),) if name != "quicknet" else (),
    )
    counted = net.count()
    statistics = sum(b.numel() for b in quietly(net.make).buffers() if b.is_floating_point())
    total = counted.params + statistics
    return replace(counted, params=total, active_params=total, buffer_bytes=0.0)


@dataclass(frozen=True)
class Pipeline:
    """A picture of Stable Diffusion: text towers (width, heads, layers), steps, decoder."""

    name: str
    edge: int
    steps: int
    towers: tuple[tuple[int, int, int], ...]
    unet: Callable[[], nn.Module]
    context: int
    extra: int = 1
    guided: bool = True
    aliases: tuple[str, ...] = ()

    @property
    def passes(self) -> int:
        """Passes per step: with and without the prompt when guided."""
        return 2 if self.guided else 1

    def step(self) -> Net:
        """One pass of the U-Net."""
        latent = self.edge // 8
        inputs = (_floats(4, latent, latent), _floats(320), _floats(77, self.context))
        return Net(
            f"{self.name}-unet",
            self.unet,
            (*inputs, _floats(self.extra)),
            f"U-Net of {self.name}, one step at {self.edge} pixels",
            "diffusion",
            group=self.name,
        )

    def picture(self) -> Architecture:
        """Text towers, all steps and the decoder."""
        latent = self.edge // 8
        decoder = Net("decoder", diffusion.Decoder, (_floats(4, latent, latent),), "")
        parts = [(self.step().count(), self.passes * self.steps), (decoder.count(), 1)]
        for width, heads, layers in self.towers:
            make = partial(
                diffusion.TextEncoder, width, heads, layers, projected=width == BIG_TOWER
            )
            tower = Net("text", make, (_indices(77),), "")
            parts.append((tower.count(), self.passes))
        how = "guided " if self.guided else ""
        return replace(
            _together(parts),
            name=self.name,
            domain="diffusion",
            aliases=self.aliases,
            input_shape=(3, self.edge, self.edge),
            collection="other",
            group=self.name,
            source=f"{self.name}, one picture in {self.steps} {how}steps at {self.edge} pixels",
        )


BIG_TOWER = 1280
CLIP_L, CLIP_H, CLIP_G = (768, 12, 12), (1024, 16, 23), (BIG_TOWER, 20, 32)


def _old_unet(context: int, head: int) -> Callable[[], nn.Module]:
    return lambda: diffusion.UNet((320, 640, 1280, 1280), (1, 1, 1, 0), context, head)


def _xl_unet() -> nn.Module:
    return diffusion.UNet((320, 640, 1280), (0, 2, 10), 2048, 64, middle=10, extra=2816)


PIPELINES = (
    Pipeline(
        "stable-diffusion-1.5",
        512,
        50,
        (CLIP_L,),
        _old_unet(768, 8),
        768,
        aliases=("stable-diffusion-v1-5/stable-diffusion-v1-5", "prompthero/openjourney-v4"),
    ),
    Pipeline(
        "stable-diffusion-2-1",
        768,
        50,
        (CLIP_H,),
        _old_unet(1024, 64),
        1024,
        aliases=("stable-diffusion-2.1", "stabilityai/stable-diffusion-2-1"),
    ),
    Pipeline(
        "stable-diffusion-xl",
        1024,
        20,
        (CLIP_L, CLIP_G),
        _xl_unet,
        2048,
        2816,
        aliases=("sdxl", "stabilityai/stable-diffusion-xl-base-1.0"),
    ),
    Pipeline(
        "sdxl-turbo",
        512,
        1,
        (CLIP_L, CLIP_G),
        _xl_unet,
        2048,
        2816,
        guided=False,
        aliases=("stabilityai/sdxl-turbo",),
    ),
)


def _stable_diffusion() -> list[Architecture]:
    """Whole pictures, and one step of each U-Net."""
    return [entry for p in PIPELINES for entry in (p.step().count(), p.picture())]


def _together(parts: list[tuple[Architecture, int]]) -> Architecture:
    """Networks that run one after the other, each as often as it says."""
    kinds = [kind for kind in OP_CLASSES if any(kind in a.ops for a, _ in parts)]
    ops = {kind: _summed(parts, kind) for kind in kinds}
    params = sum(a.params for a, _ in parts)
    return Architecture(
        name="",
        domain="",
        input_shape=(),
        params=params,
        ops=ops,
        macs=sum(op.macs for op in ops.values()),
        trainable_params=params,
        active_params=params,
        activation_bytes=sum(a.activation_bytes * n for a, n in parts),
        kernels=sum(op.kernels for op in ops.values()),
    )


def _summed(parts: list[tuple[Architecture, int]], kind: str) -> OpCount:
    """One op class over all parts, each as often as it runs."""
    found = [(a.ops[kind], n) for a, n in parts if kind in a.ops]
    return OpCount(
        sum(op.macs * n for op, n in found),
        sum(op.activation_bytes * n for op, n in found),
        sum(op.weight_bytes * n for op, n in found),
        sum(op.kernels * n for op, n in found),
    )
