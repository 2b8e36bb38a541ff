"""Batches for the loops: picture by picture through a real loader, or ready-made tensors.

Pictures are cropped, flipped and normalised one at a time, as a training script does it, so that
a loader's cost is in the measurement. Synthetic samples are normalised once, before the run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn.functional import pad
from torch.utils.data import DataLoader
from torch.utils.data import Dataset as TorchDataset

if TYPE_CHECKING:
    from collections.abc import Iterator

    from joulecast.profiler.workload_cifar import Images
    from joulecast.profiler.workload_data import Dataset
    from joulecast.profiler.workload_plan import Plan

Split: TypeAlias = Literal["train", "infer", "evaluation"]
Batch: TypeAlias = tuple[Tensor, Tensor]
Batches: TypeAlias = "DataLoader[Batch]"

CROP_PADDING: Final = 4


def batches_of(
    dataset: Dataset,
    plan: Plan,
    split: Split,
    generator: torch.Generator,
    *,
    pinned: bool,
) -> Batches:
    """Batches of (samples, labels): of an epoch of training, of inference, or of an evaluation.

    Training is shuffled by `generator`; it leaves out a last batch of a single sample, which batch
    normalisation cannot train on.

    Parameters
    ----------
    pinned : page-locked, for copies to a GPU.
    """
    training = split == "train"
    images = dataset.train if training else dataset.test
    count = dataset.test_samples if split == "evaluation" else dataset.samples
    if dataset.name == "synthetic":
        source: TorchDataset[Any] = _Ready(images, dataset, count)
    else:
        augments = dataset.name == "cifar10" if plan.augment is None else plan.augment
        source = _Pictures(images, dataset, count, augments=training and augments)
    return DataLoader(
        source,
        batch_size=plan.batch_size,
        shuffle=training,
        num_workers=plan.workers,
        collate_fn=_as_is if dataset.name == "synthetic" else None,
        pin_memory=pinned,
        drop_last=training and _lone_sample(count, plan) == 1,
        generator=generator,
    )


def samples_per_pass(dataset: Dataset, plan: Plan) -> int:
    """Samples that one pass of training or inference hands out."""
    return dataset.samples - _lone_sample(dataset.samples, plan)


def _lone_sample(count: int, plan: Plan) -> int:
    """1 if training would end on a batch of one sample, else 0."""
    alone = count > 1 and plan.batch_size > 1 and count % plan.batch_size == 1
    return int(alone and plan.task == "train")


def normalised(pixels: Tensor, dataset: Dataset) -> Tensor:
    """Float samples of about zero mean and unit variance; `pixels` (..., channels, ...) uint8."""
    rest = len(dataset.train.pixels.shape) - 2
    mean = torch.tensor(dataset.mean).reshape(-1, *(1,) * rest)
    std = torch.tensor(dataset.std).reshape(-1, *(1,) * rest)
    return (pixels.float() / 255 - mean) / std


def crop_and_flip(picture: Tensor) -> Tensor:
    """`picture` shifted by up to 4 pixels over a black border, and mirrored half of the time."""
    height, width = picture.shape[-2:]
    shifts = 2 * CROP_PADDING + 1
    drawn = int(torch.randint(2 * shifts * shifts, ()))
    top, left, mirrored = drawn % shifts, drawn // shifts % shifts, drawn // shifts**2
    wide = pad(picture, (CROP_PADDING,) * 4)
    part = wide[..., top : top + height, left : left + width]
    return part.flip(-1) if mirrored else part


class _Pictures(TorchDataset[Batch]):
    """Pictures, each made ready when it is asked for; `count` of them, repeating."""

    def __init__(self, images: Images, dataset: Dataset, count: int, *, augments: bool) -> None:
        self.pixels = torch.from_numpy(images.pixels)
        self.labels = torch.from_numpy(images.labels)
        self.dataset_mean = torch.tensor(dataset.mean)[:, None, None]
        self.dataset_std = torch.tensor(dataset.std)[:, None, None]
        self.count = count
        self.augments = augments

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Batch:
        """One picture and its label."""
        place = index % len(self.labels)
        picture = self.pixels[place]
        if self.augments:
            picture = crop_and_flip(picture)
        return (picture.float() / 255 - self.dataset_mean) / self.dataset_std, self.labels[place]


class _Ready(TorchDataset[Batch]):
    """Samples that were made ready before the run, handed out a batch at a time."""

    def __init__(self, images: Images, dataset: Dataset, count: int) -> None:
        self.samples = normalised(torch.from_numpy(images.pixels), dataset)
        self.labels = torch.from_numpy(images.labels)
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Batch:
        """One sample and its label."""
        return self.samples[index % len(self.labels)], self.labels[index % len(self.labels)]

    def __getitems__(self, indices: list[int]) -> Batch:
        """A whole batch at once."""
        places = torch.tensor(indices) % len(self.labels)
        return self.samples[places], self.labels[places]


def _as_is(batch: Any) -> Any:  # noqa: ANN401 (the loader expects a list, gets a batch)
    """`batch`: it is one already."""
    return batch


def endless(batches: Batches) -> Iterator[Batch]:
    """Pass after pass over `batches`."""
    while True:
        yield from batches
