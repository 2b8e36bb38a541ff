"""The networks of torchvision and timm at their native input size, counted on meta tensors.

Compiled operators are not needed for that: those of torchvision are declared, never called.
"""

# ruff: noqa: ANN401 (keras, timm and torchvision are imported late, without type information)

from __future__ import annotations

import re
import sys
import warnings
from functools import cache, partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from joulecast.core.errors import BadInput
from joulecast.profiler.counters import count_module

if TYPE_CHECKING:
    from collections.abc import Callable

    from joulecast.core.records import Architecture

DIFFERENTIABLE = ("roi_align", "ps_roi_align", "roi_pool", "ps_roi_pool", "deform_conv2d")
DECLARED = ("nms", "qnms", *DIFFERENTIABLE, *(f"_{name}_backward" for name in DIFFERENTIABLE))
OTHER_TASKS = {"segmentation": (3, 520, 520), "video": (3, 16, 112, 112)}
DETECTORS = {"retinanet_resnet50_fpn": (3, 800, 800), "ssd300_vgg16": (3, 300, 300)}
# Other edges of pictures in common use.
OTHER_EDGES = {"alexnet": 64, "efficientnet_b2": 260, "mobilenet_v3_small": 64, "resnet18": 64}
SKIPPED_TIMM = ("test_", "naflexvit_", "samvit_")
GROUPS = {
    r"^vit_b_(\d+)$": r"vit_base_patch\1",
    r"^vit_l_(\d+)$": r"vit_large_patch\1",
    r"^vit_h_(\d+)$": r"vit_huge_patch\1",
    r"^swin_(v2_)?t$": r"swin_\1tiny",
    r"^swin_(v2_)?s$": r"swin_\1small",
    r"^swin_(v2_)?b$": r"swin_\1base",
    r"^shufflenet_v2.*$": "shufflenet",
    r"^(tf|legacy)_": "",
    r"^resnetv2_(\d+)[dt]?(_.*)?$": r"resnet\1",
    r"_(in1k|bn|gn|evos|pruned|tv|pm|tf|rw|ns)$": "",
    r"(_window\d+to\d+)?_\d{3}to\d{3}$": "",
    r"_(\d{3})$": "",
    r"_(distilled|gap|map|cls|clsgap|clip|rpn|xp)$": "",
    r"_patch4_window\d+$": "",
    r"^resnet(18|34|50|101|152)[cdst]$": r"resnet\1",
    r"^mobilenetv1$": "mobilenet",
    r"^mobilenetv2$": "mobilenet_v2",
    r"^mobilenetv3_(small|large)$": r"mobilenet_v3_\1",
    r"^efficientnetv2_(rw_)?": "efficientnet_v2_",
    r"^nasnetalarge$": "nasnet_large",
    r"^mnasnet[01]_\d+$": "mnasnet",
    r"^regnet([xy])_(\d{3,4})$": r"regnet\1_\2",
}
REGNET_SIZES = {
    "002": "200mf",
    "004": "400mf",
    "006": "600mf",
    "008": "800mf",
    "016": "1_6gf",
    "032": "3_2gf",
    "040": "4gf",
    "064": "6_4gf",
    "080": "8gf",
    "120": "12gf",
    "160": "16gf",
    "320": "32gf",
    "640": "64gf",
    "1280": "128gf",
    "2560": "256gf",
}
TIMM_ALIASES = {"mobilenetv1_100": ("mobilenet", "mobilenet_v1"), "nasnetalarge": ("nasnet_large",)}


def group_of(name: str) -> str:
    """The near-twin group of a network: its name without size, training recipe and variant.

    >>> group_of("tf_efficientnetv2_b0"), group_of("resnet50d"), group_of("regnetx_004")
    ('efficientnet_v2_b0', 'resnet50', 'regnet_x_400mf')
    """
    regnet = re.match(r"regnet([xy])_(\d+)(_.*)?$", name)
    if regnet and regnet[2] in REGNET_SIZES:
        return f"regnet_{regnet[1]}_{REGNET_SIZES[regnet[2]]}"
    for _ in range(2):
        for pattern, new in GROUPS.items():
            name = re.sub(pattern, new, name)
    return name


