"""CIFAR-10 from a local folder, in either of its published layouts.

The python layout is pickled, and a pickle can run anything: it is read by an unpickler that knows
plain values and the names that rebuild an array, each of them replaced by a stand-in of our own.
"""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np

from joulecast.core.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    _Reader: TypeAlias = Callable[[bytes], "Images"]

SHAPE: Final = (3, 32, 32)
CLASSES: Final = 10
TRAIN_SAMPLES: Final = 50_000
TEST_SAMPLES: Final = 10_000
BINARY_FOLDER: Final = "cifar-10-batches-bin"
PYTHON_FOLDER: Final = "cifar-10-batches-py"
TRAIN_BATCHES: Final = tuple(f"data_batch_{n}" for n in range(1, 6))
TEST_BATCH: Final = "test_batch"
_PIXELS: Final = 3 * 32 * 32
_RECORD_BYTES: Final = 1 + _PIXELS
_MAX_BYTES: Final = 128 * 2**20
_HINT: Final = (
    "Get the binary or the python version from https://www.cs.toronto.edu/~kriz/cifar.html, "
    "unpack it and name the folder"
)


@dataclass(frozen=True, slots=True)
class Images:
    """Pictures and what they show.

    Attributes
    ----------
    pixels : (n, channels, height, width), uint8. labels : (n,), int64, from 0.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.int64]


def read_cifar10(folder: Path) -> tuple[Images, Images]:
    """Training and test split of the CIFAR-10 in `folder`, or in the published folder below it.

    Raises
    ------
    BadInput : nothing there, a file missing, cut short, or with other content than published.
    """
    home, suffix, read = _layout(folder)
    paths = [home / f"{name}{suffix}" for name in (*TRAIN_BATCHES, TEST_BATCH)]
    missing = [path.name for path in paths if not path.is_file()]
    if missing:
        raise BadInput(f"{home} lacks {', '.join(missing)}. {_HINT}.")
    batches = [_read(path, read) for path in paths]
    train = Images(
        np.concatenate([batch.pixels for batch in batches[:-1]]),
        np.concatenate([batch.labels for batch in batches[:-1]]),
    )
    return train, batches[-1]


def _layout(folder: Path) -> tuple[Path, str, _Reader]:
    """Folder with the batches, suffix of its files, and the function that reads one."""
    for home in (folder, folder / BINARY_FOLDER, folder / PYTHON_FOLDER):
        if any(home.glob("*_batch*.bin")):
            return home, ".bin", _from_binary
        if any(home.glob("data_batch_?")) or (home / TEST_BATCH).is_file():
            return home, "", _from_pickle
    seen = f"holds no {BINARY_FOLDER} or {PYTHON_FOLDER}" if folder.is_dir() else "is no folder"
    raise BadInput(f"no CIFAR-10 found: {folder} {seen}. {_HINT}.")


def _read(path: Path, read: _Reader) -> Images:
    """One batch of pictures; BadInput names the file."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise BadInput("it is larger than any file of CIFAR-10")  # noqa: TRY301 (named below)
        batch = read(path.read_bytes())
    except OSError as error:
        raise BadInput(f"cannot read {path}: {error.strerror}.") from error
    except BadInput as error:
        raise BadInput(f"{path} is no batch of CIFAR-10: {error}. {_HINT}.") from error
    if len(batch.labels) == 0 or batch.labels.min() < 0 or batch.labels.max() >= CLASSES:
        raise BadInput(f"{path} is damaged: labels are not 0 to {CLASSES - 1}. {_HINT}.")
    return batch


def _from_binary(content: bytes) -> Images:
    """Pictures of a binary batch: records of one label byte and 3072 pixels."""
    if not content or len(content) % _RECORD_BYTES:
        seen = f"{len(content)} bytes are no whole number of records of {_RECORD_BYTES}"
        raise BadInput(f"{seen}, it may be cut short")
    records = np.frombuffer(content, np.uint8).reshape(-1, _RECORD_BYTES)
    return Images(records[:, 1:].reshape(-1, *SHAPE).copy(), records[:, 0].astype(np.int64))


def _from_pickle(content: bytes) -> Images:
    """Pictures of a pickled batch: a dict with data (n, 3072) and a list of labels."""
    try:
        batch = _Unpickler(io.BytesIO(content), encoding="bytes").load()
    except BadInput:
        raise
    except Exception as error:  # damaged bytes can raise anything in the unpickler
        seen = str(error).split("\n")[0][:100] or type(error).__name__
        raise BadInput(f"it cannot be unpickled ({seen}), it may be cut short") from error
    fields = batch if isinstance(batch, dict) else {}
    data = fields.get(b"data", fields.get("data"))
    labels = fields.get(b"labels", fields.get("labels"))
    if not isinstance(data, _Array) or not isinstance(labels, list):
        raise BadInput("it holds no dict with 'data' and 'labels'")
    if not all(type(label) is int and 0 <= label < CLASSES for label in labels):
        raise BadInput(f"labels are not 0 to {CLASSES - 1}")
    return Images(data.pixels(len(labels)), np.array(labels, np.int64))


class _Dtype:
    """Stands for the dtype in a pickle: keeps its name only."""

    def __init__(self, name: object, *_: object) -> None:
        self.name = name

    def __setstate__(self, state: object) -> None:
        """Nothing: byte order means nothing to single bytes."""


class _Array:
    """Stands for the array in a pickle: keeps shape, dtype and bytes until they are checked."""

    def __init__(self) -> None:
        self.state: tuple[Any, ...] = ()

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """Keep (version, shape, dtype, whether Fortran order, bytes)."""
        self.state = state

    def pixels(self, count: int) -> NDArray[np.uint8]:
        """(count, 3, 32, 32) pixels; BadInput if the array is anything else."""
        match self.state:
            case (_, (rows, columns), _Dtype(name="u1" | b"u1"), fortran, bytes(raw)):
                pass
            case _:
                raise BadInput("'data' is no array of bytes")
        if (rows, columns) != (count, _PIXELS) or fortran or len(raw) != count * _PIXELS:
            raise BadInput(f"'data' is not {count} rows of {_PIXELS} bytes, one row per label")
        return np.frombuffer(raw, np.uint8).reshape(-1, *SHAPE).copy()


def _reconstruct(*_: object) -> _Array:
    """Array to be filled; stands for numpy's function of that name."""
    return _Array()


def _encode(text: str, encoding: str) -> bytes:
    """Bytes that Python 3 wrote in the old pickle protocol; no other codec is looked up."""
    if encoding not in {"latin1", b"latin1"}:
        raise BadInput(f"it asks for the codec {encoding!r}")
    return text.encode("latin1")


_ALLOWED: Final[dict[tuple[str, str], Any]] = {
    ("numpy.core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy._core.multiarray", "_reconstruct"): _reconstruct,
    ("numpy", "ndarray"): _Array,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
}


class _Unpickler(pickle.Unpickler):
    """Unpickler of plain values and arrays of bytes."""

    def find_class(self, module: str, name: str) -> Any:  # noqa: ANN401 (pickle's signature)
        """The stand-in for a known name; BadInput for any other."""
        found = _ALLOWED.get((module, name))
        if found is None:
            raise BadInput(f"it asks for '{module}.{name}', which data has no need of")
        return found
