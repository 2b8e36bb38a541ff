"""Settings that every test and doctest shares."""

from importlib.util import find_spec
from typing import TYPE_CHECKING

from hypothesis import settings

if TYPE_CHECKING:
    import pytest

OPTIONAL = ("torch", "fvcore", "sklearn", "lightgbm", "pandas", "fastapi", "uvicorn", "matplotlib")

# The same examples in every run, and no limit in time: a busy machine is no failure.
settings.register_profile("steady", derandomize=True, deadline=None)
settings.load_profile("steady")


def pytest_configure(config: "pytest.Config") -> None:
    """Pass over modules that need a package which is not installed, when looking for doctests."""
    if any(find_spec(package) is None for package in OPTIONAL):
        config.option.doctest_ignore_import_errors = True
