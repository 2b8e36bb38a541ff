"""`joulecast push`: what waits for a service is sent, and records that are named."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from joulecast.core.errors import BadInput
from joulecast.core.run_files import read_runs
from joulecast.push import Outbox, token_of
from joulecast.push_post import Service
from joulecast.push_spool import spool_of, spool_root, spools
from joulecast.tables import as_json

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from joulecast.push import Sent

ANSWERED, LEFT = 0, 2


def push(ask: argparse.Namespace) -> int:
    """`joulecast push`: the exit code; 2 if something still waits or was refused."""
    outboxes = _outboxes(ask, os.environ)
    notes = _added(ask, outboxes[0]) if ask.places else []
    rounds = [(outbox, outbox.send()) for outbox in outboxes]
    if ask.json:
        sys.stdout.write(as_json({"services": [_facts(*one) for one in rounds]}))
    else:
        lines = [_line(*one) for one in rounds] or ["nothing waits"]
        sys.stdout.write("".join(f"{line}\n" for line in lines))
    for note in [*notes, *(note for _, sent in rounds for note in sent.notes)]:
        sys.stderr.write(f"note: {note}\n")
    left = notes or any(sent.notes or outbox.spool.waiting() for outbox, sent in rounds)
    return LEFT if left else ANSWERED


def _outboxes(ask: argparse.Namespace, environ: Mapping[str, str]) -> list[Outbox]:
    """One per service that is meant: the one named, else all for which something waits.

    Raises
    ------
    BadInput
        If a token could go to a service that it is not for.
    """
    token, root = token_of(ask.push_token_file, environ), spool_root()
    if ask.push is not None:
        found = [spool_of(ask.push, root)]
    elif ask.places:
        raise BadInput("say where these records go: --push URL")
    else:
        found = list(spools(root))
    if token and len(found) > 1:
        urls = ", ".join(spool.url for spool in found)
        message = f"records wait for {urls}. Say for which the token is: --push URL"
        raise BadInput(message)
    return [Outbox(Service(spool.url, token), spool, budget_s=None) for spool in found]


def _added(ask: argparse.Namespace, outbox: Outbox) -> list[str]:
    """Let the records that are named wait too; one note for each that cannot."""
    found = read_runs(ask.places)
    notes = list(found.skipped)
    for run in found.runs:
        if run.status == "running":
            notes.append(f"left out: {run.id} says that it is still running")
        else:
            notes += outbox.add(run)
    return notes


def _facts(outbox: Outbox, sent: Sent) -> dict[str, object]:
    waiting = len(outbox.spool.waiting())
    return {"url": outbox.service.url, **asdict(sent), "waiting": waiting}


def _line(outbox: Outbox, sent: Sent) -> str:
    """What became of the records for one service."""
    waiting = len(outbox.spool.waiting())
    told = f"{sent.new:,} new, {sent.known:,} known there already, {sent.refused:,} refused"
    return f"{outbox.service.url}: {told}, {waiting:,} waiting"
