"""Tiny CIFAR-10 folders, byte for byte in the two published layouts."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

BATCHES = (*(f"data_batch_{n}" for n in range(1, 6)), "test_batch")
PIXELS = 3072


def batch(number: int, count: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pixels (count, 3072) and labels (count,) of batch `number`, always the same."""
    draw = np.random.default_rng(number)
    pixels = draw.integers(0, 256, (count, PIXELS), dtype=np.uint8)
    return pixels, np.arange(count, dtype=np.int64) % 10


def write_binary(folder: Path, count: int = 20) -> Path:
    """The binary layout below `folder`: records of a label and 3072 bytes."""
    home = folder / "cifar-10-batches-bin"
    home.mkdir(parents=True)
    for number, name in enumerate(BATCHES):
        pixels, labels = batch(number, count)
        records = np.concatenate([labels[:, None].astype(np.uint8), pixels], axis=1)
        (home / f"{name}.bin").write_bytes(records.tobytes())
    (home / "batches.meta.txt").write_text("airplane\n", encoding="ascii")
    return home


def write_python(folder: Path, count: int = 20) -> Path:
    """The python layout below `folder`: pickles as Python 2 wrote them."""
    home = folder / "cifar-10-batches-py"
    home.mkdir(parents=True)
    for number, name in enumerate(BATCHES):
        (home / name).write_bytes(python2_pickle(*batch(number, count)))
    return home


def python2_pickle(pixels: NDArray[np.uint8], labels: NDArray[np.int64]) -> bytes:
    """A batch in pickle protocol 2 with the 8-bit strings of Python 2."""
    rows, columns = pixels.shape
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85"
        + string(b"b")
        + b"\x87R(K\x01"
        + whole(rows)
        + whole(columns)
        + b"\x86cnumpy\ndtype\n"
        + string(b"u1")
        + b"K\x00K\x01\x87R(K\x03"
        + string(b"|")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        + string(pixels.tobytes())
        + b"tb"
    )
    names = b"".join(string(b"pic_%d.png" % n) for n in range(rows))
    return (
        b"\x80\x02}("
        + string(b"batch_label")
        + string(b"training batch 1 of 5")
        + string(b"labels")
        + b"]("
        + b"".join(whole(int(label)) for label in labels)
        + b"e"
        + string(b"data")
        + array
        + string(b"filenames")
        + b"]("
        + names
        + b"eu."
    )


def string(text: bytes) -> bytes:
    """Opcode of an 8-bit string."""
    if len(text) < 256:
        return b"U" + bytes([len(text)]) + text
    return b"T" + struct.pack("<i", len(text)) + text


def whole(number: int) -> bytes:
    """Opcode of a whole number."""
    return b"K" + bytes([number]) if number < 256 else b"M" + struct.pack("<H", number)
