"""CIFAR-10 is read in both layouts, and nothing else is taken for it."""

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from joulecast.core.errors import BadInput
from joulecast.profiler.workload_cifar import read_cifar10
from tests.fakes.cifar import BATCHES, PIXELS, batch, string, write_binary, write_python

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WRITERS = {"binary": write_binary, "python": write_python}
FIRST_FILE = {"binary": "data_batch_1.bin", "python": "data_batch_1"}


@pytest.mark.parametrize("layout", WRITERS)
@pytest.mark.parametrize("inside", [True, False])
def test_both_layouts_give_the_published_pixels(
    tmp_path: Path, layout: str, *, inside: bool
) -> None:
    """Every pixel and label comes out in its place, from the folder or the one above it."""
    home = WRITERS[layout](tmp_path)
    train, test = read_cifar10(home if inside else tmp_path)
    pixels, labels = batch(2, 20)
    assert train.pixels.shape == (100, 3, 32, 32)
    assert test.pixels.shape == (20, 3, 32, 32)
    np.testing.assert_array_equal(train.pixels[40:60].reshape(20, PIXELS), pixels)
    np.testing.assert_array_equal(train.labels[40:60], labels)
    np.testing.assert_array_equal(test.pixels.reshape(20, PIXELS), batch(5, 20)[0])


def test_red_comes_first_row_by_row(tmp_path: Path) -> None:
    """The first 1,024 bytes of a record are the red channel, 32 to a row."""
    write_binary(tmp_path)
    train, _ = read_cifar10(tmp_path)
    flat = batch(0, 20)[0]
    assert train.pixels[3, 1, 2, 5] == flat[3, 1024 + 2 * 32 + 5]


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_of_python_3_is_read_too(tmp_path: Path, protocol: int) -> None:
    """A batch written anew by Python 3 and its numpy gives the same pixels."""
    home = write_python(tmp_path)
    for number, name in enumerate(BATCHES):
        pixels, labels = batch(number, 20)
        content = {"data": pixels, "labels": labels.tolist()}
        (home / name).write_bytes(pickle.dumps(content, protocol=protocol))
    train, _ = read_cifar10(tmp_path)
    np.testing.assert_array_equal(train.pixels[:20].reshape(20, PIXELS), batch(0, 20)[0])


def test_nothing_there_says_where_to_get_it(tmp_path: Path) -> None:
    """An empty or missing folder is told what was looked for."""
    with pytest.raises(BadInput, match=r"holds no cifar-10-batches-bin or .*kriz/cifar"):
        read_cifar10(tmp_path)
    with pytest.raises(BadInput, match="is no folder"):
        read_cifar10(tmp_path / "none")


@pytest.mark.parametrize("layout", WRITERS)
def test_a_missing_batch_is_named(tmp_path: Path, layout: str) -> None:
    """One batch less is refused, with its name."""
    home = WRITERS[layout](tmp_path)
    (home / FIRST_FILE[layout]).unlink()
    with pytest.raises(BadInput, match=f"lacks {FIRST_FILE[layout]}"):
        read_cifar10(tmp_path)


def _cut(content: bytes) -> bytes:
    return content[: len(content) * 2 // 3]


def _emptied(_: bytes) -> bytes:
    return b""


@pytest.mark.parametrize("damage", [_cut, _emptied])
@pytest.mark.parametrize("layout", WRITERS)
def test_a_truncated_batch_is_refused(
    tmp_path: Path, layout: str, damage: Callable[[bytes], bytes]
) -> None:
    """A file that was cut short is named and not taken for a smaller one."""
    path = WRITERS[layout](tmp_path) / FIRST_FILE[layout]
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(BadInput, match=f"{FIRST_FILE[layout]} is no batch .* cut short"):
        read_cifar10(tmp_path)


def test_a_label_out_of_range_is_damage(tmp_path: Path) -> None:
    """A label byte above 9 is refused in the binary layout."""
    path = write_binary(tmp_path) / "data_batch_3.bin"
    content = bytearray(path.read_bytes())
    content[0] = 10
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"data_batch_3.bin is damaged: labels"):
        read_cifar10(tmp_path)


class _Hostile:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch hostile",)


class _Sneaky:
    """Evaluates text when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return eval, ("open('hostile', 'w').close()",)


@pytest.mark.parametrize("load", [_Hostile(), _Sneaky(), np.float64(1.0), {1, 2}, print])
def test_a_hostile_pickle_runs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, load: object
) -> None:
    """Whatever a pickle asks for beyond plain values and the array is refused, and not called."""
    monkeypatch.chdir(tmp_path)
    home = write_python(tmp_path)
    pixels, labels = batch(0, 20)
    content = {"data": pixels, "labels": labels.tolist(), "more": load}
    (home / "data_batch_1").write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(BadInput, match=r"data_batch_1 is no batch .* asks for"):
        read_cifar10(tmp_path)
    assert not (tmp_path / "hostile").exists()


def test_no_other_codec_is_looked_up(tmp_path: Path) -> None:
    """The codec function of old pickles serves latin1 only: another may run code of its own."""
    home = write_python(tmp_path)
    asks = b"\x80\x02c_codecs\nencode\n" + string(b"x") + string(b"zlib_codec") + b"\x86R."
    (home / "test_batch").write_bytes(asks)
    with pytest.raises(BadInput, match="asks for the codec"):
        read_cifar10(tmp_path)


@pytest.mark.parametrize(
    ("content", "seen"),
    [
        ([1, 2], "no dict"),
        ({"data": b"raw", "labels": [1]}, "no dict"),
        ({"data": np.zeros((2, PIXELS), np.uint8), "labels": [1, 2, 3]}, "not 3 rows"),
        ({"data": np.zeros((2, 8), np.uint8), "labels": [1, 2]}, "not 2 rows"),
        ({"data": np.zeros((2, PIXELS), np.float32), "labels": [1, 2]}, "no array of bytes"),
        ({"data": np.zeros(PIXELS, np.uint8), "labels": [1]}, "no array of bytes"),
        ({"data": np.zeros((2, PIXELS), np.uint8), "labels": [1, 12]}, "labels are not"),
        ({"data": np.zeros((2, PIXELS), np.uint8), "labels": [1, "2"]}, "labels are not"),
        ({"data": np.zeros((2, PIXELS), np.uint8), "fine_labels": [1, 2]}, "no dict"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, content: object, seen: str) -> None:
    """A harmless pickle with other content is named as such."""
    home = write_python(tmp_path)
    (home / "data_batch_1").write_bytes(pickle.dumps(content, protocol=2))
    with pytest.raises(BadInput, match=seen):
        read_cifar10(tmp_path)
