"""Tests of the networks against known parameter and multiply-add counts."""

import importlib
from pathlib import Path
from typing import Final

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

MODELS: Final = Path(__file__).parents[2] / "models"
NAMES: Final = sorted(path.stem for path in MODELS.glob("*.py") if not path.stem.startswith("_"))

KNOWN: Final[dict[str, tuple[int, float]]] = {
    "densenet121": (6_956_298, 0.898e9),
    "dpn26": (11_574_842, 0.670e9),
    "efficientnetb0": (3_599_686, 32e6),
    "googlenet": (6_166_250, 1.53e9),
    "lenet": (62_006, 0.65e6),
    "mobilenet": (3_217_226, 47e6),
    "mobilenetv2": (2_296_922, 95e6),
    "pnasnet": (451_626, 78e6),
    "pnasnet_a": (130_646, 29e6),
    "preactresnet18": (11_171_146, 0.557e9),
    "regnetx_200mf": (2_321_946, 0.227e9),
    "resnet18": (11_173_962, 0.557e9),
    "resnext29_2x64d": (9_128_778, 1.42e9),
    "senet18": (11_260_354, 0.557e9),
    "simpledla": (15_142_970, 0.916e9),
    "vgg16": (14_728_266, 0.314e9),
}
"""Published parameters and multiply-adds per image."""

WITHOUT_MACS: Final = {"shufflenetv2": 1_263_854}
"""Parameters of networks without published multiply-adds."""

PARAMETERS: Final = {name: row[0] for name, row in KNOWN.items()} | WITHOUT_MACS


def build(name: str, **options: int) -> nn.Module:
    """Build the network in the file of that name."""
    network = importlib.import_module(f"joulecast.models.{name}").build(**options)
    assert isinstance(network, nn.Module)
    return network


def images(name: str, count: int = 2) -> Tensor:
    """Draw a batch of the shape that the file states."""
    shape = importlib.import_module(f"joulecast.models.{name}").INPUT_SHAPE
    return torch.rand(count, *shape)


@pytest.fixture(autouse=True)
def _seed() -> None:
    """Fix the draws of each test."""
    torch.manual_seed(0)


def test_tables_name_the_files() -> None:
    """The tables of known answers list the files present, each once."""
    assert sorted([*KNOWN, *WITHOUT_MACS]) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_input_shape(name: str) -> None:
    """Every network states the CIFAR-10 image shape."""
    assert images(name).shape == (2, 3, 32, 32)


@pytest.mark.parametrize("name", NAMES)
def test_parameters(name: str) -> None:
    """The parameter count is exactly the published one."""
    assert sum(weight.numel() for weight in build(name).parameters()) == PARAMETERS[name]


@pytest.mark.parametrize("name", NAMES)
def test_forward(name: str) -> None:
    """Two images give two rows of ten finite scores that differ."""
    scores = build(name)(images(name))
    assert scores.shape == (2, 10)
    assert torch.isfinite(scores).all()
    assert not torch.equal(scores[0], scores[1])


@pytest.mark.parametrize("name", NAMES)
def test_evaluation_is_repeatable(name: str) -> None:
    """In evaluation mode two passes over the same images agree."""
    network, batch = build(name).eval(), images(name)
    with torch.no_grad():
        torch.testing.assert_close(network(batch), network(batch))


@pytest.mark.parametrize("name", NAMES)
def test_other_number_of_classes(name: str) -> None:
    """Another number of classes changes the width of the scores."""
    with torch.no_grad():
        assert build(name, num_classes=7).eval()(images(name)).shape == (2, 7)


@pytest.mark.parametrize("name", NAMES)
def test_gradient_reaches_every_parameter(name: str) -> None:
    """One backward pass leaves a finite gradient everywhere, and not zero on any kernel."""
    network = build(name)
    network(images(name, 4)).square().sum().backward()
    for key, weight in network.named_parameters():
        assert weight.grad is not None, key
        assert torch.isfinite(weight.grad).all(), key
        assert weight.dim() == 1 or weight.grad.any(), key


@pytest.mark.parametrize("name", NAMES)
def test_builds_on_meta(name: str) -> None:
    """Under the meta device no parameter and no buffer holds memory."""
    with torch.device("meta"):
        network = build(name)
    assert all(weight.is_meta for weight in (*network.parameters(), *network.buffers()))


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_runs_on_meta(name: str, *, training: bool) -> None:
    """Both modes run on meta tensors, so no step depends on the data."""
    with torch.device("meta"):
        network = build(name).train(training)
        scores = network(images(name))
    assert scores.is_meta
    assert scores.shape == (2, 10)


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_macs(name: str) -> None:
    """The multiply-adds per image lie within 5 % of the published figure."""
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        build(name).eval()(images(name, 1))
    assert counter.get_total_flops() / 2 == pytest.approx(KNOWN[name][1], rel=0.05)
