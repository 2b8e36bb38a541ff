"""What each aten operator is: its op class, and the multiply-adds of those that have any."""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch._ops import OpOverload


def _words(text: str) -> frozenset[str]:
    """Set of the words in `text`."""
    return frozenset(text.split())


FREE = "free"
UNKNOWN = "unknown"

_FREE = _words(
    """
    _unsafe_view unsafe_split unsafe_split_with_sizes unsafe_chunk _reshape_alias alias
    detach lift lift_fresh lift_fresh_copy empty empty_like empty_strided empty_permuted
    new_empty new_empty_strided _efficientzerotensor set resize resize_as
    _functional_assert_async _functional_assert_scalar _functional_sym_constrain_range
    _functional_sym_constrain_range_for_size is_pinned _fused_sdp_choice
    _local_scalar_dense _assert_async _assert_scalar _assert_tensor_metadata is_same_size
    equal sym_size sym_numel sym_stride sym_storage_offset squeeze unsqueeze transpose t
    as_strided swapaxes swapdims sym_constrain_range sym_constrain_range_for_size
    """
)
_NORM = _words(
    """
    native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_no_training
    _native_batch_norm_legit_functional cudnn_batch_norm miopen_batch_norm
    _batch_norm_with_update _batch_norm_no_update batch_norm batch_norm_elemt
    native_layer_norm native_group_norm _fused_rms_norm rms_norm layer_norm group_norm
    instance_norm
    """
)
_EMBEDDING = _words(
    """
    embedding _embedding_bag _embedding_bag_forward_only embedding_renorm
    """
)
_CONV = frozenset(("convolution", "_convolution", "convolution_overrideable"))
_MATMUL = _words(
    """
    mm addmm bmm baddbmm addbmm mv addmv dot vdot linear matmul addr ger outer inner
    _addmm_activation _scaled_mm _int_mm _grouped_mm _scaled_grouped_mm
    """
)
_ATTENTION = _words(
    """
    scaled_dot_product_attention _scaled_dot_product_attention_math
    _scaled_dot_product_flash_attention _scaled_dot_product_flash_attention_for_cpu
    _scaled_dot_product_efficient_attention _scaled_dot_product_cudnn_attention
    _scaled_dot_product_fused_attention_overrideable
    _scaled_dot_product_attention_math_for_mps
    """
)
# Moves, fills, reductions, look-ups by index: at most additions, never multiply-adds.
_MOVE = _words(
    """
    cat stack clone copy _to_copy contiguous constant_pad_nd reflection_pad1d
    reflection_pad2d reflection_pad3d replication_pad1d replication_pad2d
    replication_pad3d roll flip repeat repeat_interleave index index_select index_put
    _index_put_impl _unsafe_index _unsafe_index_put _unsafe_masked_index gather scatter
    scatter_add scatter_reduce index_add index_copy index_fill masked_fill masked_scatter
    masked_select where take take_along_dim tril triu tril_indices triu_indices eye zeros
    ones full zeros_like ones_like full_like new_zeros new_ones new_full zero fill arange
    linspace scalar_tensor one_hot meshgrid im2col col2im pixel_shuffle pixel_unshuffle
    channel_shuffle native_channel_shuffle rot90 split_with_sizes_copy split_copy
    unbind_copy view_copy expand_copy permute_copy transpose_copy slice_copy select_copy
    squeeze_copy unsqueeze_copy select_scatter slice_scatter diagonal_copy
    diagonal_scatter diag_embed block_diag bucketize searchsorted _pack_padded_sequence
    _pad_packed_sequence rand randn randint randperm rand_like randn_like randint_like
    bernoulli uniform normal exponential native_dropout multinomial sum mean amax amin max
    min prod any all argmax argmin std var var_mean std_mean logsumexp cumsum cumprod
    cummax cummin logcumsumexp sort argsort topk kthvalue median nanmedian mode
    linalg_vector_norm norm renorm count_nonzero nansum aminmax bincount histc unique_dim
    _unique2 trace _softmax _log_softmax _safe_softmax softmax log_softmax prelu
    _prelu_kernel glu rrelu rrelu_with_noise hardtanh softshrink hardshrink logical_and
    logical_or upsample_nearest1d upsample_nearest2d upsample_nearest3d
    _upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d
    upsample_linear1d upsample_bilinear2d upsample_bicubic2d upsample_trilinear3d
    _upsample_bilinear2d_aa _upsample_bicubic2d_aa max_unpool2d max_unpool3d
    nll_loss_forward nll_loss2d_forward mse_loss l1_loss smooth_l1_loss huber_loss complex
    view_as_complex view_as_real polar _conj_physical grid_sampler_2d grid_sampler_3d
    affine_grid_generator dropout _fused_dropout tensor_split isin
    abs eq ge gt le lt ne gelu hardswish mish log_sigmoid_forward threshold rsub xlogy
    floor_divide heaviside copysign gcd lcm _add_relu binary_cross_entropy
    binary_cross_entropy_with_logits soft_margin_loss multi_margin_loss
    multilabel_margin_loss_forward quantize_per_tensor quantize_per_channel dequantize
    fake_quantize_per_tensor_affine_cachemask fake_quantize_per_channel_affine_cachemask
    detach_copy alias_copy narrow_copy unfold_copy t_copy as_strided_copy
    as_strided_scatter _reshape_copy _is_all_true _is_any_true allclose put random range
    logspace poisson geometric cauchy log_normal _stack _lazy_clone _chunk_cat
    _masked_softmax hann_window hamming_window kaiser_window bartlett_window
    blackman_window _cummax_helper _cummin_helper _logcumsumexp _aminmax linalg_cross
    segment_reduce index_reduce _unsafe_masked_index_put_accumulate
    rrelu_with_noise_functional _weight_norm_interface
    """
)
# Places among input, weight, bias, stride, padding, dilation, transposed, output padding, groups
_TRANSPOSED, _GROUPS = 6, 8
HOST_LENGTHS = frozenset(("_pack_padded_sequence", "_pad_packed_sequence"))
SOFTMAX = frozenset(("_softmax", "_safe_softmax", "softmax"))
WEIGHTLESS_IS_ATTENTION = frozenset(("bmm", "baddbmm", "matmul"))


