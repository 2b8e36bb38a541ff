"""Opening the machine of a model server: the meters that see it, and none that see the client."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING

from joulecast import asking
from joulecast.core.errors import BadInput
from joulecast.core.records import Machine
from joulecast.profiling_desk import open_desk

if TYPE_CHECKING:
    import argparse

    from joulecast.asking_burst import Server
    from joulecast.measuring import Here
    from joulecast.profiling_desk import Desk

_UNNAMED = "the server is on another machine: name it (--hw) for estimates to lean on its bursts"
_UNSEEN = "the server is on another machine and no --power-from tells its power"


def open_burst_desk(ask: argparse.Namespace, server: Server) -> Desk:
    """The machine of the server, with the meters that see it.

    Meters of this machine see the server if it runs here, or where they are asked for by name.

    Raises
    ------
    MeterUnavailable
        If the page of `--power-from`, or a meter asked for by name, tells no power.
    """
    asked = copy(ask)
    if ask.power_from:
        asked.meter = [f"prometheus:{ask.power_from}", *ask.meter]
    unseen = not (server.is_here or asked.meter or ask.replay)
    apart = not server.is_here and (unseen or bool(ask.power_from))
    unnamed = apart and ask.hw.strip().lower() == "auto"
    if unnamed and ask.gpus:
        raise BadInput(f"--gpus {int(ask.gpus)}: of which machine? Name it: --hw NAME")
    if unnamed:
        asked.hw = Machine(id="", name="")
    desk = open_desk(asked)
    here = _blind(desk.here) if unseen else desk.here
    if ask.gpus:
        here = replace(here, machine=asking.configured(here.machine, int(ask.gpus), None))
    doubts = (_UNNAMED,) if unnamed else _miscounted(here) if ask.power_from else ()
    return replace(desk, here=replace(here, notices=(*doubts, *here.notices)))


def _blind(here: Here) -> Here:
    """Without the meters of this machine: they see the client."""
    here.close()
    return replace(here, meters=(), notices=(_UNSEEN,))


def _miscounted(here: Here) -> tuple[str, ...]:
    """A doubt where the page tells of more or fewer GPUs than serve."""
    told, has = sum(m.scope == "gpu" for m in here.meters), here.machine.n_gpus
    if here.machine.gpu is None or told == has:
        return ()
    said = f"--power-from tells of {told} GPUs, {here.machine.id} has {has}: choose those that "
    return (said + "serve (URL#gpu=0,1), or say how many there are (--gpus N)",)
