"""LightGBM's text models evaluated with numpy alone, for all rows and trees at once.

Each split that fails rules out the leaves on its left; what remains is a bit mask per tree, and its
lowest bit is the leaf (QuickScorer, Lucchese et al., SIGIR 2015). The masks of all splits on one
feature are combined beforehand, so that a row costs one look-up per feature.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from joulecast.core.errors import BadRecord

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    Masks = NDArray[np.unsignedinteger[Any]]

_CHUNK = 256
MAX_LEAVES = 64
_ZERO = float(np.float32(1e-35))
"""LightGBM takes anything this near to 0 for 0."""


@dataclass(frozen=True, slots=True)
class Trees:
    """Boosted trees as bit masks.

    Attributes
    ----------
    thresholds : per feature used, (feature, its sorted thresholds (n_splits,)).
    masks : per feature used, leaves that remain of each tree when the first k of its thresholds
        lie below the value, (n_splits + 1, n_trees).
    value : (n_trees, n_leaves), leaves from left to right.
    """

    thresholds: tuple[tuple[int, NDArray[np.float64]], ...]
    masks: tuple[Masks, ...]
    value: NDArray[np.float64]

    def predict(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sum of the trees' answers, (n,), for features `x` of shape (n, n_features), finite."""
        x = np.where(np.abs(x) <= _ZERO, 0.0, x)
        out = np.empty(len(x))
        for start in range(0, len(x), _CHUNK):
            out[start : start + _CHUNK] = self._predict(x[start : start + _CHUNK])
        return out

    def _predict(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        n_trees = len(self.value)
        shape, dtype = (len(x), n_trees), _mask_type(self.value.shape[1])
        left = np.full(shape, np.iinfo(dtype).max, dtype=dtype)
        picked = np.empty(shape, dtype=dtype)
        for (feature, thresholds), masks in zip(self.thresholds, self.masks, strict=True):
            below = np.searchsorted(thresholds, x[:, feature])  # those < value: the split fails
            np.take(masks, below, axis=0, out=picked)
            np.bitwise_and(left, picked, out=left)
        lowest = left & (~left + left.dtype.type(1))
        leaf = np.frexp(lowest.astype(np.float32))[1] - 1  # exact: a power of two
        answer: NDArray[np.float64] = self.value[np.arange(n_trees), leaf].sum(axis=1)
        return answer


class Stored:
    """Trees in a file, read when they are first asked: reading takes longer than answering."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @cached_property
    def trees(self) -> Trees:
        """The trees in the file.

        Raises
        ------
        BadRecord
            When it cannot be read as what `parse` reads.
        """
        try:
            return parse(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError, LookupError) as exc:
            message = f"cannot read {self.path}: {exc}. Refit with 'joulecast train'"
            raise BadRecord(message) from exc

    def predict(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """As `Trees.predict`."""
        return self.trees.predict(x)


@dataclass(frozen=True, slots=True)
class _Split:
    """A split of a tree and the leaves on its left, bits from left to right."""

    feature: int
    threshold: float
    tree: int
    rules_out: int


def parse(text: str) -> Trees:
    """Trees of a LightGBM text model (numerical splits without missing values).

    Raises
    ------
    BadRecord
        When the text holds no tree, or a categorical split, a missing-value rule or a tree with
        more than `MAX_LEAVES` leaves.
    """
    blocks = text.split("\nTree=")[1:]
    if not blocks:
        message = "the LightGBM model holds no tree. Refit with 'joulecast train'"
        raise BadRecord(message)
    splits: list[_Split] = []
    leaves: list[list[float]] = []
    for tree, block in enumerate(blocks):
        leaves.append(_parse_tree(tree, block, splits))
    value = np.zeros((len(leaves), max(map(len, leaves))))
    for row, values in zip(value, leaves, strict=True):
        row[: len(values)] = values
    combined = list(_combined(splits, value.shape))
    return Trees(
        thresholds=tuple((feature, thresholds) for feature, thresholds, _ in combined),
        masks=tuple(masks for _, _, masks in combined),
        value=value,
    )


def _mask_type(n_leaves: int) -> type[np.unsignedinteger[Any]]:
    return np.uint16 if n_leaves <= 16 else np.uint32 if n_leaves <= 32 else np.uint64


def _parse_tree(tree: int, block: str, splits: list[_Split]) -> list[float]:
    """Leaf values of a tree from left to right; its splits are appended to `splits`."""
    fields = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
    if fields.get("num_cat", "0") != "0":
        message = "the LightGBM model has categorical splits, which are not evaluated here"
        raise BadRecord(message)
    if any(int(d) & 12 for d in fields.get("decision_type", "").split()):
        message = "the LightGBM model has missing-value rules, which are not evaluated here"
        raise BadRecord(message)
    value = [float(v) for v in fields["leaf_value"].split()]
    if len(value) > MAX_LEAVES:
        message = f"a LightGBM tree has {len(value)} leaves; at most {MAX_LEAVES} are evaluated"
        raise BadRecord(message)
    if len(value) == 1:  # a stump without a split
        return value
    feature, left, right = (
        [int(v) for v in fields[key].split()]
        for key in ("split_feature", "left_child", "right_child")
    )
    threshold = [float(v) for v in fields["threshold"].split()]
    ordered: list[float] = []

    def walk(node: int) -> None:
        if node < 0:
            ordered.append(value[~node])
            return
        first = len(ordered)
        walk(left[node])
        rules_out = (1 << len(ordered)) - (1 << first)
        splits.append(_Split(feature[node], threshold[node], tree, rules_out))
        walk(right[node])

    walk(0)
    return ordered


def _combined(
    splits: list[_Split], shape: tuple[int, ...]
) -> Iterator[tuple[int, NDArray[np.float64], Masks]]:
    """Feature, sorted thresholds and combined masks of all splits on it, by feature."""
    dtype = _mask_type(shape[1])
    everything = np.iinfo(dtype).max
    of_feature: dict[int, list[_Split]] = {}
    for split in splits:
        of_feature.setdefault(split.feature, []).append(split)
    for feature, own in sorted(of_feature.items()):
        own.sort(key=lambda s: s.threshold)
        masks = np.full((len(own) + 1, shape[0]), everything, dtype=dtype)
        for row, split in enumerate(own, start=1):
            masks[row, split.tree] = everything ^ split.rules_out
        np.bitwise_and.accumulate(masks, axis=0, out=masks)
        yield feature, np.array([s.threshold for s in own]), masks
