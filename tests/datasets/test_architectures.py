"""The shipped table of counted architectures: complete, plausible, reproducible, found by name."""

from __future__ import annotations

import json
import pkgutil
from importlib import import_module
from pathlib import Path

import pytest

from joulecast.core.errors import UnknownName
from joulecast.core.records import MAC_CLASSES, OP_CLASSES, Architecture
from joulecast.datasets import architectures as table
from joulecast.profiler.llm_config import architecture_from_config

CONFIGS = Path(__file__).parents[2] / "scripts" / "llm_configs.json"
MODELS = Path(__file__).parents[2] / "models"
OWN = sorted(m.name for m in pkgutil.iter_modules([str(MODELS)]) if not m.name.startswith("_"))
AT_LEAST = {"joulecast": 17, "torchvision": 80, "keras": 38, "timm": 300, "llm": 40, "other": 10}
SIZE_LIMIT_BYTES = 1.5e6
# Totals that the publishers of these networks print.
PUBLISHED = {
    "torchvision:resnet50": 25_557_032,
    "torchvision:vgg16": 138_357_544,
    "torchvision:mobilenet_v2": 3_504_872,
    "torchvision:googlenet": 6_624_904,
    "torchvision:vit_b_16": 86_567_656,
    "keras:MobileNetV2": 3_538_984,
    "keras:EfficientNetB0": 5_330_571,
    "keras:EfficientNetV2L": 119_027_848,
    "keras:NASNetMobile": 5_326_716,
    "keras:ResNet152V2": 60_380_648,
    "timm:convnext_tiny": 28_589_128,
    "timm:nasnetalarge": 88_753_150,
    "timm:swin_tiny_patch4_window7_224": 28_288_354,
    "llm:llama-3.1-8b": 8_030_261_248,
    "llm:qwen2.5-72b": 72_706_203_648,
    "llm:gpt-oss-120b": 116_829_156_672,
    "llm:mixtral-8x7b": 46_702_792_704,
    "llm:bert-base-uncased": 109_482_240,
    "other:quicknet": 13_243_720,
    "other:stable-diffusion-xl-unet": 2_567_463_684,
}


@pytest.fixture(scope="module")
def entries() -> list[Architecture]:
    """The whole table."""
    return table.all_architectures()


def test_size_on_disk() -> None:
    """The table stays small enough to ship."""
    assert table.TABLE.stat().st_size <= SIZE_LIMIT_BYTES


def test_no_entry_twice(entries: list[Architecture]) -> None:
    """Name, input size, framework and collection together name one entry."""
    keys = [(a.name, a.input_shape, a.framework, a.collection) for a in entries]
    assert len(set(keys)) == len(keys)


def test_order(entries: list[Architecture]) -> None:
    """Own networks come first, then the other collections, each by name and input size."""
    keys = [(table.COLLECTIONS.index(a.collection), a.name, a.input_shape) for a in entries]
    assert keys == sorted(keys)


@pytest.mark.parametrize("collection", table.COLLECTIONS)
def test_breadth(entries: list[Architecture], collection: str) -> None:
    """Every collection holds as many names as promised."""
    names = {a.name for a in entries if a.collection == collection}
    assert len(names) >= AT_LEAST[collection]


def test_every_own_network_is_listed(entries: list[Architecture]) -> None:
    """A file in models/ has an entry, and an entry has its file."""
    assert [a.name for a in entries if a.collection == "joulecast"] == OWN


def test_every_public_config_is_listed(entries: list[Architecture]) -> None:
    """The large models of the table are those whose configs lie in scripts/."""
    names = [a.name for a in entries if a.collection == "llm"]
    assert names == sorted(json.loads(CONFIGS.read_text(encoding="utf-8")))


def test_plausible_fields(entries: list[Architecture]) -> None:
    """Parameters, sizes, sources and names are there and have the right sign."""
    for a in entries:
        assert a.params > 0, a.name
        assert a.macs >= 0, a.name
        assert a.activation_bytes > 0, a.name
        assert a.kernels >= 1, a.name
        assert a.input_shape, a.name
        assert min(a.input_shape) >= 1, a.name
        assert a.source, a.name
        assert a.group, a.name
        assert a.framework in {"pytorch", "tensorflow"}, a.name
        assert 0 < (a.active_params or 0) <= a.params, a.name
        assert (a.trainable_params or 0) <= a.params, a.name


def test_op_classes_add_up(entries: list[Architecture]) -> None:
    """The sum over op classes is the total, and only products have multiply-adds."""
    for a in entries:
        assert set(a.ops) <= set(OP_CLASSES), a.name
        assert sum(op.macs for op in a.ops.values()) == pytest.approx(a.macs, rel=0.01), a.name
        assert sum(op.kernels for op in a.ops.values()) == pytest.approx(a.kernels), a.name
        assert all(a.ops[c].macs == 0 for c in a.ops if c not in MAC_CLASSES), a.name
        assert min(min(op.activation_bytes, op.weight_bytes) for op in a.ops.values()) >= 0, a.name


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_totals(name: str) -> None:
    """The parameters are those that the publisher of the network states."""
    assert table.find(name).params == PUBLISHED[name]


