"""The watcher that sees every operator of a forward pass on meta tensors and adds up its cost."""

# ruff: noqa: ANN401  (operators take and return anything)

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import FunctionType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from joulecast.core.records import OP_CLASSES, OpCount
from joulecast.profiler import counters_aten as aten
from joulecast.profiler.counters_meta import (
    elements,
    no_device,
    on_meta,
    storage,
    tensors,
    to_meta,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

BYTES = 4.0  # everything is counted at fp32
_MHA: Callable[..., Any] = F.multi_head_attention_forward


@dataclass(frozen=True, slots=True)
class _Cost:
    """One operator call; bytes as in `OpCount`, `out_bytes` is what it leaves per sample."""

    kind: str
    macs: float
    activation_bytes: float
    weight_bytes: float
    out_bytes: float
    kernels: float = 1.0


class Tally(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch lacks the types
    """Adds up class, MACs, bytes and launches of every operator while it is active.

    Attributes
    ----------
    ops : per op class. out_bytes : bytes of all operator outputs. uncounted : names, in order.
    current : the operator or function that runs or ran last, for error messages.
    """

    def __init__(self, weights: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.ops: dict[str, OpCount] = {}
        self.out_bytes = 0.0
        self.uncounted: dict[str, None] = {}
        self.current: Any = None
        self._weights = {storage(w): w for w in weights}
        self._muted = False
        self._scores_pending = False

    def __torch_dispatch__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run the operator on meta tensors, then count it."""
        named = dict(kwargs or {})
        self.current = func
        inputs = [*tensors(args), *tensors(named.values())]
        if any(t.is_meta for t in inputs) and aten.base_name(func) not in aten.HOST_LENGTHS:
            args = tuple(on_meta(a) for a in args)
            named = {key: on_meta(a) for key, a in named.items()}
            inputs = [*tensors(args), *tensors(named.values())]
            named.update({"device": torch.device("meta")} if named.get("device") else {})
        out = func(*args, **named)
        if not self._muted:
            self._count(func, args, inputs, out)
        return out

    @contextmanager
    def muted(self) -> Iterator[None]:
        """Operators inside are run but not counted."""
        before, self._muted = self._muted, True
        try:
            yield
        finally:
            self._muted = before

    def fused(
        self,
        kind: str,
        macs: float,
        inputs: Sequence[Tensor],
        out: Any,
        kernels: float = 1.0,
    ) -> None:
        """Count one call that a GPU runs as one kernel (or `kernels`) though meta decomposes it."""
        if not self._muted:
            self._add(self._cost(kind, macs, inputs, tensors((out,)), kernels))

    def totals(self) -> dict[str, OpCount]:
        """Counts per op class, in the order of `OP_CLASSES`, empty classes left out."""
        return {kind: self.ops[kind] for kind in OP_CLASSES if kind in self.ops}

    def _count(self, func: Any, args: tuple[Any, ...], inputs: list[Tensor], out: Any) -> None:
        """Classify one operator call and add its cost; real (host) tensors cost nothing here."""
        kind = aten.kind_of(func)
        outputs = tensors((out,))
        if kind == aten.FREE or not any(t.is_meta for t in outputs):
            return
        if kind == aten.UNKNOWN:
            self.uncounted[func._schema.name] = None  # noqa: SLF001
        kind, macs = self._resolve(kind, aten.base_name(func), args, inputs, outputs)
        self._add(self._cost(kind, macs, inputs, outputs))

    def _resolve(
        self,
        kind: str,
        name: str,
        args: tuple[Any, ...],
        inputs: list[Tensor],
        outputs: list[Tensor],
    ) -> tuple[str, float]:
        """Final op class and multiply-adds of one call."""
        if kind == "conv":
            return aten.conv_kind(args), aten.conv_macs(args, outputs[0])
        if kind == "attention":
            return kind, aten.sdpa_macs(*args[:3])
        if kind == "matmul":
            weightless = not any(self._is_weight(t) for t in inputs)
            self._scores_pending = weightless and name in aten.WEIGHTLESS_IS_ATTENTION
            macs = aten.matmul_macs(name, args)
            return ("attention" if self._scores_pending else kind), macs
        if name in aten.SOFTMAX and self._scores_pending:
            return "attention", 0.0
        if name == "mean" and len(args) > 1 and isinstance(args[1], list | tuple):
            return ("pool" if len(args[1]) > 1 else "elementwise"), 0.0
        return ("elementwise" if kind == aten.UNKNOWN else kind), 0.0

    def _cost(
        self,
        kind: str,
        macs: float,
        inputs: Sequence[Tensor],
        outputs: Sequence[Tensor],
        kernels: float = 1.0,
    ) -> _Cost:
        """Bytes of one call; what depends on weights alone is read and written once per batch."""
        distinct = {id(t): t for t in inputs}.values()
        weights = [t for t in distinct if self._is_weight(t)]
        read = BYTES * sum(elements(t) for t in distinct if not self._is_weight(t))
        held = BYTES * sum(elements(t) for t in weights)
        written = BYTES * sum(elements(t) for t in outputs)
        if kind == "embedding":  # only the rows looked up are read, and those per sample
            return _Cost(kind, macs, read + 2 * written, 0.0, written, kernels)
        if weights and len(weights) == len(distinct):
            self._weights.update((storage(t), t) for t in outputs)
            return _Cost(kind, macs, 0.0, held + written, 0.0, kernels)
        return _Cost(kind, macs, read + written, held, written, kernels)

    def _add(self, cost: _Cost) -> None:
        """Add one call to its class and to the totals."""
        old = self.ops.get(cost.kind, OpCount())
        self.ops[cost.kind] = replace(
            old,
            macs=old.macs + cost.macs,
            activation_bytes=old.activation_bytes + cost.activation_bytes,
            weight_bytes=old.weight_bytes + cost.weight_bytes,
            kernels=old.kernels + cost.kernels,
        )
        self.out_bytes += cost.out_bytes

    def _is_weight(self, tensor: Tensor) -> bool:
        return storage(tensor) in self._weights


class Fusion(TorchFunctionMode):
    """Hands calls that a GPU runs as one kernel to the tally before meta takes them apart."""

    def __init__(self, tally: Tally) -> None:
        super().__init__()
        self._tally = tally

    def __torch_function__(
        self,
        func: Any,
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Count attention, recurrent layers and RMS norm as a whole; pass on everything else."""
        args = tuple(no_device(a) for a in args)
        named = {key: no_device(a) for key, a in (kwargs or {}).items()}
        self._tally.current = func
        if func is Tensor.cuda:
            return to_meta(args[0])
        if func is _MHA:
            with self:
                return _TRANSPARENT_MHA(*args, **named)
        counter = _FUSED.get(func)
        if counter is None:
            return func(*args, **named)
        with self._tally.muted():
            out = func(*args, **named)
        counter(self._tally, args, named, out)
        return out


def _count_sdpa(tally: Tally, args: tuple[Any, ...], named: dict[str, Any], out: Any) -> None:
    """Count attention as one kernel that reads q, k, v, mask and writes the result."""
    given = dict(zip(("query", "key", "value", "attn_mask"), args, strict=False)) | named
    macs = aten.sdpa_macs(given["query"], given["key"], given["value"])
    tally.fused("attention", macs, tensors(given.values()), out)


def _count_norm(tally: Tally, args: tuple[Any, ...], named: dict[str, Any], out: Any) -> None:
    """Count a norm as one kernel."""
    tally.fused("norm", 0.0, tensors((*args, *named.values())), out)


def _count_rnn(tally: Tally, args: tuple[Any, ...], named: dict[str, Any], out: Any) -> None:  # noqa: ARG001
    """Count a recurrent stack as cuDNN runs it: one input product, then product + gates per step.

    Arguments: (input, hx, weights, ..., batch_first); packed (data, lengths, hx, weights, ...).
    """
    packed = isinstance(args[1], Tensor) and isinstance(args[3], list | tuple)
    data, weights = args[0], args[3] if packed else args[2]
    rows = data.numel() / data.shape[-1]
    steps = len(args[1]) if packed else data.shape[1 if args[-1] is True else 0]
    stacks = sum(1 for w in weights if w.dim() > 1) / 2  # input and recurrent matrix
    kernels = stacks * (1 + 2 * steps)
    macs = aten.rnn_macs(rows, weights)
    tally.fused("matmul", macs, [data, *weights], out, kernels)


_FUSED: dict[Any, Callable[[Tally, tuple[Any, ...], dict[str, Any], Any], None]] = {
    F.scaled_dot_product_attention: _count_sdpa,
    F.rms_norm: _count_norm,
    torch.rms_norm: _count_norm,
    torch.lstm: _count_rnn,
    torch.gru: _count_rnn,
    torch.rnn_tanh: _count_rnn,
    torch.rnn_relu: _count_rnn,
}


def _transparent(function: Any) -> Callable[..., Any]:
    """Private copy of a torch Python function that does not hand itself to the mode again."""
    scope = {**function.__globals__, "has_torch_function": lambda _: False}
    copy = FunctionType(
        function.__code__,
        scope,
        function.__name__,
        function.__defaults__,
        function.__closure__,
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


_TRANSPARENT_MHA = _transparent(_MHA)
