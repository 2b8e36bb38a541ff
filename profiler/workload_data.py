"""Pictures to train on: CIFAR-10 of the user, the digits that come with scikit-learn, or noise.

All as uint8 pictures of the network's input shape with the statistics that normalise them.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from joulecast.core.errors import BadInput, MissingExtra
from joulecast.profiler import workload_cifar as cifar
from joulecast.profiler.workload_cifar import Images

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from joulecast.profiler.workload_plan import Plan

CIFAR_MEAN: Final = (0.4914, 0.4822, 0.4465)
CIFAR_STD: Final = (0.2023, 0.1994, 0.2010)
DIGITS_TEST_FRAC: Final = 0.2
_DIGITS_EDGE: Final = 8
_DIGITS_MAX: Final = 16
_POOL_SAMPLES: Final = 1024
_POOL_BYTES: Final = 32 * 2**20


@dataclass(frozen=True, slots=True)
class Dataset:
    """Both splits of a data set.

    Attributes
    ----------
    mean, std : per channel, of pixels scaled to 0..1.
    samples, test_samples : per epoch and per evaluation; a split that holds fewer repeats.
    """

    name: str
    train: Images
    test: Images
    mean: tuple[float, ...]
    std: tuple[float, ...]
    classes: int
    samples: int
    test_samples: int
    notices: tuple[str, ...] = ()


def load_dataset(plan: Plan, input_shape: tuple[int, ...], classes: int) -> Dataset:
    """The data set that `plan` names, in the network's input shape.

    Parameters
    ----------
    classes : scores that the network gives; synthetic labels are drawn below it.
    """
    if plan.data == "synthetic":
        return _synthetic(plan, input_shape, classes)
    found = _cifar10(plan, input_shape) if plan.data == "cifar10" else _digits(plan, input_shape)
    if plan.task == "train" and classes < found.classes:
        seen = f"the network gives {classes} scores, {plan.data} has {found.classes} classes"
        raise BadInput(f"{seen}. Give it {found.classes} outputs, or use synthetic data.")
    return found


def _cifar10(plan: Plan, input_shape: tuple[int, ...]) -> Dataset:
    """The user's copy, with a notice where it is not as large as published."""
    if plan.data_folder is None:
        raise BadInput("CIFAR-10 needs the folder it lies in: give data_folder.")
    if input_shape != cifar.SHAPE:
        seen = "x".join(map(str, input_shape))
        raise BadInput(f"CIFAR-10 is 3x32x32, the network takes {seen}: use synthetic data.")
    train, test = cifar.read_cifar10(Path(plan.data_folder))
    notices = []
    if (len(train.labels), len(test.labels)) != (cifar.TRAIN_SAMPLES, cifar.TEST_SAMPLES):
        seen = f"{len(train.labels):,} training and {len(test.labels):,} test images"
        notices.append(f"this CIFAR-10 holds {seen}, not 50,000 and 10,000 as published")
    return Dataset(
        name="cifar10",
        train=train,
        test=test,
        mean=CIFAR_MEAN,
        std=CIFAR_STD,
        classes=cifar.CLASSES,
        samples=plan.samples or len(train.labels),
        test_samples=len(test.labels),
        notices=tuple(notices),
    )


def _digits(plan: Plan, input_shape: tuple[int, ...]) -> Dataset:
    """Handwritten digits: 8x8 pictures repeated to the network's size, all channels equal.

    A fifth, drawn by the seed, is the test split.
    """
    if len(input_shape) != 3:
        seen = "x".join(map(str, input_shape))
        raise BadInput(f"digits are pictures, the network takes {seen}: use synthetic data.")
    pictures, labels = read_digits(_digits_path())
    pixels = enlarge(pictures, input_shape)
    order = np.random.default_rng(plan.seed).permutation(len(labels))
    n_test = round(DIGITS_TEST_FRAC * len(labels))
    test, train = order[:n_test], order[n_test:]
    scaled = pixels[train] / 255.0
    channels = input_shape[0]
    return Dataset(
        name="digits",
        train=Images(pixels[train], labels[train]),
        test=Images(pixels[test], labels[test]),
        mean=(float(scaled.mean()),) * channels,
        std=(float(scaled.std()),) * channels,
        classes=10,
        samples=plan.samples or len(train),
        test_samples=n_test,
    )


def _digits_path() -> Path:
    """The table that scikit-learn brings; the package itself is not imported."""
    spec = find_spec("sklearn")
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    for folder in folders:
        path = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if path.is_file():
            return path
    package, extra = "scikit-learn", "train"
    raise MissingExtra(package, extra, "the digits data set")


def read_digits(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pictures (n, 8, 8) of 0..255 and labels (n,) of the table at `path`."""
    try:
        with gzip.open(path, "rt", encoding="ascii") as file:
            lines = file.read().splitlines()
        table = np.loadtxt(lines, delimiter=",", ndmin=2) if lines else np.empty((0, 0))
    except (OSError, EOFError, ValueError) as error:
        seen = f"cannot read the digits in {path}: {error}"
        raise BadInput(f"{seen}. Reinstall scikit-learn.") from error
    if table.shape[1] != _DIGITS_EDGE**2 + 1 or not ((table >= 0) & (table <= _DIGITS_MAX)).all():
        raise BadInput(f"{path} is not the table of digits. Reinstall scikit-learn.")
    pictures = np.round(table[:, :-1] * (255 / _DIGITS_MAX)).astype(np.uint8)
    return pictures.reshape(-1, _DIGITS_EDGE, _DIGITS_EDGE), table[:, -1].astype(np.int64)


def enlarge(pictures: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Grey `pictures` (n, h, w) as (n, channels, height, width): nearest pixel, equal channels."""
    channels, height, width = shape
    rows = np.arange(height) * pictures.shape[1] // height
    columns = np.arange(width) * pictures.shape[2] // width
    large = pictures[:, rows[:, None], columns[None, :]]
    return np.ascontiguousarray(np.repeat(large[:, None], channels, axis=1))


def _synthetic(plan: Plan, input_shape: tuple[int, ...], classes: int) -> Dataset:
    """Seeded noise of the network's shape: a pool of at most 1,024 samples that repeats.

    A fifth as many serve as the test split, the ratio of CIFAR-10.
    """
    samples = plan.samples or cifar.TRAIN_SAMPLES
    n_pool = min(samples, _POOL_SAMPLES, max(1, _POOL_BYTES // int(np.prod(input_shape))))
    draw = np.random.default_rng(plan.seed)

    def pool() -> Images:
        pixels = draw.integers(0, 256, (n_pool, *input_shape), dtype=np.uint8)
        return Images(pixels, draw.integers(0, classes, n_pool))

    channels = input_shape[0] if len(input_shape) > 1 else 1
    return Dataset(
        name="synthetic",
        train=pool(),
        test=pool(),
        mean=(0.5,) * channels,
        std=(12**-0.5,) * channels,  # of the uniform distribution on 0..1
        classes=classes,
        samples=samples,
        test_samples=max(1, samples // 5),
    )
