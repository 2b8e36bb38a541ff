"""Memory by the papers' formula, where no sensor counts it: a model, labelled as one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from joulecast.core.errors import MeterUnavailable
from joulecast.profiler.host import host_facts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from joulecast.core.records import Device
    from joulecast.profiler.meters import MeterContext

_WHOLE_FRAC = 0.85
"""Firmware and kernel keep some: a machine that shows more than this of its DIMMs shows all."""


class Meter:
    """Watts of all DIMMs, the sum of 1/2 C V^2 f over them; `Device.tdp_w` is that of one DIMM.

    Where the machine shows only a part of its memory (a virtual machine, a container with a memory
    limit), that part counts.
    """

    FALLBACK_FOR = "dram"
    scope = "dram"
    energy_source = "dram-model"
    wrap_j: float | None = None

    def __init__(self, dimm: Device, count: int, share_frac: float) -> None:
        self._power_w = dimm.tdp_w * count * share_frac
        self.name = "dram_formula:0"
        self.facts: Mapping[str, str] = {
            "basis": "modelled",
            "formula": "sum over DIMMs of 1/2 C V^2 f",
            "dimms": f"{count} x {dimm.name}",
            "dimm_w": f"{dimm.tdp_w:g}",
            "share_frac": f"{share_frac:.3g}",
        }

    @classmethod
    def probe(cls, context: MeterContext) -> list[Meter]:
        """One meter for all DIMMs of the machine."""
        machine = context.machine
        if machine is None or machine.dram is None or machine.n_dimms <= 0:
            reason = "the machine's DIMMs are not known"
            fix = "Name the machine with --hw, or write dram and n_dimms into a TOML file of it"
            raise MeterUnavailable("dram_formula", reason, fix)
        host = host_facts(context.root, context.environ)
        seen = [b for b in (host.mem_bytes, host.mem_limit_bytes) if b]
        total_bytes = (machine.dram.mem_bytes or 0.0) * machine.n_dimms
        share_frac = min(seen) / total_bytes if seen and total_bytes else 1.0
        share_frac = 1.0 if share_frac > _WHOLE_FRAC else share_frac
        return [cls(machine.dram, machine.n_dimms, share_frac)]

    def read_power_w(self) -> float:
        """Watts; the same at all times, for the formula knows no load."""
        return self._power_w

    def extras(self) -> Mapping[str, float]:
        """Nothing beside the power."""
        return {}

    def close(self) -> None:
        """Nothing is held open."""