@cache
def torchvision() -> Any:
    """The package, with its compiled operators declared but absent."""
    library: Any = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
    for name in DECLARED:
        library.define(f"{name}(Tensor x) -> Tensor")
    LIBRARIES.append(library)
    return import_module("torchvision")


LIBRARIES: list[Any] = []  # a declaration lives as long as its library


class FirstOutput(nn.Module):
    """The network with the first of the outputs that it names."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """One output."""
        return next(iter(self.network(x).values()))  # type: ignore[no-any-return]


class Detector(nn.Module):
    """Backbone and head of a detector, without the choice of boxes (which depends on values)."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.backbone, self.head = network.backbone, network.head

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Scores and boxes of all anchors."""
        found: dict[str, Tensor] = self.head(list(self.backbone(x).values()))
        return found


def quietly(make: Callable[[], Any]) -> Any:
    """What `make` builds without its warnings, on the meta device if it needs no values."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with torch.device("meta"):
                return make()
        except (NotImplementedError, RuntimeError):
            return make()


def torchvision_entries() -> list[Architecture]:
    """Classifiers, then segmentation, video and detection networks."""
    models = torchvision().models
    found = []
    for name in models.list_models(module=models):
        edges = {_native_edge(models, name), OTHER_EDGES.get(name, _native_edge(models, name))}
        found += [_counted(models, name, (3, edge, edge)) for edge in sorted(edges)]
    for task, shape in OTHER_TASKS.items():
        names = models.list_models(module=getattr(models, task))
        plain = [n for n in names if not n.startswith(("mvit", "swin3d", "s3d"))]
        found += [_counted(models, n, shape, named=task == "segmentation") for n in plain]
    for name, shape in DETECTORS.items():
        found.append(_record(Detector(_bare(models, name, weights_backbone=None)), name, shape))
    return found


def _bare(models: Any, name: str, **options: Any) -> Any:
    """A network of torchvision without published weights."""
    return quietly(lambda: models.get_model(name, weights=None, **options))


def retinanet_openimages() -> Detector:
    """RetinaNet of MLPerf Inference: ResNeXt-50 32x4d, 264 classes."""
    detection = torchvision().models.detection

    def make() -> Any:
        extra = torchvision().ops.feature_pyramid_network.LastLevelP6P7(256, 256)
        backbone = detection.backbone_utils.resnet_fpn_backbone(
            backbone_name="resnext50_32x4d",
            weights=None,
            returned_layers=[2, 3, 4],
            extra_blocks=extra,
            trainable_layers=5,
        )
        return detection.RetinaNet(backbone, 264)

    return Detector(quietly(make))


def _native_edge(models: Any, name: str) -> int:
    """Smallest edge of a picture that published weights of a classifier were trained for."""
    return min(int(w.transforms().crop_size[0]) for w in models.get_model_weights(name))


def _counted(
    models: Any,
    name: str,
    shape: tuple[int, ...],
    *,
    named: bool = False,
) -> Architecture:
    options: dict[str, Any] = {"weights_backbone": None} if named else {}
    if name == "googlenet":  # the published network has no side branches
        options["aux_logits"] = False
    network = _bare(models, name, **options)
    return _record(FirstOutput(network) if named else network, name, shape)


def _record(network: nn.Module, name: str, shape: tuple[int, ...]) -> Architecture:
    version = torchvision().__version__.partition("+")[0]
    return count_module(
        network,
        shape,
        name=name,
        collection="torchvision",
        group=group_of(name),
        source=f"torchvision {version}",
    )


def timm_entries() -> list[Architecture]:
    """Every network of timm with 1000 classes whose forward pass needs no values."""
    torchvision()
    timm = import_module("timm")
    found = []
    for name in timm.list_models():
        config = timm.models.get_pretrained_cfg(name)
        if config.num_classes != 1000 or name.startswith(SKIPPED_TIMM):
            continue
        try:
            network = quietly(partial(timm.create_model, name, pretrained=False))
            entry = count_module(
                network,
                tuple(config.input_size),
                name=name,
                collection="timm",
                group=group_of(name),
                source=f"timm {timm.__version__}",
                aliases=TIMM_ALIASES.get(name, ()),
            )
        except (BadInput, RuntimeError, ValueError, NotImplementedError) as error:
            print(f"left out {name}: {error}", file=sys.stderr)
            continue
        found.append(entry)
    return found
