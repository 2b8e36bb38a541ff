"""Sending run records to a service: first spooled, then sent, let go of once acknowledged.

A record is never lost, whatever dies between these steps; it may be sent twice, and is kept once
there. Nothing that goes wrong here harms what was measured: it becomes one note.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from joulecast.core.errors import BadInput
from joulecast.core.run_files import to_dict
from joulecast.push_post import ANSWER_S, Service, post
from joulecast.push_spool import spool_of, spool_root

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from joulecast.core.records import Run
    from joulecast.push_post import Answer
    from joulecast.push_spool import Spool

BUDGET_S = 15.0
"""Seconds that all sending of one measuring command may take."""
_MOST_TRIES = 10
_TOKEN = "JOULECAST_TOKEN"  # noqa: S105 (the variable's name)


@dataclass(slots=True)
class Sent:
    """What one round of sending came to; filled in while it goes on.

    Attributes
    ----------
    new, known : acknowledged records. notes : one sentence per reason why others were not.
    refused : records set aside.
    """

    new: int = 0
    known: int = 0
    refused: int = 0
    notes: list[str] = field(default_factory=list)


class Outbox:
    """What goes to one service, within a time that all calls share.

    Parameters
    ----------
    budget_s : seconds for all calls of `send`, ``None`` for as long as it takes.
    """

    def __init__(
        self,
        service: Service,
        spool: Spool,
        budget_s: float | None = BUDGET_S,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.service = service
        self.spool = spool
        self._budget_s = self._left_s = budget_s
        self._now = now
        self._loose: dict[str, bytes] = {}
        self._told: set[str] = set()

    def add(self, run: Run) -> list[str]:
        """Let `run` wait until it is sent; a note if it cannot."""
        try:
            self.spool.add(run)
        except OSError as exc:  # it is sent all the same, from memory
            self._loose[run.id] = json.dumps(to_dict(run), allow_nan=False).encode()
            return self._untold([f"cannot spool into {self.spool.folder}: {exc.strerror}"])
        except Exception as exc:  # noqa: BLE001  whatever it is, the run is measured and kept
            said = str(exc) if isinstance(exc, BadInput) else f"{type(exc).__name__}: {exc}"
            return [f"not pushed: {said}"]
        return []

    def send(self) -> Sent:
        """Send what waits, oldest first; notes of an earlier call are not repeated.

        The work is done in a thread: looking up a host, or an answer that comes byte by byte, has
        no timeout of its own.
        """
        told, stop = Sent(), threading.Event()
        if self._left_s is None:
            self._work(told, stop, None)
        elif self._left_s > 0:
            told = self._bounded(told, stop, self._left_s)
        told.notes = self._untold(told.notes)
        return told

    def _bounded(self, told: Sent, stop: threading.Event, left_s: float) -> Sent:
        """What was sent within `left_s`; what goes on is left behind."""
        start_s = self._now()
        work = threading.Thread(target=self._work, args=(told, stop, start_s + left_s), daemon=True)
        try:
            work.start()
            work.join(left_s)
        except RuntimeError as exc:
            told.notes.append(f"not pushed: {exc}. {self._later}")
        finally:
            stop.set()
            self._left_s = left_s - (self._now() - start_s)
        if work.is_alive():
            return replace(told, notes=[*told.notes, self._too_long])
        return told

    def _work(self, told: Sent, stop: threading.Event, until_s: float | None) -> None:
        """Send until nothing waits, nobody answers, or time is up."""
        try:
            for run_id in [*self.spool.waiting(), *self._loose]:
                left_s = ANSWER_S if until_s is None else min(ANSWER_S, until_s - self._now())
                if stop.is_set() or left_s <= 0:
                    told.notes.append(self._too_long)
                    return
                if self._sent(run_id, told, left_s) in {"away", "busy"}:
                    return
        except Exception as exc:  # noqa: BLE001  sending never harms what was measured
            told.notes.append(f"not pushed: {type(exc).__name__}: {exc}. {self._later}")

    def _sent(self, run_id: str, told: Sent, left_s: float) -> str:
        """What became of one record; empty if another process has it."""
        if run_id in self._loose:
            return self._answered(run_id, self._loose[run_id], told, left_s)
        with self.spool.held(run_id) as record:
            return "" if record is None else self._answered(run_id, record, told, left_s)

    def _posted(self, run_id: str, record: bytes, left_s: float) -> Answer:
        """What the service answers; who has no time limit waits until it is less busy."""
        answer = post(self.service, run_id, record, left_s)
        tries = _MOST_TRIES if self._budget_s is None else 0
        while answer.kind == "busy" and tries:
            time.sleep(answer.pause_s)
            answer, tries = post(self.service, run_id, record, left_s), tries - 1
        return answer

    def _answered(self, run_id: str, record: bytes, told: Sent, left_s: float) -> str:
        """What the service made of a record; one that it acknowledged waits no longer."""
        answer, is_loose = self._posted(run_id, record, left_s), run_id in self._loose
        if answer.kind in {"new", "known"}:
            told.new += answer.kind == "new"
            told.known += answer.kind == "known"
            if not is_loose:
                self.spool.remove(run_id)
        elif answer.kind == "refused":
            told.refused += 1
            lies = "" if is_loose else f". It now lies in {self.spool.set_aside(run_id).parent}"
            told.notes.append(f"{run_id} is refused: {answer.said}{lies}")
        else:
            told.notes.append(f"not pushed: {answer.said}{'' if is_loose else f'. {self._later}'}")
        if is_loose and answer.kind in {"new", "known", "refused"}:
            del self._loose[run_id]
        return answer.kind

    def _untold(self, notes: list[str]) -> list[str]:
        """Those of `notes` that were not told before."""
        new = [note for note in dict.fromkeys(notes) if note not in self._told]
        self._told.update(new)
        return new

    @property
    def _later(self) -> str:
        where = self.spool.folder
        return f"What waits in {where} is sent by the next 'profile --push' or 'joulecast push'"

    @property
    def _too_long(self) -> str:
        return f"pushing to {self.service.url} took {self._budget_s:g} s. {self._later}"


def open_outbox(ask: argparse.Namespace, environ: Mapping[str, str]) -> Outbox | None:
    """Where `--push` sends records, ``None`` without it.

    Raises
    ------
    BadInput
        If there is no usable token where one was said to be.
    """
    if ask.push is None:
        if ask.push_token_file is not None:
            raise BadInput("--push-token-file is of no use without --push URL")
        return None
    service = Service(ask.push, token_of(ask.push_token_file, environ))
    return Outbox(service, spool_of(ask.push, spool_root()))


def token_of(file: Path | None, environ: Mapping[str, str]) -> str:
    """The token in `file`, else in the environment; empty if there is none.

    Raises
    ------
    BadInput
        If it cannot be read or sent. It is never repeated.
    """
    where = _TOKEN if file is None else str(file)
    try:
        text = environ.get(_TOKEN, "") if file is None else file.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as exc:
        message = f"cannot read a token from {where}: {type(exc).__name__}"
        raise BadInput(message) from None
    token = text.strip()
    fit = token.isascii() and token.isprintable() and " " not in token
    if not fit or (file is not None and not token):
        message = f"{where} holds no token: one word of ASCII characters, and nothing else"
        raise BadInput(message)
    return token
