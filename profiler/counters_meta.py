"""A stand-in of a network on meta tensors: same structure, no memory, the original untouched."""

# ruff: noqa: ANN401  (attributes of a module hold anything)

from __future__ import annotations

from types import MethodType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Iterable

_ACCELERATORS = frozenset(("cuda", "mps", "xpu", "hpu", "npu"))
_OBSERVERS = (
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_backward_hooks",
    "_backward_pre_hooks",
)


def stand_in(module: nn.Module) -> nn.Module:
    """Structural copy of `module` in eval mode whose tensors are meta tensors.

    Modules, tensors and the containers that hold them are replaced; other attributes are shared.
    Hooks that observe are dropped, those of `torch.nn.utils` (weight norm, pruning) stay.
    """
    return _MetaCopy().module(unwrap(module))


def unwrap(module: nn.Module) -> nn.Module:
    """The network inside `torch.compile`, DataParallel and DistributedDataParallel."""
    while True:
        if isinstance(module, nn.DataParallel | nn.parallel.DistributedDataParallel):
            inner: Any = module.module
        else:
            inner = module._modules.get("_orig_mod")  # noqa: SLF001
        if not isinstance(inner, nn.Module):
            return module
        module = inner


def to_meta(tensor: Tensor) -> Tensor:
    """Meta tensor with the same shape, strides and dtype; itself if it is one already."""
    if tensor.is_meta:
        return tensor
    return torch.empty_strided(
        tensor.size(),
        tensor.stride(),
        dtype=tensor.dtype,
        device="meta",
    )


class _MetaCopy:
    """One copying pass; `seen` keeps shared tensors and modules shared."""

    def __init__(self) -> None:
        self.seen: dict[int, Any] = {}

    def module(self, source: nn.Module) -> nn.Module:
        """Copy of one module, its children included."""
        if id(source) in self.seen:
            known: nn.Module = self.seen[id(source)]
            return known
        copy = source.__new__(type(source))
        self.seen[id(source)] = copy
        for key, held in vars(source).items():
            copy.__dict__[key] = type(held)() if key in _OBSERVERS else self.any(held)
        copy.__dict__["_forward_pre_hooks"] = _structural_hooks(source)
        copy.__dict__["_compiled_call_impl"] = None
        copy.__dict__["training"] = False
        return copy

    def any(self, held: Any) -> Any:
        """Copy of an attribute: tensors, modules and plain containers; anything else is shared."""
        if isinstance(held, Tensor):
            return self.tensor(held)
        if isinstance(held, nn.Module):
            return self.module(held)
        if isinstance(held, MethodType) and isinstance(held.__self__, nn.Module):
            return MethodType(held.__func__, self.module(held.__self__))
        if type(held) in {list, tuple, set}:
            return type(held)(self.any(one) for one in held)
        if isinstance(held, dict) and type(held).__module__ in {"builtins", "collections"}:
            copy = held.copy()
            copy.update((key, self.any(one)) for key, one in held.items())
            return copy
        return held

    def tensor(self, source: Tensor) -> Tensor:
        """Meta tensor; parameters stay parameters."""
        if id(source) not in self.seen:
            copy = to_meta(source.detach())
            if isinstance(source, nn.Parameter):
                copy = nn.Parameter(copy, requires_grad=False)
            self.seen[id(source)] = copy
        known: Tensor = self.seen[id(source)]
        return known


def _structural_hooks(source: nn.Module) -> dict[int, Any]:
    """Pre-forward hooks that build the weights, in their order."""
    hooks = source._forward_pre_hooks  # noqa: SLF001
    kept = type(hooks)()
    for key, hook in hooks.items():
        if type(hook).__module__.startswith("torch.nn.utils"):
            kept[key] = hook
    return kept


def tensors(values: Iterable[Any]) -> list[Tensor]:
    """The tensors among arguments, lists of tensors included."""
    found: list[Tensor] = []
    for held in values:
        if isinstance(held, Tensor):
            found.append(held)
        elif isinstance(held, list | tuple):
            found.extend(tensors(held))
    return found


def on_meta(held: Any) -> Any:
    """The argument with its tensors on meta."""
    if isinstance(held, Tensor):
        return to_meta(held)
    if isinstance(held, list | tuple) and any(isinstance(one, Tensor) for one in held):
        return type(held)(on_meta(one) for one in held)
    return held


def no_device(held: Any) -> Any:
    """`meta` in place of an accelerator that a forward pass names, which need not be here."""
    named = held if isinstance(held, str) and held.split(":")[0] in _ACCELERATORS else None
    if named is not None or (isinstance(held, torch.device) and held.type in _ACCELERATORS):
        return torch.device("meta")
    return held


def storage(tensor: Tensor) -> int:
    """What views of one tensor have in common."""
    return int(tensor.untyped_storage()._cdata)  # noqa: SLF001


def elements(tensor: Tensor) -> int:
    """Elements really held; an expanded dimension (stride 0) counts once."""
    count = 1
    for size, stride in zip(tensor.size(), tensor.stride(), strict=True):
        count *= size if stride or not size else 1
    return count
