"""A network to run: by its name in ``models/``, or a user's own; counted either way."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor, nn

from joulecast.core.catalog import PACKAGE_DIR, names, normalise
from joulecast.core.errors import BadInput, UnknownName
from joulecast.profiler.counters import count_module
from joulecast.profiler.counters_meta import stand_in
from joulecast.profiler.workload_user import user_network

if TYPE_CHECKING:
    from collections.abc import Callable

    from joulecast.core.records import Architecture

MODELS_DIR: Final = PACKAGE_DIR / "models"
DEFAULT_SHAPE: Final = (3, 32, 32)


@dataclass(frozen=True, slots=True)
class Network:
    """A network that can be built afresh for every run.

    Attributes
    ----------
    classes : scores per sample, ``None`` where the output is not one row of scores per sample.
    """

    name: str
    build: Callable[[], nn.Module]
    input_shape: tuple[int, ...]
    classes: int | None
    architecture: Architecture


def load_network(
    name: str,
    input_shape: tuple[int, ...] | None = None,
    *,
    folder: Path | None = None,
    group: str | None = None,
) -> Network:
    """The network that `name` spells, counted at its input shape.

    Parameters
    ----------
    name : of a file in ``models/``, or ``module:attr`` of the user's own.
    input_shape : without the batch; ``None`` for the network's own, (3, 32, 32) for a user's.
    folder : where a user's module is searched first; ``None`` for the current folder.
    group : near twins share one; ``None`` for the name itself.
    """
    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    if ":" in name:
        build, shape = user_network(name, folder or Path.cwd()), DEFAULT_SHAPE
        known, collection = name.partition(":")[2], ""
    else:
        known = _find(name)
        module = importlib.import_module(f"joulecast.models.{known}")
        build, shape, collection = module.build, module.INPUT_SHAPE, "joulecast"
    shape = shape if input_shape is None else tuple(input_shape)
    with torch.random.fork_rng(devices=()):
        network = build()
        architecture = count_module(
            network, shape, name=known, group=group or known, collection=collection
        )
        return Network(known, build, shape, _classes(network, shape), architecture)


def _find(name: str) -> str:
    """The file in ``models/`` that `name` spells."""
    known = names(MODELS_DIR, ".py")
    for entry in known:
        if normalise(entry) == normalise(name):
            return entry
    hint = "A network of your own is named module:attr, e.g. my_nets:SmallNet."
    raise UnknownName("network to run", name, known, hint)


def _classes(network: nn.Module, shape: tuple[int, ...]) -> int | None:
    """Scores per sample, found on meta tensors without computing anything."""
    with torch.no_grad():
        scores = scores_of(stand_in(network)(torch.empty((2, *shape), device="meta")))
    return int(scores.shape[1]) if scores.dim() == 2 and scores.shape[0] == 2 else None


def scores_of(output: Any) -> Tensor:  # noqa: ANN401 (networks give what they like)
    """The scores in what a network gives: a tensor, the first of several, or its `logits`."""
    found = getattr(output, "logits", output)
    if isinstance(found, dict):
        found = found.get("logits", next(iter(found.values()), None))
    if isinstance(found, tuple | list) and found:
        found = found[0]
    if not isinstance(found, Tensor):
        seen = type(output).__name__
        raise BadInput(f"the network gives {seen}, no tensor. Wrap it so that it gives scores.")
    return found
