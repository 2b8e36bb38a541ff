"""A service in this process with a store in memory, and runs for it."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from joulecast.asking_run import setup_of
from joulecast.core import run_files
from joulecast.core.records import Measurement, Run
from tests.fakes.run_store import FakeRunStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.testclient import TestClient

    from joulecast.store import RunStore

READ = "r" * 43
WRITE = "w" * 43


@contextmanager
def asking(
    store: RunStore | None = None,
    *,
    token: str | None = None,
    **settings: Any,  # noqa: ANN401
) -> Iterator[TestClient]:
    """A client of a service that has started.

    Parameters
    ----------
    token : that the client sends. settings : of the service; it looks at its store once.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # older clients are named deprecated
        from starlette.testclient import TestClient
    from joulecast.service.app import create_app
    from joulecast.service.settings import Settings

    kept = FakeRunStore() if store is None else store
    asked = Settings(**{"poll_s": 1e6, "row_processes": 0, "quiet": True, **settings})
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    app = create_app(asked, open_it=lambda: kept)
    with TestClient(app, base_url="http://localhost", headers=headers) as client:
        yield client


def run_of(
    name: str = "run-1",
    model: str = "vgg16",
    hardware: str = "hc3",
    *,
    sample_j: float = 0.05,
    sample_s: float = 0.0004,
) -> Run:
    """A complete run that a sensor stands behind, of 50,000 samples."""
    setup, _ = setup_of(model, hardware, scope="gpu", samples=50_000, loader_workers=4)
    seconds = sample_s * 50_000
    return Run(
        setup=setup,
        measurement=Measurement(
            energy_j={"gpu": sample_j * 50_000},
            duration_s=seconds,
            samples=50_000,
            energy_source={"gpu": "nvml-counter"},
            power_w={"gpu": sample_j / sample_s},
        ),
        source="joulecast",
        model_group=model,
        hardware_id=hardware,
        meter="nvml:0",
        started_at="2026-05-01T10:00:00+00:00",
        id=name,
    )


def record_of(*words: str, **how: Any) -> dict[str, Any]:  # noqa: ANN401 (as `run_of`)
    """The same as a profiler sends it."""
    return run_files.to_dict(run_of(*words, **how))