def test_published_totals_of_configs() -> None:
    """Every config with a published total counts to within 1 % of it."""
    for name, facts in json.loads(CONFIGS.read_text(encoding="utf-8")).items():
        if "published_params" in facts:
            counted = table.find(f"llm:{name}").params
            assert counted == pytest.approx(facts["published_params"], rel=0.01), name


def test_multiply_adds_of_known_networks() -> None:
    """ResNet-50 has its well-known 4.09 G multiply-adds, Keras' version 3.86 G."""
    assert table.find("torchvision:resnet50").macs == pytest.approx(4.09e9, rel=0.001)
    assert table.find("keras:resnet50").macs == pytest.approx(3.86e9, rel=0.001)


@pytest.mark.parametrize("name", OWN)
def test_recount_of_own_networks(name: str) -> None:
    """Counting a network of models/ again gives exactly its line."""
    pytest.importorskip("torch")
    counters = import_module("joulecast.profiler.counters")
    network = import_module(f"joulecast.models.{name}")
    entry = table.find(f"joulecast:{name}")
    counted = counters.count_module(
        network.build(10),
        network.INPUT_SHAPE,
        name=name,
        collection="joulecast",
        group=entry.group,
        source=entry.source,
        aliases=entry.aliases,
    )
    assert table.from_line(table.to_line(counted)) == entry


@pytest.mark.parametrize("name", ["llama-3.1-8b", "mixtral-8x7b", "bert-large", "deepseek-v3"])
def test_recount_of_configs(name: str) -> None:
    """Counting a public config again gives its line."""
    facts = json.loads(CONFIGS.read_text(encoding="utf-8"))[name]
    counted = table.from_line(table.to_line(architecture_from_config(facts["config"], name=name)))
    entry = table.find(f"llm:{name}")
    assert counted.ops == entry.ops
    assert (counted.params, counted.active_params) == (entry.params, entry.active_params)
    assert counted.kv_bytes_per_token == entry.kv_bytes_per_token


def test_round_trip() -> None:
    """Reading a line and writing it again changes nothing."""
    for line in table.TABLE.read_text(encoding="utf-8").splitlines():
        assert table.to_line(table.from_line(line)) == line


@pytest.mark.parametrize(
    ("name", "shape", "framework", "collection", "found"),
    [
        ("vgg16", None, None, "joulecast", "vgg16"),
        ("vgg16", (3, 224, 224), None, "torchvision", "vgg16"),
        ("vgg16", (3, 224, 224), "tensorflow", "keras", "VGG16"),
        ("vgg16", None, "tensorflow", "keras", "VGG16"),
        ("VGG16", (3, 224, 224), "pytorch", "torchvision", "vgg16"),
        ("timm:vgg16", None, None, "timm", "vgg16"),
        ("shufflenet_v2", (3, 32, 32), "pytorch", "joulecast", "shufflenetv2"),
        ("efficientnet_v2_b0", None, "tensorflow", "keras", "EfficientNetV2B0"),
        ("resnet50_v2", None, "tensorflow", "keras", "ResNet50V2"),
        ("nasnet_mobile", (3, 224, 224), "tensorflow", "keras", "NASNetMobile"),
        ("mobilenet_v3_small", (3, 64, 64), "pytorch", "torchvision", "mobilenet_v3_small"),
        ("mobilenet", (3, 224, 224), "pytorch", "timm", "mobilenetv1_100"),
        ("meta-llama/Llama-3.1-8B-Instruct", None, None, "llm", "llama-3.1-8b"),
        ("dlrm-v2-99", None, None, "other", "dlrm-v2"),
    ],
)
def test_find(
    name: str,
    shape: tuple[int, ...] | None,
    framework: str | None,
    collection: str,
    found: str,
) -> None:
    """Input size decides first, then the framework, then own networks come first."""
    entry = table.find(name, shape, framework)
    assert (entry.collection, entry.name) == (collection, found)
    assert shape is None or entry.input_shape == shape


def test_unknown_name_lists_three() -> None:
    """An unknown name is answered with the three nearest."""
    with pytest.raises(UnknownName) as caught:
        table.find("resnet5O")
    assert sum(name in str(caught.value) for name in table.names()) >= 3
    assert "resnet50" in str(caught.value)


def test_line_leaves_defaults_out() -> None:
    """A line holds what differs from the record's defaults, and the op counts as lists."""
    line = json.loads(table.to_line(table.find("joulecast:lenet")))
    assert "framework" not in line
    assert "uncounted" not in line
    assert all(len(op) == 4 for op in line["ops"].values())
