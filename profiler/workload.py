"""Runs a network on data as a plan says, and tells a recording what happens when."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch

from joulecast.core.errors import BadInput, DoesNotFit
from joulecast.profiler.clock import SystemClock
from joulecast.profiler.workload_data import load_dataset
from joulecast.profiler.workload_loader import samples_per_pass
from joulecast.profiler.workload_loops import Bench, Loop, Watch, window
from joulecast.profiler.workload_plan import START_UP, Outcome, check_plan, workload_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from torch import nn

    from joulecast.profiler.clock import Clock
    from joulecast.profiler.workload_network import Network
    from joulecast.profiler.workload_plan import Plan, Progress, Recording

_NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


def run(
    network: Network,
    plan: Plan,
    recording: Recording,
    *,
    stop: Callable[[], bool] | None = None,
    on_progress: Callable[[Progress], None] | None = None,
    clock: Clock | None = None,
) -> Outcome:
    """What came of training `network`, or of inference with it, as `plan` says.

    The caller starts and stops `recording`. It hears of a window ``start-up`` (data read, network
    built and moved), of every epoch and step, and of a window ``evaluation`` after each training
    epoch; of a run limited by steps or seconds only the steps. The same seed, device and threads
    give the same loss. The caller's own random numbers and threads stay as they were.

    Parameters
    ----------
    stop : asked after every step; True ends the run there.

    Raises
    ------
    BadInput : plan, data or device cannot be used. DoesNotFit : the batch exceeds the memory.
    """
    check_plan(plan)
    device = pick_device(plan.device)
    _check_precision(plan, device)
    watch = Watch(clock or SystemClock(), stop, on_progress)
    with _threads(plan.threads), _seeded(plan.seed, device):
        try:
            with window(recording, START_UP):
                bench = _prepare(network, plan, device)
            loop = Loop(bench, recording, watch)
            loop.run()
        except RuntimeError as error:  # torch's own errors of memory are among them
            if not is_out_of_memory(error):
                raise
            what = f"batch {plan.batch_size} of {network.name} exceeds the memory of {device}"
            raise DoesNotFit(f"{what}: {_first_line(error)}. Take a smaller batch.") from error
        return _outcome(loop, network)


def pick_device(name: str) -> torch.device:
    """The device that `name` means; ``auto`` is the first GPU where there is one, else the CPU."""
    has_gpu = torch.cuda.is_available()
    if name == "auto":
        name = "cuda" if has_gpu else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise BadInput(f"no device '{name}'. Give auto, cpu, cuda or cuda:1.") from error
    if device.type not in {"cpu", "cuda"}:
        raise BadInput(f"'{name}' is not supported here. Give auto, cpu, cuda or cuda:1.")
    if device.type == "cpu":
        return torch.device("cpu")
    seen = torch.cuda.device_count() if has_gpu else 0
    index = (torch.cuda.current_device() if seen else 0) if device.index is None else device.index
    if index >= seen:
        raise BadInput(f"no device '{name}': torch sees {seen} GPUs. Use cpu, or check the driver.")
    return torch.device("cuda", index)


def device_uuid(device: torch.device) -> str:
    """UUID of a GPU as its driver tells it, without ``GPU-``; nothing where torch does not say."""
    if device.type != "cuda":
        return ""
    return str(getattr(torch.cuda.get_device_properties(device), "uuid", "")).removeprefix("GPU-")


def _check_precision(plan: Plan, device: torch.device) -> None:
    """Raise BadInput where `device` does not compute in the plan's precision."""
    if plan.precision == "fp16" and device.type == "cpu":
        raise BadInput("fp16 on a CPU is emulated and says nothing. Use bf16 or fp32.")
    if plan.precision == "bf16" and device.type == "cuda":
        with torch.cuda.device(device):
            native = torch.cuda.is_bf16_supported(including_emulation=False)
        if not native:
            seen = torch.cuda.get_device_name(device)
            raise BadInput(f"{seen} does not compute in bf16. Use fp16 or fp32.")


