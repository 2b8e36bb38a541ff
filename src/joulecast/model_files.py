"""A model that no catalogue names: a config.json, its folder, or a module; at an input size."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from joulecast.core.errors import BadInput

if TYPE_CHECKING:
    from joulecast.core.records import Architecture

_DEFAULT_TOKENS = 512
_CONFIG = "config.json"
_PLACES = ("./", "../", ".\\", "..\\", "/", "~")


def config_at(named: str | Path) -> Path | None:
    """The config.json that is meant, or ``None`` for the name of a model.

    A text means a folder where it can mean nothing else; a bare name is one of the catalogue.

    Raises
    ------
    BadInput
        When the place that is meant holds no config.json.
    """
    text, path = str(named), Path(named)
    if text.endswith(".json"):
        return path
    is_place = isinstance(named, Path) or text in {".", ".."} or text.startswith(_PLACES)
    if not (is_place or text.endswith(("/", "\\"))):
        return None
    path = path.expanduser()
    if isinstance(named, Path) and not path.exists() and len(path.parts) == 1:
        return None
    if not (path / _CONFIG).is_file():
        seen = f"the folder {text} holds no {_CONFIG}" if path.is_dir() else f"no folder {text}"
        message = f"{seen}. Give the folder of a model's {_CONFIG}, the file, or a catalogue name"
        raise BadInput(message)
    return path / _CONFIG


def config_in_folder(name: str) -> Path | None:
    """The config.json in a folder of that name, for names that no catalogue knows."""
    path = Path(name) / _CONFIG
    return path if path.is_file() else None


def from_config(path: Path, input_shape: tuple[int, ...] | None) -> Architecture:
    """Counts of what a Hugging Face config.json describes."""
    from joulecast.profiler.llm_config import architecture_from_config

    tokens = input_shape[0] if input_shape and len(input_shape) == 1 else _DEFAULT_TOKENS
    return at_shape(architecture_from_config(path, seq_len=tokens), input_shape)


def counted(module: Any, input_shape: tuple[int, ...] | None) -> Architecture:  # noqa: ANN401
    """Counts of a ``torch.nn.Module``."""
    name = type(module).__name__
    if not hasattr(module, "state_dict"):
        message = f"model is a {name}. Give a name, an Architecture or an nn.Module"
        raise BadInput(message)
    if input_shape is None:
        message = f"give input_shape to count {name}, e.g. input_shape=(3, 224, 224)"
        raise BadInput(message)
    from joulecast.profiler.counters import count_module

    domain = "text" if len(input_shape) == 1 else "vision"
    return count_module(module, input_shape, name=name, domain=domain, source="counted")


def at_shape(found: Architecture, input_shape: tuple[int, ...] | None) -> Architecture:
    """`found` at another input size, if one is given."""
    from joulecast.datasets import shapes

    if input_shape is None:
        return found
    if (len(input_shape) >= 3) != (len(found.input_shape) >= 3):
        own = "x".join(map(str, found.input_shape))
        message = (
            f"{found.name} takes inputs like {own}. Use --input for images, --seq-len for text"
        )
        raise BadInput(message)
    return shapes.resized(found, input_shape)
