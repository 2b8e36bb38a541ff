"""The words of this package as frozen records: device, machine, workload, run, estimate.

SI units inside, the unit in every name. Missing is ``None``, never 0.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from joulecast.core.serving import BurstFigures, Serving  # noqa: TC001 (records are read by type)

if TYPE_CHECKING:
    from collections.abc import Mapping

OP_CLASSES = (
    "conv",
    "depthwise",
    "grouped",
    "matmul",
    "attention",
    "norm",
    "elementwise",
    "pool",
    "embedding",
)
MAC_CLASSES = ("conv", "depthwise", "grouped", "matmul", "attention")

Task = Literal["train", "infer", "serve"]
Scope = Literal["gpu", "cpu", "dram", "system", "wall"]
Basis = Literal["zero-shot", "calibrated", "short-run", "measured"]
Novelty = Literal["seen-pair", "new-model", "new-hardware", "new-pair"]
MEASURED_SOURCES = (
    "nvml-counter",
    "nvml-power",
    "rapl",
    "rapl-psys",
    "amdsmi-counter",
    "amdsmi-power",
)
"""Energy sources that a sensor stands behind here and now; every other is modelled or replayed."""
SEEN_ENOUGH = 0.98
"""Share of a session that a meter has to see for its energy to count as the session's."""
NOVELTIES: tuple[Novelty, ...] = ("seen-pair", "new-model", "new-hardware", "new-pair")


def is_measured(source: str) -> bool:
    """Whether a sensor stands behind every part of an energy source such as ``rapl+dram-model``.

    >>> is_measured("nvml-counter"), is_measured("rapl+dram-model")
    (True, False)
    """
    return bool(source) and all(part in MEASURED_SOURCES for part in source.split("+"))


@dataclass(frozen=True, slots=True)
class Device:
    """Spec-sheet facts of one device.

    Attributes
    ----------
    tdp_w, idle_w, turbo_w : watts; for a CPU `tdp_w` is the base figure, `turbo_w` short-term.
    mem_bytes : bytes. mem_bandwidth_bytes_per_s : bytes/s, peak.
    peak_flops_per_s : FLOP/s per precision (fp32, tf32, fp16, ...), dense.
    sm_count : streaming multiprocessors, compute units or cores.
    doubtful : names of the fields that no vendor page confirms.
    """

    id: str
    name: str
    kind: Literal["gpu", "cpu", "dram", "edge"]
    tdp_w: float
    year: int
    source: str
    vendor: str = ""
    architecture: str = ""
    idle_w: float | None = None
    turbo_w: float | None = None
    mem_bytes: float | None = None
    mem_bandwidth_bytes_per_s: float | None = None
    peak_flops_per_s: Mapping[str, float] = field(default_factory=dict)
    sm_count: float | None = None
    l2_bytes: float | None = None
    clock_hz: float | None = None
    process_nm: float | None = None
    aliases: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Machine:
    """Devices with their counts, and what the host adds.

    Attributes
    ----------
    gpu, cpu, dram : one device of each kind; `dram` is one DIMM.
    gpu_power_limit_w : watts per GPU, ``None`` for the vendor's limit.
    loader_workers : data-loading processes that the machine's owner uses, ``None`` if not stated.
    """

    id: str
    name: str
    gpu: Device | None = None
    n_gpus: int = 0
    gpu_power_limit_w: float | None = None
    cpu: Device | None = None
    n_cpus: int = 0
    dram: Device | None = None
    n_dimms: int = 0
    loader_workers: int | None = None
    aliases: tuple[str, ...] = ()
    source: str = ""
    note: str = ""

    @property
    def accelerator(self) -> Device | None:
        """The device that computes: the GPU, or the CPU of a machine without one."""
        return self.gpu if self.gpu is not None else self.cpu

    @property
    def mem_bytes(self) -> float | None:
        """Memory that holds the weights, bytes, over all accelerators."""
        if self.gpu is not None:
            return None if self.gpu.mem_bytes is None else self.gpu.mem_bytes * self.n_gpus
        if self.dram is not None and self.dram.mem_bytes is not None:
            return self.dram.mem_bytes * self.n_dimms
        return None


@dataclass(frozen=True, slots=True)
class OpCount:
    """What one forward pass of one sample costs in one op class.

    Attributes
    ----------
    macs : multiply-adds. kernels : operator launches (do not grow with the batch).
    activation_bytes : bytes read and written per sample at fp32.
    weight_bytes : bytes of parameters read once per batch at fp32.
    """

    macs: float = 0.0
    activation_bytes: float = 0.0
    weight_bytes: float = 0.0
    kernels: float = 0.0