def _prepare(network: Network, plan: Plan, device: torch.device) -> Bench:
    """Everything that the loops need: data read, network on the device, optimiser made."""
    if plan.task == "train" and network.classes is None:
        what = f"'{network.name}' gives no row of scores per sample, which training here needs"
        raise BadInput(f"{what}. Wrap your own training script: joulecast profile run -- ...")
    dataset = load_dataset(plan, network.input_shape, network.classes or 1)
    module = network.build().to(device)
    training = plan.task == "train"
    return Bench(
        network=module,
        dataset=dataset,
        plan=plan,
        device=device,
        optimiser=_optimiser(module, plan) if training else None,
        scaler=_scaler() if training and plan.precision == "fp16" else None,
        generator=torch.Generator().manual_seed(plan.seed),
    )


def _optimiser(module: nn.Module, plan: Plan) -> torch.optim.Optimizer:
    """Stochastic gradient descent over what is trainable."""
    trainable = [p for p in module.parameters() if p.requires_grad]
    if not trainable:
        raise BadInput("the network has no trainable parameters. Take the task infer.")
    return torch.optim.SGD(
        trainable,
        lr=plan.learning_rate,
        momentum=plan.momentum,
        weight_decay=plan.weight_decay,
    )


def _scaler() -> torch.amp.GradScaler:
    """Scaler of fp16 gradients on a GPU; torch before 2.3 keeps it elsewhere."""
    maker: Any = getattr(torch.amp, "GradScaler", None) or torch.cuda.amp.GradScaler
    scaler: torch.amp.GradScaler = maker()
    return scaler


def _outcome(loop: Loop, network: Network) -> Outcome:
    """What the loop counted, as a record."""
    bench, notices = loop.bench, list(loop.bench.dataset.notices)
    if bench.plan.task == "train" and loop.loss is None:
        notices.append("the loss is no finite number: energy and time stand, learning does not")
    per_epoch = samples_per_pass(bench.dataset, bench.plan)
    batch = min(bench.plan.batch_size, per_epoch)
    if batch < bench.plan.batch_size:
        notices.append(f"there are {per_epoch} samples: the batch was {batch}, not more")
    executed = replace(bench.plan, batch_size=batch)
    cuda = bench.device.type == "cuda"
    return Outcome(
        workload=workload_of(executed, network.input_shape, per_epoch, loop.samples / per_epoch),
        samples=loop.samples,
        steps=loop.steps,
        duration_s=loop.watch.clock.monotonic_s() - loop.start_s,
        device=str(bench.device),
        device_name=torch.cuda.get_device_name(bench.device) if cuda else "cpu",
        epochs=tuple(loop.epochs),
        loss=loop.loss,
        stopped=loop.stopped,
        facts=_facts(bench.device),
        notices=tuple(notices),
    )


def _facts(device: torch.device) -> dict[str, str]:
    """Versions and settings of torch that change time and energy."""
    facts = {"torch": str(torch.__version__), "torch_threads": str(torch.get_num_threads())}
    if device.type == "cuda":
        facts["cuda"] = str(torch.version.cuda)
        facts["cudnn"] = str(torch.backends.cudnn.version())  # type: ignore[no-untyped-call]
        facts["matmul_precision"] = torch.get_float32_matmul_precision()
    return facts


@contextmanager
def _threads(count: int | None) -> Iterator[None]:
    """`count` CPU threads of torch inside, the former number after."""
    former = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(former)


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """Random numbers from `seed` inside, the caller's own after."""
    devices: list[Any] = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether `error` says that memory ran out, on a GPU or on the CPU."""
    kind = getattr(torch, "OutOfMemoryError", torch.cuda.OutOfMemoryError)
    return isinstance(error, kind) or any(text in str(error) for text in _NO_MEMORY)


def _first_line(error: Exception) -> str:
    """The first sentence of a long message."""
    return str(error).split("\n", 1)[0].split(". ", 1)[0]
