"""Networks by name and users' own networks."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from joulecast.core.errors import BadInput, UnknownName
from joulecast.profiler.workload_network import load_network, scores_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SOURCE = """
import torch
from torch import nn
from {other} import WIDTH

class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(48, WIDTH), nn.Linear(WIDTH, 4))
    def forward(self, x):
        return self.body(x)

class Needy(Small):
    def __init__(self, depth, *, width):
        super().__init__()

class Pictures(nn.Module):
    def forward(self, x):
        return x * 2

def make(depth=1):
    return Small()

def wrong():
    return "a string"

def broken():
    raise KeyError("oops")

ready = Small()
number = 3
class Box:
    inner = ready
"""


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder with the user's modules, forgotten after the test."""
    path, known = list(sys.path), set(sys.modules)
    name = f"nets_{tmp_path.name}"
    other = f"other_{name}"
    (tmp_path / f"{name}.py").write_text(SOURCE.format(other=other), encoding="utf-8")
    (tmp_path / f"{other}.py").write_text("WIDTH = 5", encoding="utf-8")
    (tmp_path / f"failing_{name}.py").write_text("raise ValueError('at import')", encoding="utf-8")
    (tmp_path / f"leaving_{name}.py").write_text("raise SystemExit(3)", encoding="utf-8")
    (tmp_path / f"lacking_{name}.py").write_text("import not_there_at_all", encoding="utf-8")
    yield tmp_path
    assert sys.path == path
    for module in set(sys.modules) - known:
        del sys.modules[module]


def module_in(folder: Path) -> str:
    """Name of the good module."""
    return next(p.stem for p in folder.glob("nets_*.py"))


def test_a_network_of_the_folder_is_counted() -> None:
    """LeNet by another spelling: its known parameters, shape and scores."""
    network = load_network("LeNet")
    assert (network.name, network.input_shape, network.classes) == ("lenet", (3, 32, 32), 10)
    assert network.architecture.params == 62_006
    assert network.architecture.macs == 651_720
    assert (network.architecture.group, network.architecture.collection) == ("lenet", "joulecast")
    assert load_network("lenet", group="old").architecture.group == "old"


def test_an_unknown_network_lists_the_nearest() -> None:
    """A typing error gets the nearest names, and the way to one's own network."""
    with pytest.raises(UnknownName, match=r"Nearest: vgg16.*module:attr"):
        load_network("vgg61")


def test_counting_leaves_the_random_numbers_alone() -> None:
    """A caller's own draws do not change because a network was loaded."""
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    load_network("lenet")
    assert torch.rand(1) == expected


@pytest.mark.parametrize("attribute", ["Small", "make", "ready", "Box.inner"])
def test_a_users_network(folder: Path, attribute: str) -> None:
    """A class, a function, an instance and one inside a class are run, with what they import."""
    network = load_network(f"{module_in(folder)}:{attribute}", (3, 4, 4), folder=folder)
    assert (network.input_shape, network.classes) == ((3, 4, 4), 4)
    assert network.architecture.params == 48 * 5 + 5 + 5 * 4 + 4
    assert network.architecture.macs == 48 * 5 + 5 * 4
    assert network.name == attribute


def test_each_build_is_a_network_of_its_own(folder: Path) -> None:
    """Training one copy of a user's instance does not change the next."""
    network = load_network(f"{module_in(folder)}:ready", (3, 4, 4), folder=folder)
    one, two = network.build(), network.build()
    next(one.parameters()).data.zero_()
    assert next(two.parameters()).any()


def test_a_network_without_scores_has_no_classes(folder: Path) -> None:
    """A network that gives pictures can be loaded; it is no classifier."""
    assert load_network(f"{module_in(folder)}:Pictures", (3, 4, 4), folder=folder).classes is None


@pytest.mark.parametrize(
    ("spec", "seen"),
    [
        ("{name}:Neddy", r"has no 'Neddy'. It has Needy, Pictures, Small, ready"),
        ("{name}:number", "an object of type int, no network"),
        ("{name}:Needy", "needs depth, width. Name a function"),
        ("{name}:wrong", "an object of type str, no nn.Module"),
        ("{name}:broken", r"making '.*broken' failed: KeyError: 'oops'"),
        ("failing_{name}:Net", "importing .* failed: ValueError: at import"),
        ("leaving_{name}:Net", "importing .* failed: SystemExit: 3"),
        ("lacking_{name}:Net", "failed: ModuleNotFoundError: No module named 'not_there_at_all'"),
        ("absent_{name}:Net", r"no module 'absent_.*' in .* or installed. Run from the folder"),
        ("{name}.deeper:Net", "no module '.*deeper' in"),
        ("./src/{name}.py:Small", r"is a file. Write it as a module: src.nets_.*:attr"),
        ("{name}:", "names no network. Write module:attr"),
        (":Net", "names no network. Write module:attr"),
    ],
)
def test_what_is_wrong_with_a_users_network_is_said(folder: Path, spec: str, seen: str) -> None:
    """Each mistake has its own message, with what to do."""
    with pytest.raises(BadInput, match=seen):
        load_network(spec.format(name=module_in(folder)), (3, 4, 4), folder=folder)


def test_scores_are_found_in_what_networks_give() -> None:
    """A tensor, the first of several, `logits` of an object or a dict; anything else is refused."""
    scores = torch.zeros(2, 3)

    class Output:
        logits = scores

    good: list[Any] = [
        scores,
        (scores, None),
        [scores],
        Output(),
        {"logits": scores},
        {"a": scores},
    ]
    for output in good:
        assert scores_of(output) is scores
    bad: list[Any] = [None, "text", {}, ()]
    for output in bad:
        with pytest.raises(BadInput, match="no tensor"):
            scores_of(output)


def test_a_wrong_input_shape_is_refused() -> None:
    """A size that the network cannot take is named before anything runs."""
    with pytest.raises(BadInput, match="Check the input shape"):
        load_network("lenet", (3, 224, 224))


def test_a_module_is_what_a_network_builds() -> None:
    """Every build gives a fresh nn.Module."""
    network = load_network("lenet")
    assert isinstance(network.build(), nn.Module)
    assert network.build() is not network.build()