@dataclass(frozen=True, slots=True)
class Architecture:
    """Counted facts of a network at one input size, forward pass, batch 1, fp32.

    Attributes
    ----------
    input_shape : without the batch, e.g. (3, 32, 32); (seq_len,) for token models.
    buffer_bytes, size_bytes : bytes; size = parameters + buffers.
    activation_bytes : bytes of all operator outputs of one sample.
    ops : per op class, see `OP_CLASSES`.
    uncounted : operators seen whose multiply-adds could not be counted.
    active_params : parameters used per token (mixture of experts), else `params`.
    kv_bytes_per_token : bytes of key/value cache per token at 2 bytes a value.
    state_bytes : recurrent state of one sequence (Mamba, linear attention), bytes; every token
        reads and writes it.
    head_dim : width of one attention head.
    collection : where the definition comes from (joulecast, torchvision, keras, timm, llm, other).
    group : networks with the same group are near twins.
    """

    name: str
    domain: str
    input_shape: tuple[int, ...]
    params: float
    macs: float
    ops: Mapping[str, OpCount]
    trainable_params: float | None = None
    buffer_bytes: float = 0.0
    activation_bytes: float = 0.0
    kernels: float = 0.0
    uncounted: tuple[str, ...] = ()
    framework: str = "pytorch"
    collection: str = ""
    group: str = ""
    aliases: tuple[str, ...] = ()
    source: str = ""
    layers: int | None = None
    hidden: int | None = None
    heads: int | None = None
    kv_heads: int | None = None
    head_dim: int | None = None
    experts: int | None = None
    active_params: float | None = None
    kv_bytes_per_token: float | None = None
    state_bytes: float | None = None

    @property
    def size_bytes(self) -> float:
        """Bytes of parameters (fp32) and buffers."""
        return 4.0 * self.params + self.buffer_bytes


@dataclass(frozen=True, slots=True)
class Workload:
    """What is executed: task, data volume, batch, precision.

    Attributes
    ----------
    samples : per epoch. input_shape : without the batch, ``None`` for the architecture's own.
    trainable_frac : share of the parameters that is trained, 0..1.
    serving : of task ``serve``: how requests arrive; `precision` is then that of the weights and
        `samples` the requests.
    """

    task: Task = "train"
    samples: float = 50_000
    epochs: float = 1
    batch_size: float = 128
    input_shape: tuple[int, ...] | None = None
    seq_len: int | None = None
    dataset: str = ""
    precision: str = "fp32"
    framework: str = "pytorch"
    optimiser: str = "sgd"
    trainable_frac: float = 1.0
    loader_workers: int | None = None
    serving: Serving | None = None


@dataclass(frozen=True, slots=True)
class Setup:
    """One question to the predictor: this workload of this network on this machine, in a scope."""

    machine: Machine
    architecture: Architecture
    workload: Workload
    scope: Scope = "system"
    notices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MeterReport:
    """What one meter contributed to a measurement.

    Attributes
    ----------
    meter : e.g. ``nvml:0``. scope : what it saw. energy_source : how, see `MEASURED_SOURCES`.
    energy_j : joules over the session, ``None`` if it never gave two readings.
    period_s : median seconds between its readings, as they came.
    seen_frac : share of the session that its readings cover, 0..1.
    readings, failures : counts. facts : driver, UUID, averaging window, ...
    """

    meter: str
    scope: str
    energy_source: str
    energy_j: float | None = None
    power_max_w: float | None = None
    period_s: float | None = None
    readings: int = 0
    failures: int = 0
    seen_frac: float | None = None
    facts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Window:
    """A named stretch of a session; epochs are windows.

    Attributes
    ----------
    start_s : seconds after the session's start. energy_j : joules by scope, gross.
    samples, steps : counts. loss : of the training. accuracy : 0..1, of the evaluation.
    """

    name: str
    start_s: float
    duration_s: float
    energy_j: Mapping[str, float] = field(default_factory=dict)
    samples: float | None = None
    steps: int | None = None
    loss: float | None = None
    accuracy: float | None = None


@dataclass(frozen=True, slots=True)
class StepTimes:
    """Seconds of the steps of a session: rate and stalls are apart.

    Attributes
    ----------
    median_s : seconds of a steady step. stall_s : seconds by which stalled steps exceeded it.
    warmup_s, warmup_steps : before the steady part.
    """

    count: int
    median_s: float
    p90_s: float
    stall_s: float = 0.0
    warmup_s: float = 0.0
    warmup_steps: int = 0


