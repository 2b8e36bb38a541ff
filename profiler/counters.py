"""Static counting: what one forward pass of a network costs, found on meta tensors without memory.

Every aten operator is seen once by one dispatch mode, so that nothing with multiply-adds is
silently worth 0: what has no formula is named in `Architecture.uncounted`.
"""

# ruff: noqa: ANN401  (operators of any kind)

from __future__ import annotations

import logging
import warnings
from contextlib import contextmanager
from math import prod
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter
from torch.overrides import resolve_name

from joulecast.core.errors import BadInput, MissingExtra
from joulecast.core.records import Architecture
from joulecast.profiler.counters_meta import stand_in, to_meta, unwrap
from joulecast.profiler.counters_tally import Fusion, Tally

if TYPE_CHECKING:
    from collections.abc import Iterator

Example = tuple[Tensor, ...] | dict[str, Tensor]


def count_module(  # noqa: PLR0913
    module: nn.Module,
    input_shape: tuple[int, ...] | None = None,
    *,
    name: str,
    domain: str = "vision",
    example: Example | None = None,
    framework: str = "pytorch",
    collection: str = "",
    group: str = "",
    source: str = "",
    aliases: tuple[str, ...] = (),
) -> Architecture:
    """Count one forward pass of `module`, batch 1, eval mode, without touching it.

    Parameters
    ----------
    module : any network; it is neither moved, run nor changed, a meta stand-in is.
    input_shape : without the batch, e.g. (3, 32, 32); (seq_len,) with domain "text" makes tokens.
    example : inputs with a leading batch of 1, positional or by name; only shapes and dtypes count.

    Returns
    -------
    Architecture : bytes at fp32 whatever the dtype. Embedding rows count as activations, since they
        are read per sample. Recurrent layers, attention and RMS norm count as the fused kernels
        that a GPU runs. Products of two activations (`bmm`) are class `attention`.

    Raises
    ------
    BadInput : the forward pass needs real values (data-dependent control flow), or does not fit.
    """
    _refuse_script(module, name)
    network = unwrap(module)
    _refuse_lazy(network, name)
    copy = stand_in(network)
    inputs, shape = _inputs(copy, input_shape, domain, example)
    tally = _run(copy, inputs, name)
    ops = tally.totals()
    parameters = list(network.parameters())
    params = float(sum(p.numel() for p in parameters))
    return Architecture(
        name=name,
        domain=domain,
        input_shape=shape,
        params=params,
        macs=sum(op.macs for op in ops.values()),
        ops=ops,
        trainable_params=float(sum(p.numel() for p in parameters if p.requires_grad)),
        buffer_bytes=float(sum(b.numel() * b.element_size() for b in network.buffers())),
        activation_bytes=tally.out_bytes,
        kernels=sum(op.kernels for op in ops.values()),
        uncounted=tuple(tally.uncounted),
        framework=framework,
        collection=collection,
        group=group,
        aliases=aliases,
        source=source,
        active_params=params,
    )


def _refuse_script(module: nn.Module, name: str) -> None:
    """Raise BadInput for TorchScript, whose operators cannot be watched on meta."""
    if isinstance(module, torch.jit.ScriptModule):
        what = f"cannot count '{name}': it is TorchScript ({type(module).__name__})."
        raise BadInput(f"{what} Pass the nn.Module that it was made from.")


def _refuse_lazy(network: nn.Module, name: str) -> None:
    """Raise BadInput if some parameter has no shape yet."""
    for key, tensor in (*network.named_parameters(), *network.named_buffers()):
        if isinstance(tensor, UninitializedParameter | UninitializedBuffer):
            what = f"cannot count '{name}': '{key}' of a lazy module has no shape yet."
            raise BadInput(f"{what} Run the network once on an input, then count it.")


