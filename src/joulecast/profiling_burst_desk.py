"""Opening the machine of a model server: the meters that see it, and none that see the client."""

from __future__ import annotations

import os
import platform
import sys
from dataclasses import replace
from typing import TYPE_CHECKING

from joulecast import asking
from joulecast.core.errors import BadInput
from joulecast.core.records import Machine
from joulecast.core.run_files import default_folder
from joulecast.live import ProgressLine
from joulecast.measuring import Here, context_of, find_here
from joulecast.profiler import meters as meters_of
from joulecast.profiler.doctor import environment
from joulecast.profiler.ranks import rank_of
from joulecast.profiling_desk import Desk, choice_of, open_desk

if TYPE_CHECKING:
    import argparse

    from joulecast.asking_burst import Server


def open_burst_desk(ask: argparse.Namespace, server: Server) -> Desk:
    """The machine of the server, with the meters that see it.

    Meters of this machine see the server if it runs here, or where they are asked for by name.
    """
    named = bool(ask.meter or ask.replay)
    here_or_named = server.is_here or named
    desk = open_desk(ask) if here_or_named and not ask.power_from else _elsewhere(ask, server)
    if not ask.gpus:
        return desk
    machine = asking.configured(desk.here.machine, int(ask.gpus), None)
    return replace(desk, here=replace(desk.here, machine=machine))


def _elsewhere(ask: argparse.Namespace, server: Server) -> Desk:
    """The machine as named, and the meters of `--power-from` with those asked for by name."""
    folder = None if ask.no_save else ask.out or default_folder()
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as exc:
            message = f"cannot write records into {folder}: {exc.strerror}. Give --out"
            raise BadInput(message) from exc
    machine, notices = _machine(ask, server)
    rank = rank_of(os.environ, platform.node())
    where = {**rank.where(), **environment(environ=os.environ)}
    meters = _meters(ask, machine)
    if not ask.power_from:
        notices.append("the server is on another machine and no --power-from tells its power")
    here = Here(machine, tuple(meters), rank, where, tuple(notices))
    return Desk(ask, here, folder, ProgressLine(sys.stderr, quiet=ask.quiet))


def _machine(ask: argparse.Namespace, server: Server) -> tuple[Machine, list[str]]:
    if server.is_here or ask.hw.strip().lower() != "auto":
        return find_here(ask.hw, choice_of(ask))
    told = "the server is on another machine: name it (--hw) for estimates to lean on its bursts"
    return Machine(id="", name=""), [told]


def _meters(ask: argparse.Namespace, machine: Machine) -> list[meters_of.Meter]:
    """Raises MeterUnavailable where a page tells no power."""
    context = context_of(machine, choice_of(ask))
    found: list[meters_of.Meter] = []
    if ask.power_from:
        options = {"url": ask.power_from}
        found += meters_of.probe("prometheus", replace(context, options=options))
    for name in ask.meter:
        kind, *settings = name.split(":")
        given = dict(zip(("power_w", "scope"), settings, strict=False))
        found += meters_of.probe(kind, replace(context, options=given))
    return found
