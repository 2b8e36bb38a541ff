"""Settings that every test and doctest shares."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

if TYPE_CHECKING:
    from pathlib import Path

OPTIONAL = (
    *("torch", "fvcore", "sklearn", "lightgbm", "pandas"),
    *("fastapi", "uvicorn", "aiohttp", "matplotlib", "sqlalchemy", "alembic", "prometheus_client"),
)

# The same examples in every run, and no limit in time: a busy machine is no failure.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile("steady")


def pytest_configure(config: "pytest.Config") -> None:
    """Pass over modules that need a package which is not installed, when looking for doctests."""
    if any(find_spec(package) is None for package in OPTIONAL):
        config.option.doctest_ignore_import_errors = True


@pytest.fixture(autouse=True)
def own_folders(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> "Path":
    """Empty user folders: no test reads or writes the runs and machines of whoever runs it."""
    home = tmp_path_factory.getbasetemp() / "user"
    for variable in ("XDG_DATA_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.setenv(variable, str(home / variable.lower()))
    return home
