"""Logs as lines of JSON, without tokens, query strings and bodies."""

from __future__ import annotations

import json
import logging
import traceback
from datetime import UTC, datetime
from typing import Any

LOGGER = "joulecast.service"


class JsonLine(logging.Formatter):
    """A record as one line of JSON; what was handed over as ``extra={"facts": {...}}`` too."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        moment = datetime.fromtimestamp(record.created, UTC)
        facts: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            facts |= told(record.exc_info[1])
        return json.dumps(facts, default=str)


def told(exc: BaseException) -> dict[str, Any]:
    """What a log says of an error: its kind and message, and where it came from."""
    frames = traceback.extract_tb(exc.__traceback__)[-8:]
    places = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames]
    return {"error": type(exc).__name__, "message": str(exc)[:300], "places": places}


def configuration(level: str = "INFO") -> dict[str, Any]:
    """How a process that is a service logs: everything to stderr as lines of JSON."""
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": f"{__name__}.JsonLine"}},
        "handlers": {
            "stderr": {
                "class": "logging.StreamHandler",
                "formatter": "json",
                "stream": "ext://sys.stderr",
            }
        },
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            LOGGER: {"level": level, "handlers": ["stderr"], "propagate": False},
            "uvicorn": {"level": level, "handlers": ["stderr"], "propagate": False},
            # The server's own lines hold query strings; it writes them if any handler is in reach.
            "uvicorn.access": {"handlers": [], "propagate": False},
        },
    }
