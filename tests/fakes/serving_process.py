"""A service in a process of its own, as `joulecast serve` starts it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def main(words: Sequence[str]) -> int:
    """Serve until told to stop; port, number of workers and file of the store are given."""
    from joulecast.service import serve
    from joulecast.service.settings import Settings

    port, workers, file = words
    settings = Settings(
        port=int(port), workers=int(workers), store_url=f"sqlite:///{file}", poll_s=0.1
    )
    return serve.run(settings)
