"""Pages that take seconds to draw, once for all tests of the report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from joulecast.api_report import report
from tests.fakes.report_runs import many, trained

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="session")
def full_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report of many runs with every figure, of names that try to run, and of long ones."""
    long = "a-very-long-network-name-with-parts-v2-large-384"
    hostile = ("<script>alert('x')</script>&\"", "<img src=x onerror=alert(1)>")
    runs = [
        *many(),
        *(trained(named=name, power_w=900.0, sample_s=1.0) for name in hostile),
        *(trained(named=f"{k}-{long}", batch_size=b) for k in range(3) for b in (16, 32)),
    ]
    return report(runs, tmp_path_factory.mktemp("report") / "report.html")
