"""The folder is the registry."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulecast.core import catalog
from joulecast.core.errors import BadInput, UnknownName


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with two entries and three files that are none."""
    for name in ("b-two.toml", "a_one.toml", "_template.toml", ".hidden.toml", "README.md"):
        (tmp_path / name).write_text("tdp_w = 70.0\n", encoding="utf-8")
    return tmp_path


def test_entries_are_the_files(folder: Path) -> None:
    """Names are sorted file names of the suffix; hidden files and those with _ are left out."""
    assert catalog.names(folder, ".toml") == ("a_one", "b-two")
    assert catalog.names(folder / "missing", ".toml") == ()


@given(st.text(alphabet="aZ9 -_", max_size=12))
def test_normalising_twice_changes_nothing(name: str) -> None:
    """The compared form of a name is a fixed point, and keeps letters and digits only."""
    form = catalog.normalise(name)
    assert catalog.normalise(form) == form
    assert form == "".join(c for c in name.lower() if c.isalnum())


@pytest.mark.parametrize("spelling", ["rtx-3090", "RTX_3090", "Rtx 3090", "RTX3090"])
def test_spelling_does_not_matter(spelling: str) -> None:
    """Case, hyphens, underscores and spaces are ignored."""
    assert catalog.find(spelling, "machine", iter(["hc1", "rtx-3090"])) == "rtx-3090"


def test_first_of_equal_spellings_wins() -> None:
    """Where two entries spell alike, the one that is given first is found."""
    assert catalog.find("hc1", "machine", ["HC-1", "hc1"]) == "HC-1"


def test_unknown_entry_lists_the_nearest() -> None:
    """A name that nothing answers to is refused with the nearest names."""
    with pytest.raises(UnknownName, match=r"unknown machine 'hc11'\. Nearest: hc1, hc2") as caught:
        catalog.find("hc11", "machine", ["hc1", "hc2"])
    assert caught.value.nearest == ["hc1", "hc2"]


def test_toml_is_read(folder: Path) -> None:
    """A TOML file comes back as its values."""
    assert catalog.read_toml(folder / "b-two.toml") == {"tdp_w": 70.0}


def test_missing_file_is_bad_input(tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(BadInput, match=r"no such file: .*nowhere\.toml"):
        catalog.read_toml(tmp_path / "nowhere.toml")


def test_folder_in_place_of_a_file_is_bad_input(tmp_path: Path) -> None:
    """A folder is refused as input, not met with a traceback."""
    with pytest.raises(BadInput, match="cannot read"):
        catalog.read_toml(tmp_path)


@pytest.mark.parametrize("content", [b"tdp_w = \n", b"tdp_w = 1\ntdp_w = 2\n", b"\xff\xfe"])
def test_malformed_toml_is_bad_input(tmp_path: Path, content: bytes) -> None:
    """A malformed file is refused with its path and the parser's reason."""
    path = tmp_path / "mine.toml"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"mine\.toml is not valid TOML: .+Compare"):
        catalog.read_toml(path)


def test_shipped_folders_are_inside_the_package() -> None:
    """Devices, machines and networks are looked up below the package."""
    for shipped in (catalog.DEVICES_DIR, catalog.MACHINES_DIR):
        assert shipped.is_dir()
        assert shipped.is_relative_to(catalog.PACKAGE_DIR)


def test_user_folder_is_the_platforms(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A user's own files are looked up in the platform's configuration folder."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert catalog.user_dir().name == "joulecast"
