"""What is asked about a training or inference run: names and numbers to a `Setup`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from joulecast import asking
from joulecast.core.records import Setup, Workload

if TYPE_CHECKING:
    from pathlib import Path

    from joulecast.core.records import Machine

_LEAST_TRAINED = 1e-3
"""Share trained below which nothing changes: its logarithm is a feature."""


def refuse_level(level: float) -> None:
    """Refuse a level of intervals outside 0.5..0.995.

    Raises
    ------
    BadInput
    """
    asking.refuse_outside("level", level, 0.5, 0.995)


def setup_of(  # noqa: PLR0913 (the public interface's own arguments)
    model: Any,  # noqa: ANN401 (torch.nn.Module without importing torch)
    hardware: str | Path | Machine,
    *,
    task: str | None = "train",
    epochs: float = 1,
    samples: float | None = None,
    batch_size: float = 128,
    input_shape: tuple[int, ...] | None = None,
    seq_len: int | None = None,
    precision: str = "fp32",
    framework: str = "pytorch",
    optimiser: str = "sgd",
    trainable_frac: float = 1.0,
    loader_workers: int | None = None,
    n_gpus: int | None = None,
    power_limit_w: float | None = None,
    scope: str = "system",
    force: bool = False,
) -> tuple[Setup, tuple[str, ...]]:
    """The question as a setup, and what has to be said about it; arguments as in `estimate`.

    Raises
    ------
    JoulecastError
        For unknown names, values that cannot be right, and weights larger than the memory.
    """
    asking.refuse_absurd(
        epochs=epochs,
        samples=samples,
        batch_size=batch_size,
        seq_len=seq_len,
        n_gpus=n_gpus,
        power_limit_w=power_limit_w,
        loader_workers=loader_workers or None,
    )
    asking.refuse_outside("trainable_frac", trainable_frac, 0.0, 1.0)
    framework = asking.framework_named(framework)
    shape = asking.shape_asked(input_shape, seq_len)
    architecture = asking.find_architecture(model, shape, framework)
    found, detected = asking.find_machine(hardware)
    machine = asking.configured(found, n_gpus, power_limit_w)
    workload = Workload(
        task=asking.task_of(task, architecture),
        samples=50_000 if samples is None else samples,
        epochs=epochs,
        batch_size=batch_size,
        input_shape=architecture.input_shape,
        seq_len=seq_len,
        dataset=asking.dataset_of(architecture),
        precision=asking.precision_of(precision, machine),
        framework=framework,
        optimiser=optimiser.lower(),
        trainable_frac=max(trainable_frac, _LEAST_TRAINED),
        loader_workers=None if loader_workers is None else max(int(loader_workers), 1),
    )
    setup = Setup(machine, architecture, workload, asking.scope_of(scope, machine))
    notices = asking.notices(setup, samples_given=samples is not None)
    notices += asking.memory_notices(setup, force=force)
    return setup, notices + detected