@lru_cache(maxsize=4096)
def base_name(func: OpOverload[Any, Any]) -> str:
    """Operator name without namespace and in-place underscore: `aten::relu_` -> `relu`."""
    bare = func._schema.name.split("::")[-1]  # noqa: SLF001
    return bare.rstrip("_") or bare


@lru_cache(maxsize=4096)
def kind_of(func: OpOverload[Any, Any]) -> str:
    """Op class of an operator, `FREE` if it launches nothing, `UNKNOWN` if nothing is known."""
    if func.namespace == "prim":
        return FREE
    if func.namespace not in {"aten", "prims"}:
        return UNKNOWN
    bare = base_name(func)
    if func.is_view or bare in _FREE:
        return FREE
    for kind, names in (
        ("norm", _NORM),
        ("embedding", _EMBEDDING),
        ("conv", _CONV),
        ("matmul", _MATMUL),
        ("attention", _ATTENTION),
        ("elementwise", _MOVE),
    ):
        if bare in names:
            return kind
    if "pool" in bare:
        return "pool"
    return "elementwise" if torch.Tag.pointwise in func.tags else UNKNOWN


def conv_kind(args: Sequence[Any]) -> str:
    """`depthwise`, `grouped` or `conv`, from the arguments of a convolution."""
    groups = args[_GROUPS]
    if groups == 1:
        return "conv"
    return "depthwise" if groups == args[0].shape[1] else "grouped"


def conv_macs(args: Sequence[Any], out: Tensor) -> float:
    """Multiply-adds of a convolution: output elements x taps, for a transposed one input x taps.

    A weight is (out, in / groups, *kernel), transposed (in, out / groups, *kernel).
    """
    over = args[0] if args[_TRANSPOSED] else out
    taps: int = prod(args[1].shape[1:])
    return float(over.numel()) * taps


def sdpa_macs(query: Tensor, key: Tensor, value: Tensor) -> float:
    """Multiply-adds of score and value products, a causal mask not halved.

    Shapes (..., heads, queries, dim), (..., kv heads, keys, dim), (..., kv heads, keys, value dim).
    """
    rows = prod(query.shape[:-1])
    return float(rows) * key.shape[-2] * (query.shape[-1] + value.shape[-1])


def _product(left: Tensor, right: Tensor) -> float:
    """Multiply-adds of `left @ right` with broadcasting."""
    if left.dim() == 1 or right.dim() == 1:
        return float(max(left.numel(), right.numel()))
    batch = max(prod(left.shape[:-2]), prod(right.shape[:-2]))
    return float(batch) * left.shape[-2] * left.shape[-1] * right.shape[-1]


def _grouped_mm(args: Sequence[Any]) -> float:
    """Rows are divided over the groups: every row meets one matrix (a 3-D operand)."""
    left, right = args[0], args[1]
    if left.dim() == 2 and right.dim() == 2:
        return float(left.numel() * int(right.shape[1]))
    return float(left.numel() * int(right.shape[-1]))


def _outer(left: Tensor, right: Tensor) -> float:
    """Multiply-adds of an outer product."""
    return float(left.numel()) * right.numel()


_MATMUL_MACS: dict[str, Callable[[Sequence[Any]], float]] = {
    "linear": lambda args: float(args[0].numel()) * int(args[1].shape[0]),
    "addr": lambda args: _outer(args[1], args[2]),
    "ger": lambda args: _outer(args[0], args[1]),
    "outer": lambda args: _outer(args[0], args[1]),
    "inner": lambda args: _outer(args[0], args[1]) / int(args[0].shape[-1]),
    "_grouped_mm": _grouped_mm,
    "_scaled_grouped_mm": _grouped_mm,
    **dict.fromkeys(
        ("addmm", "baddbmm", "addbmm", "addmv", "_addmm_activation"),
        lambda args: _product(args[1], args[2]),
    ),
}


def matmul_macs(name: str, args: Sequence[Any]) -> float:
    """Multiply-adds of a matrix product by operator name."""
    formula = _MATMUL_MACS.get(name)
    return _product(args[0], args[1]) if formula is None else formula(args)


def rnn_macs(rows: float, weights: Sequence[Tensor]) -> float:
    """Multiply-adds of a recurrent layer stack: every matrix once per row (time step x sample)."""
    return rows * sum(w.numel() for w in weights if w.dim() > 1)
