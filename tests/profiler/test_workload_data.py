"""Digits, synthetic samples and CIFAR-10 as data sets of a network's shape, and their batches."""

from __future__ import annotations

import gzip
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from joulecast.core.errors import BadInput, MissingExtra
from joulecast.profiler import workload_data
from joulecast.profiler.workload_data import enlarge, load_dataset, read_digits
from joulecast.profiler.workload_loader import (
    Split,
    batches_of,
    crop_and_flip,
    endless,
    samples_per_pass,
)
from joulecast.profiler.workload_plan import Plan
from tests.fakes.cifar import write_binary

if TYPE_CHECKING:
    from pathlib import Path

    from joulecast.profiler.workload_loader import Batch

SHAPE = (3, 32, 32)


def batches(plan: Plan, split: Split = "train") -> list[Batch]:
    """All batches of one pass."""
    generator = torch.Generator().manual_seed(plan.seed)
    dataset = load_dataset(plan, SHAPE, 10)
    return list(batches_of(dataset, plan, split, generator, pinned=False))


def test_digits_are_all_there_once() -> None:
    """1,797 pictures fall into four fifths and one fifth, and no picture is in both."""
    found = load_dataset(Plan(data="digits"), SHAPE, 10)
    assert (len(found.train.labels), len(found.test.labels)) == (1438, 359)
    both = np.concatenate([found.train.labels, found.test.labels])
    assert np.bincount(both).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_digits_are_split_by_the_seed() -> None:
    """The same seed gives the same split, another gives another."""
    one, same, other = (
        load_dataset(Plan(data="digits", seed=seed), SHAPE, 10).test.labels for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_digits_are_repeated_to_the_networks_size() -> None:
    """Each pixel of 8x8 becomes a square of 4x4, the same in all three channels."""
    small = np.arange(64, dtype=np.uint8).reshape(1, 8, 8)
    large = enlarge(small, SHAPE)
    assert large.shape == (1, *SHAPE)
    np.testing.assert_array_equal(large[0, 2, ::4, ::4], small[0])
    assert (large[0, :, 8:12, 20:24] == small[0, 2, 5]).all()


def test_digits_can_be_shrunk_too() -> None:
    """A size that is no multiple takes the nearest pixel."""
    small = np.arange(64, dtype=np.uint8).reshape(1, 8, 8)
    assert enlarge(small, (1, 4, 12))[0, 0, 1].tolist() == [
        16, 16, 17, 18, 18, 19, 20, 20, 21, 22, 22, 23
    ]  # fmt: skip


def test_missing_scikit_learn_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package the message is the command that installs it."""
    monkeypatch.setattr(workload_data, "find_spec", lambda _: None)
    with pytest.raises(MissingExtra, match=r"pip install 'joulecast\[train\]'"):
        load_dataset(Plan(data="digits"), SHAPE, 10)


@pytest.mark.parametrize(
    "content",
    [b"not a table", gzip.compress(b"1,2,3\n", mtime=0), b""],
    ids=["plain", "few-columns", "empty"],
)
def test_a_damaged_table_of_digits_is_refused(tmp_path: Path, content: bytes) -> None:
    """Bytes that are no table of 65 columns are named, with the way out."""
    path = tmp_path / "digits.csv.gz"
    path.write_bytes(content)
    with pytest.raises(BadInput, match="Reinstall scikit-learn"):
        read_digits(path)


def test_cifar_needs_its_folder_and_its_shape(tmp_path: Path) -> None:
    """Without a folder, and for a network of another size, the message says what to do."""
    with pytest.raises(BadInput, match="give data_folder"):
        load_dataset(Plan(data="cifar10"), SHAPE, 10)
    with pytest.raises(BadInput, match="takes 3x224x224: use synthetic"):
        load_dataset(Plan(data="cifar10", data_folder=tmp_path), (3, 224, 224), 10)


def test_a_small_cifar_is_used_and_noted(tmp_path: Path) -> None:
    """A folder with fewer images than published gives its own numbers and a notice."""
    write_binary(tmp_path)
    found = load_dataset(Plan(data="cifar10", data_folder=tmp_path), SHAPE, 10)
    assert (found.samples, found.test_samples) == (100, 20)
    assert "100 training and 20 test images" in found.notices[0]


def test_too_few_outputs_for_the_classes() -> None:
    """A network of two scores cannot learn ten digits, but may infer on them."""
    with pytest.raises(BadInput, match="gives 2 scores, digits has 10 classes"):
        load_dataset(Plan(data="digits"), SHAPE, 2)
    assert load_dataset(Plan(data="digits", task="infer"), SHAPE, 2).samples == 1438


def test_pictures_are_normalised_per_channel(tmp_path: Path) -> None:
    """A pixel p of channel c becomes (p / 255 - mean) / std with the figures of the papers."""
    write_binary(tmp_path)
    plan = Plan(data="cifar10", data_folder=tmp_path, task="infer", loader_workers=0, samples=1)
    ((images, labels),) = batches(plan, "infer")
    raw = load_dataset(plan, SHAPE, 10).test
    assert labels.tolist() == [raw.labels[0]]
    assert images[0, 0, 4, 9] == pytest.approx((raw.pixels[0, 0, 4, 9] / 255 - 0.4914) / 0.2023)
    assert images[0, 2, 4, 9] == pytest.approx((raw.pixels[0, 2, 4, 9] / 255 - 0.4465) / 0.2010)


def test_digits_come_out_with_mean_0_and_deviation_1() -> None:
    """Over the training split each channel is centred and scaled."""
    plan = Plan(data="digits", batch_size=2000, loader_workers=0)
    ((images, _),) = batches(plan)
    torch.testing.assert_close(images.mean((0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(images.std((0, 2, 3)), torch.ones(3), atol=1e-3, rtol=0)


def test_inference_repeats_the_test_split() -> None:
    """As many samples as were asked for, the split over and over in its order."""
    plan = Plan(data="digits", task="infer", batch_size=359, samples=1000, loader_workers=0)
    seen = batches(plan, "infer")
    assert [len(labels) for _, labels in seen] == [359, 359, 282]
    torch.testing.assert_close(seen[0][0], seen[1][0])


def test_training_shuffles_anew_each_pass_and_repeats_by_seed() -> None:
    """Two passes differ in order; the same seed gives the same order again."""
    plan = Plan(data="digits", batch_size=64, loader_workers=0)

    def passes() -> list[torch.Tensor]:
        loader = batches_of(
            load_dataset(plan, SHAPE, 10),
            plan,
            "train",
            torch.Generator().manual_seed(1),
            pinned=False,
        )
        return [torch.cat([labels for _, labels in loader]) for _ in range(2)]

    one, two = passes()
    assert (one != two).any()
    torch.testing.assert_close(one.sort().values, two.sort().values)
    again = passes()
    torch.testing.assert_close(again[0], one)
    torch.testing.assert_close(again[1], two)


def test_crop_and_flip_shifts_by_at_most_four() -> None:
    """A lit pixel in the middle stays, moved by up to 4, mirrored about half of the time."""
    torch.manual_seed(0)
    picture = torch.zeros(3, 32, 32, dtype=torch.uint8)
    picture[:, 10, 8] = 200
    seen = [crop_and_flip(picture) for _ in range(300)]
    assert {tuple(one.shape) for one in seen} == {(3, 32, 32)}
    places = [tuple(one[0].nonzero()[0].tolist()) for one in seen]
    assert {row for row, _ in places} == set(range(6, 15))
    straight = [column for _, column in places if column < 16]
    assert set(straight) == set(range(4, 13))
    assert {31 - column for _, column in places if column >= 16} == set(range(4, 13))
    assert 110 < len(straight) < 190


def test_augmentation_is_for_cifar_training_unless_told(tmp_path: Path) -> None:
    """By default pictures of CIFAR-10 are cropped in training only, digits never."""
    write_binary(tmp_path)
    common = {"data": "cifar10", "data_folder": tmp_path, "batch_size": 100, "loader_workers": 0}

    def total(split: Split, **options: object) -> float:
        torch.manual_seed(0)
        plan = Plan(**{**common, **options})  # type: ignore[arg-type]
        return float(batches(plan, split)[0][0].sum())

    plain = total("train", augment=False)
    assert total("train") != pytest.approx(plain)
    assert total("evaluation") == pytest.approx(total("evaluation", augment=True))
    digits = {"data": "digits"}
    assert total("train", **digits) == pytest.approx(total("train", augment=False, **digits))
    assert total("train", **digits) != pytest.approx(total("train", augment=True, **digits))


def test_a_lone_last_sample_is_left_out_of_training_only() -> None:
    """129 samples in batches of 128: batch normalisation cannot train on the last one."""
    train = Plan(samples=129)
    assert [len(labels) for _, labels in batches(train)] == [128]
    assert samples_per_pass(load_dataset(train, SHAPE, 10), train) == 128
    infer = Plan(samples=129, task="infer")
    assert [len(labels) for _, labels in batches(infer, "infer")] == [128, 1]
    assert samples_per_pass(load_dataset(infer, SHAPE, 10), infer) == 129
    assert [len(labels) for _, labels in batches(Plan(samples=3, batch_size=1))] == [1, 1, 1]


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 28, 28), (64,), (2, 100)])
def test_synthetic_samples_have_the_networks_shape(shape: tuple[int, ...]) -> None:
    """Noise of about zero mean and unit variance in any shape, the same for the same seed."""
    plan = Plan(samples=3000, batch_size=3000, seed=5)
    dataset = load_dataset(plan, shape, 7)
    assert len(dataset.train.labels) <= 1024
    generator = torch.Generator().manual_seed(0)
    loader = batches_of(dataset, plan, "infer", generator, pinned=False)
    ((samples, labels),) = loader
    assert samples.shape == (3000, *shape)
    assert set(labels.tolist()) == set(range(7))
    assert abs(float(samples.mean())) < 0.02
    assert float(samples.std()) == pytest.approx(1, abs=0.02)
    again = load_dataset(plan, shape, 7)
    np.testing.assert_array_equal(again.train.pixels, dataset.train.pixels)


def test_the_pool_of_synthetic_samples_stays_small() -> None:
    """Large pictures do not fill the memory: fewer are drawn and repeat."""
    dataset = load_dataset(Plan(), (3, 512, 512), 10)
    assert dataset.samples == 50_000
    assert dataset.train.pixels.nbytes <= 32 * 2**20


def test_endless_begins_anew() -> None:
    """After the last batch comes a first one."""
    plan = Plan(samples=4, batch_size=2)
    dataset = load_dataset(plan, SHAPE, 10)
    loader = batches_of(dataset, plan, "train", torch.Generator(), pinned=False)
    stream = endless(loader)
    assert [len(next(stream)[1]) for _ in range(5)] == [2, 2, 2, 2, 2]
