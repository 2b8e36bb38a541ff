"""The public face: complete, sorted, documented, and light."""

import subprocess
import sys
from importlib import import_module, metadata

import pytest

import joulecast


def test_names_are_sorted_and_each_once() -> None:
    """`__all__` is sorted and holds no name twice."""
    assert joulecast.__all__ == sorted(set(joulecast.__all__))


def test_every_home_lists_what_is_public() -> None:
    """The names loaded at first use are exactly those of `__all__`, and `dir` shows them."""
    lazy = [name for members in joulecast._HOMES.values() for name in members]
    assert sorted([*lazy, "__version__"]) == joulecast.__all__
    assert set(joulecast.__all__) <= set(dir(joulecast))


@pytest.mark.parametrize("home", joulecast._HOMES)
def test_public_names_are_those_of_their_home(home: str) -> None:
    """Each public name is its home's own object, and has a docstring."""
    for name in joulecast._HOMES[home]:
        thing = getattr(joulecast, name)
        assert thing is getattr(import_module(home), name)
        assert len(str(thing.__doc__)) > len(name)


def test_version_is_the_installed_one() -> None:
    """The version is written once."""
    assert joulecast.__version__ == metadata.version("joulecast")


def test_an_unknown_attribute_is_refused() -> None:
    """A name that is not public is an AttributeError, as in any module."""
    with pytest.raises(AttributeError, match="module 'joulecast' has no attribute 'nothing'"):
        _ = joulecast.nothing  # type: ignore[attr-defined]


def test_importing_loads_nothing_else() -> None:
    """`import joulecast` loads no other module of ours and no foreign package."""
    code = "import sys; old = set(sys.modules); import joulecast; print(*set(sys.modules) - old)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert {name for name in loaded if name.split(".")[0] not in sys.stdlib_module_names} == {
        "joulecast"
    }
