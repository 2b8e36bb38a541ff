"""A user's own network, named as ``module:attr`` and imported from a folder."""

from __future__ import annotations

import importlib
import inspect
import sys
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any

from torch import nn

from joulecast.core.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from types import ModuleType


def user_network(spec: str, folder: Path) -> Callable[[], nn.Module]:
    """Function that makes a fresh network of the user's ``module:attr``.

    Parameters
    ----------
    spec : `attr` is an nn.Module, which is copied, or a class or function without required
        arguments that gives one. folder : searched first, as if a script there were run.

    Raises
    ------
    BadInput : no such module or attribute, an error in the user's code, or no nn.Module.
    """
    name, _, attribute = spec.partition(":")
    if not name or not attribute:
        raise BadInput(f"'{spec}' names no network. Write module:attr, e.g. my_nets:SmallNet.")
    with _searching(folder):
        found = _attribute(_import(name, folder), name, attribute)
    if isinstance(found, nn.Module):
        return partial(deepcopy, found)
    if not callable(found):
        seen = f"'{spec}' is {_kind(found)}, no network"
        raise BadInput(f"{seen}. Name an nn.Module, or a class or function that makes one.")
    _refuse_arguments(spec, found)
    return partial(_make, spec, found, folder)


@contextmanager
def _searching(folder: Path) -> Iterator[None]:
    """`folder` first on the import path, the path restored after."""
    path = list(sys.path)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path[:] = path


def _import(name: str, folder: Path) -> ModuleType:
    """The module `name`."""
    if "/" in name or name.endswith(".py"):
        dotted = name.removesuffix(".py").strip("./").replace("/", ".")
        raise BadInput(f"'{name}' is a file. Write it as a module: {dotted}:attr.")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise _failed(f"importing '{name}'", error) from error
        what = f"no module '{error.name}' in {folder} or installed"
        raise BadInput(f"{what}. Run from the folder that holds it.") from error
    except (Exception, SystemExit) as error:  # the user's code can raise anything
        raise _failed(f"importing '{name}'", error) from error


def _attribute(module: ModuleType, name: str, attribute: str) -> Any:  # noqa: ANN401 (the user's)
    """What `attribute`, possibly dotted, names in `module`."""
    found: Any = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            networks = sorted(k for k, v in vars(module).items() if _is_network(v))
            hint = f"It has {', '.join(networks[:5])}" if networks else "Look at its spelling"
            raise BadInput(f"module '{name}' has no '{attribute}'. {hint}.")
        found = getattr(found, part)
    return found


def _is_network(value: object) -> bool:
    """Whether `value` is a network or a class of networks that the module may offer."""
    is_class = isinstance(value, type) and issubclass(value, nn.Module)
    return isinstance(value, nn.Module) or (is_class and value is not nn.Module)


def _refuse_arguments(spec: str, maker: Callable[..., object]) -> None:
    """Raise BadInput if `maker` cannot be called without arguments."""
    try:
        parameters = inspect.signature(maker).parameters.values()
    except (TypeError, ValueError):  # of some builtins: the call itself will tell
        return
    optional = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    needed = [p.name for p in parameters if p.default is p.empty and p.kind not in optional]
    if needed:
        what = f"'{spec}' needs {', '.join(needed)}"
        raise BadInput(f"{what}. Name a function without required arguments that makes it.")


def _make(spec: str, maker: Callable[[], object], folder: Path) -> nn.Module:
    """The network that `maker` gives."""
    with _searching(folder):
        try:
            made = maker()
        except (Exception, SystemExit) as error:  # the user's code can raise anything
            raise _failed(f"making '{spec}'", error) from error
    if not isinstance(made, nn.Module):
        raise BadInput(f"'{spec}' gives {_kind(made)}, no nn.Module. Let it return the network.")
    return made


def _kind(value: object) -> str:
    """What `value` is, for a message."""
    return f"an object of type {type(value).__name__}"


def _failed(what: str, error: BaseException) -> BadInput:
    """The error that says that the user's own code failed."""
    seen = str(error).split("\n")[0][:200]
    return BadInput(f"{what} failed: {type(error).__name__}: {seen}. Mend it there and try again.")