@dataclass(frozen=True, slots=True)
class Measurement:
    """What the meters saw.

    Attributes
    ----------
    energy_j : joules by scope, gross (idle not subtracted); a scope that nothing saw is absent.
    energy_source : how each scope was got: ``nvml-counter``, ``rapl``, ``tdp-model``, ...
    duration_s : seconds of the measured window. samples : samples processed in it.
    idle_w : watts by scope, of the machine when idle. power_w : mean watts by scope.
    burst : of task ``serve``: what the requests met.
    steady_sample_s, steady_power_w : seconds per sample and watts by scope of the steady part.
    gpu_util_frac, gpu_mem_util_frac : 0..1, means. meters : one report each.
    """

    energy_j: Mapping[str, float]
    duration_s: float | None
    samples: float | None
    energy_source: Mapping[str, str] = field(default_factory=dict)
    idle_w: Mapping[str, float] = field(default_factory=dict)
    power_w: Mapping[str, float] = field(default_factory=dict)
    gpu_util_frac: float | None = None
    gpu_mem_util_frac: float | None = None
    gpu_mem_used_bytes: float | None = None
    epochs: tuple[Window, ...] = ()
    windows: tuple[Window, ...] = ()
    steps: StepTimes | None = None
    steady_sample_s: float | None = None
    steady_power_w: Mapping[str, float] = field(default_factory=dict)
    meters: tuple[MeterReport, ...] = ()
    sampler_cpu_s: float | None = None
    burst: BurstFigures | None = None
    notices: tuple[str, ...] = ()

    def net_energy_j(self, scope: str, idle_s: float | None = None) -> float | None:
        """Joules above idle in `scope` (the papers' Eq. 1-2), ``None`` where idle is unknown.

        Parameters
        ----------
        idle_s : seconds of idle to subtract; ``None`` for as long as the run took, a number for
            the papers' literal form with its fixed T_idle.
        """
        energy_j, idle_w = self.energy_j.get(scope), self.idle_w.get(scope)
        seconds = self.duration_s if idle_s is None else idle_s
        if energy_j is None or idle_w is None or seconds is None:
            return None
        return energy_j - idle_w * seconds


Status = Literal["running", "complete", "interrupted"]


@dataclass(frozen=True, slots=True)
class Run:
    """One measured execution with its provenance.

    Attributes
    ----------
    id : of the record; the file is named after it. status : ``running`` in a record that was
        never finished: it holds what was seen up to the last flush.
    where : environment (host or container), node, rank, local_rank, world_size, job; variant of
        the code that a published table names.
    started_at : UTC, ISO 8601.
    """

    setup: Setup
    measurement: Measurement
    source: str
    model_group: str
    model_family: str = ""
    hardware_id: str = ""
    meter: str = ""
    quality_flag: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    started_at: str | None = None
    id: str = ""
    status: Status = "complete"
    where: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Evidence:
    """A measured group that the answer leans on (no measured values of third parties)."""

    model: str
    device: str
    n: int
    source: str


@dataclass(frozen=True, slots=True)
class Estimate:
    """The answer: energy and time of the whole workload with an interval at `level`."""

    energy_j: float
    energy_low_j: float
    energy_high_j: float
    duration_s: float
    duration_low_s: float
    duration_high_s: float
    level: float
    power_w: float
    scope: Scope
    basis: Basis
    novelty: Novelty | None = None
    gpu_energy_j: float | None = None
    cpu_energy_j: float | None = None
    dram_energy_j: float | None = None
    net_energy_j: float | None = None
    carbon_g: float | None = None
    carbon_intensity_g_per_kwh: float | None = None
    carbon_source: str | None = None
    cost: float | None = None
    price_per_kwh: float | None = None
    sci_g: float | None = None
    sci_per: str | None = None
    extrapolated: bool = False
    stable: bool = True
    evidence: tuple[Evidence, ...] = ()
    notices: tuple[str, ...] = ()
    next_measurement: str | None = None
    model: str = ""
    hardware: str = ""
    model_text: str = ""
    hardware_text: str = ""
    workload: Workload | None = None
    explanation: Mapping[str, Any] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values under the field names; the JSON of the command line and of HTTP."""
        return asdict(self)

    def with_notices(self, *notices: str) -> Estimate:
        """Copy with `notices` appended."""
        return replace(self, notices=(*self.notices, *notices))