def _inputs(
    copy: nn.Module,
    shape: tuple[int, ...] | None,
    domain: str,
    example: Example | None,
) -> tuple[Example, tuple[int, ...]]:
    """Meta inputs of batch 1 and the input shape that the record shows."""
    if example is not None:
        given: Example = (
            {key: to_meta(t) for key, t in example.items()}
            if isinstance(example, dict)
            else tuple(to_meta(t) for t in example)
        )
        first = next(iter(given.values() if isinstance(given, dict) else given), None)
        if first is None or first.dim() == 0 or first.shape[0] != 1:
            seen = "none" if first is None else str(tuple(first.shape))
            msg = (
                f"example must hold tensors with a leading batch of 1; the first has shape {seen}."
            )
            raise BadInput(f"{msg} Pass one sample, e.g. x[:1].")
        return given, shape or tuple(first.shape[1:])
    if not shape or any(not isinstance(n, int) or n < 1 for n in shape):
        msg = f"input_shape must be positive sizes without the batch; seen: {shape!r}."
        raise BadInput(f"{msg} Pass e.g. (3, 32, 32), or give `example`.")
    tokens = domain == "text" and len(shape) == 1
    dtype = torch.long if tokens else _float_dtype(copy)
    return (torch.empty((1, *shape), dtype=dtype, device="meta"),), tuple(shape)


def _float_dtype(module: nn.Module) -> torch.dtype:
    """Dtype of the first floating-point parameter, fp32 without one."""
    floats = (p.dtype for p in module.parameters() if p.is_floating_point())
    return next(floats, torch.float32)


def _run(copy: nn.Module, inputs: Example, name: str) -> Tally:
    """Forward pass of the stand-in under the tally; BadInput names the operator that failed."""
    tally = Tally((*copy.parameters(), *copy.buffers()))
    positional, named = ((), inputs) if isinstance(inputs, dict) else (inputs, {})
    try:
        with _quiet(), torch.random.fork_rng(devices=()), torch.no_grad(), tally, Fusion(tally):
            copy(*positional, **named)
    except Exception as error:
        culprit = _operator_name(tally.current)
        seen = str(error).strip().split("\n")[0][:200] or type(error).__name__
        msg = f"cannot count '{name}' without data: the forward pass stopped at {culprit}: {seen}."
        hint = (
            "Check the input shape; if control flow depends on values, count the part without it, "
            "or give a Hugging Face config.json of the network."
        )
        raise BadInput(f"{msg} {hint}") from error
    return tally


def _operator_name(func: Any) -> str:
    """Readable name of an aten operator or a torch function."""
    if func is None:
        return "its first line"
    if hasattr(func, "_schema"):
        return str(func.name())
    return str(resolve_name(func) or getattr(func, "__name__", func))


def fvcore_macs(module: nn.Module, input_shape: tuple[int, ...]) -> float:
    """MACs as the papers count them: fvcore on a real batch-1 tensor of zeros.

    fvcore says flops and means MACs (its issue 69), counts norms and pooling, and drops fused
    attention, for which a formula is registered here. The module is run in eval mode and put back.
    """
    try:
        with _quiet():  # fvcore's own imports warn
            from fvcore.nn import FlopCountAnalysis
    except ImportError as error:
        package, extra = "fvcore", "torch"
        raise MissingExtra(package, extra, "counting the papers' MACs") from error
    first = next(module.parameters(), torch.empty(0))
    sample = torch.zeros((1, *input_shape), dtype=first.dtype, device=first.device)
    with _evaluating(module), _quiet(), torch.no_grad():
        analysis = FlopCountAnalysis(module, sample)
        analysis.set_op_handle("aten::scaled_dot_product_attention", _fvcore_sdpa)
        analysis.unsupported_ops_warnings(enabled=False).uncalled_modules_warnings(enabled=False)
        return float(analysis.total())


def _fvcore_sdpa(inputs: list[Any], outputs: list[Any]) -> float:  # noqa: ARG001
    """MACs of fused attention from traced values."""
    query, key, value = (one.type().sizes() for one in inputs[:3])
    return float(prod(query[:-1]) * key[-2] * (query[-1] + value[-1]))


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[None]:
    """Eval mode inside, every submodule's own mode restored after."""
    modes = [(one, one.training) for one in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for one, training in modes:
            one.training = training


@contextmanager
def _quiet() -> Iterator[None]:
    """No warnings and no fvcore log lines inside: nothing is really run."""
    log = logging.getLogger("fvcore")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
