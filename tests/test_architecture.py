"""Who may import whom: read from the source with `ast`, nothing is imported here."""

import ast
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "joulecast"
LINKS = ("profiler", "estimator", "datasets", "models")

# First part of a module's path -> the parts of ours that it may import. Parts not named are faces:
# the public face, api, cli and service put the wings together and may import everything.
ALLOWED = {
    "core": {"core"},
    "models": {"core", "models"},
    "datasets": {"core", "datasets"},
    "estimator": {"core", "estimator"},
    "profiler": {"core", "models", "profiler"},
}
COUNTING = ("profiler/counters*", "profiler/sync*", "profiler/workload*")
# Foreign package -> the only files that may import it, early or late.
HOMES = {
    "torch": ("models/*", *COUNTING),
    "torchvision": ("models/*", *COUNTING),
    "fvcore": ("models/*", *COUNTING),
    "pynvml": ("profiler/meters/nvml.py",),
    "sklearn": ("estimator/*",),
    "lightgbm": ("estimator/*",),
    "typer": ("cli.py",),
    "fastapi": ("service*",),
    "uvicorn": ("service*", "cli.py"),
    "aiohttp": ("profiler/serving/client.py",),
    "sqlalchemy": ("store/*",),
    "alembic": ("store/*",),
    "psycopg": ("store/*",),
}
# Slow packages are imported inside the function that needs them, but where regressors are fitted.
SLOW = {"sklearn", "lightgbm", "scipy", "pandas", "joblib", "pyarrow", "matplotlib"}
FITTING = ("estimator/regressors/*", "estimator/train*")


def imports(tree: ast.AST, *, early: bool = True) -> Iterator[tuple[str, bool, bool]]:
    """Name, whether it runs when the module is imported, whether only a type checker sees it."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, early, False) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            source = "." * node.level + (node.module or "")
            inner = [f"{source}.{alias.name}" for alias in node.names]
            yield from ((n, early, False) for n in (inner if source == "joulecast" else [source]))
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            positive = not isinstance(node.test, ast.UnaryOp)
            for part, typing_only in ((node.body, positive), (node.orelse, not positive)):
                found = imports(ast.Module(part, []), early=early)
                yield from ((n, e, t or typing_only) for n, e, t in found)
        else:
            is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from imports(node, early=early and not is_function)


def within(path: str, patterns: tuple[str, ...]) -> bool:
    """Whether the path below the package matches one of the patterns."""
    return any(fnmatch(path, pattern) for pattern in patterns)


def violations(path: str, source: str) -> list[str]:
    """What the file at `path` (below the package) imports against the rules."""
    part, found = path.partition("/")[0], []
    for name, early, typing_only in imports(ast.parse(source)):
        top, _, rest = name.partition(".")
        target = rest.split(".")[0]
        if top in {"", "core", *LINKS}:
            found.append(f"{path}: '{name}' is not absolute, say joulecast...")
        elif top == "joulecast" and target not in ALLOWED.get(part, {target}):
            found.append(f"{path}: {part} may not import '{name}'")
        elif not typing_only and not within(path, HOMES.get(top, ("*",))):
            found.append(f"{path}: '{top}' only in {', '.join(HOMES[top])}")
        elif not typing_only and early and top in SLOW and not within(path, FITTING):
            found.append(f"{path}: '{top}' is slow, import it inside the function")
    return found


def test_nobody_imports_against_the_rules() -> None:
    """Every file of the package keeps to the rules."""
    found = []
    for folder in (PACKAGE, *(PACKAGE / link for link in LINKS)):  # rglob stops at links
        for file in folder.rglob("*.py"):
            path = file.relative_to(PACKAGE).as_posix()
            found += violations(path, file.read_text(encoding="utf-8"))
    assert found == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("core/units.py", "from joulecast.datasets.hardware import machine"),
        ("core/units.py", "from joulecast import estimate"),
        ("models/vgg16.py", "from joulecast.profiler import counters"),
        ("datasets/source.py", "import joulecast.estimator.predictor"),
        ("datasets/source.py", "from joulecast import estimator"),
        ("estimator/train.py", "from joulecast.datasets import architectures"),
        ("estimator/train.py", "def f():\n    from joulecast.profiler.session import Session"),
        ("estimator/train.py", "if TYPE_CHECKING:\n    from joulecast.models import vgg16"),
        ("profiler/session.py", "from joulecast.estimator import train"),
        ("profiler/session.py", "from joulecast.cli import main"),
        ("profiler/session.py", "from .sampler import Sampler"),
        ("estimator/train.py", "from . import physics"),
        ("cli.py", "import estimator.train"),
        ("api.py", "from datasets import architectures"),
        ("api.py", "def f():\n    import torch"),
        ("profiler/session.py", "try:\n    from torch import nn\nexcept ImportError:\n    pass"),
        ("estimator/physics.py", "import torch.nn"),
        ("profiler/meters/rapl.py", "import pynvml"),
        ("datasets/source.py", "def f():\n    import lightgbm"),
        ("api.py", "import typer"),
        ("cli.py", "import fastapi"),
        ("api.py", "import pandas as pd"),
        ("estimator/predictor.py", "from lightgbm import Booster"),
        ("estimator/intervals.py", "class A:\n    import scipy.stats"),
        ("api.py", "if TYPE_CHECKING:\n    pass\nelse:\n    import pandas"),
        ("api.py", "if not TYPE_CHECKING:\n    import pandas"),
    ],
)
def test_a_breach_is_seen(path: str, source: str) -> None:
    """Each rule catches a file that breaks it."""
    assert len(violations(path, source)) == 1


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("__init__.py", "if TYPE_CHECKING:\n    from joulecast.api import estimate"),
        ("api.py", "from joulecast.estimator import predictor\nimport joulecast.datasets.hardware"),
        ("api.py", "if TYPE_CHECKING:\n    import pandas\n    from torch import nn"),
        ("api.py", "def f():\n    import pandas"),
        ("cli.py", "import typer\nfrom joulecast import api"),
        ("service/app.py", "from fastapi import FastAPI"),
        ("models/vgg16.py", "import torch\nfrom joulecast.models._blocks import conv"),
        ("profiler/counters.py", "from torch import nn\nfrom joulecast.core import records"),
        ("profiler/meters/nvml.py", "import pynvml"),
        ("estimator/regressors/lasso.py", "from sklearn.linear_model import Lasso"),
        ("estimator/train.py", "import lightgbm\nfrom joulecast.core.records import Run"),
        ("estimator/physics.py", "import json\nimport numpy as np"),
    ],
)
def test_what_is_allowed_passes(path: str, source: str) -> None:
    """No rule stands in the way of what the plan allows."""
    assert violations(path, source) == []


@pytest.mark.parametrize("name", LINKS)
def test_the_four_folders_are_linked_into_the_package(name: str) -> None:
    """Each top folder is the package's own, through a link that moves with the checkout."""
    link = PACKAGE / name
    assert link.is_symlink()
    assert link.readlink().as_posix() == f"../../{name}"
    assert link.samefile(ROOT / name)


@pytest.mark.parametrize("name", ["datasets", "models"])
def test_names_that_others_use_stay_free(name: str) -> None:
    """`import datasets` beside a checkout finds the package of that name, never our folder."""
    assert not (ROOT / name / "__init__.py").exists()
