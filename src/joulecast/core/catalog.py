"""The folder is the registry: the entries of a kind are the files of its folder.

A name starting with ``_`` is no entry. A user's own folder is searched first.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from joulecast.core.errors import BadInput, UnknownName

if TYPE_CHECKING:
    from collections.abc import Iterable

PACKAGE_DIR = Path(__file__).resolve().parent.parent
DEVICES_DIR = PACKAGE_DIR / "datasets" / "devices"
MACHINES_DIR = PACKAGE_DIR / "datasets" / "machines"


def normalise(name: str) -> str:
    """`name` without case, ``-``, ``_`` and spaces: the form in which spellings are compared.

    >>> normalise("RTX_3090")
    'rtx3090'
    """
    return name.casefold().replace("-", "").replace("_", "").replace(" ", "")


@cache
def names(folder: Path, suffix: str) -> tuple[str, ...]:
    """Names of the entries in `folder`: file names without `suffix`, sorted, ``_*`` left out."""
    return tuple(
        sorted(p.stem for p in folder.glob(f"*{suffix}") if not p.name.startswith(("_", "."))),
    )


def user_dir() -> Path:
    """Folder of the user's own files (`devices/`, `machines/` below it)."""
    import platformdirs

    return Path(platformdirs.user_config_dir("joulecast", appauthor=False))


def read_toml(path: Path) -> dict[str, Any]:
    """Content of a TOML file; a malformed one is a `BadInput` with the line."""
    import tomllib

    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except FileNotFoundError as exc:
        message = f"no such file: {path}"
        raise BadInput(message) from exc
    except OSError as exc:
        message = f"cannot read {path}: {exc.strerror}"
        raise BadInput(message) from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        message = f"{path} is not valid TOML: {exc}. Compare with a shipped file"
        raise BadInput(message) from exc


def find(name: str, kind: str, known: Iterable[str]) -> str:
    """The entry of `known` that `name` spells (case, ``-``, ``_`` and spaces ignored).

    Raises
    ------
    UnknownName
        With the nearest three, when nothing matches.
    """
    known = list(known)
    wanted = normalise(name)
    for entry in known:
        if normalise(entry) == wanted:
            return entry
    raise UnknownName(kind, name, known)
