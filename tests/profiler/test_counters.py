"""Static counting against numbers worked out by hand."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812
from torch.utils.flop_counter import FlopCounterMode

from joulecast.profiler.counters import count_module

if TYPE_CHECKING:
    from collections.abc import Callable

    from joulecast.core.records import Architecture


class Call(nn.Module):
    """A function as a module, with submodules if it needs parameters."""

    def __init__(self, function: Callable[..., Any], *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.function = function

    def forward(self, *inputs: Tensor) -> Any:  # noqa: ANN401
        """Hand the parts, then the inputs, to the function."""
        return self.function(*self.parts, *inputs)


def count(module: nn.Module, shape: tuple[int, ...], **named: Any) -> Architecture:  # noqa: ANN401
    """Counts under a fixed name."""
    return count_module(module, shape, name="net", **named)


def self_attend(mha: nn.Module, x: Tensor) -> Tensor:
    """Self-attention that returns no weights."""
    out: Tensor = mha(x, x, x, need_weights=False)[0]
    return out


def self_attend_with_weights(mha: nn.Module, x: Tensor) -> Tensor:
    """Self-attention as `nn.MultiheadAttention` runs by default."""
    out: Tensor = mha(x, x, x)[0]
    return out


def sdpa(x: Tensor) -> Tensor:
    """Attention of the input to itself."""
    return F.scaled_dot_product_attention(x, x, x)


CASES: list[tuple[str, nn.Module, tuple[int, ...], str, float]] = [
    ("conv", nn.Conv2d(3, 8, 3, padding=1), (3, 32, 32), "conv", 32 * 32 * 8 * 27),
    ("strided", nn.Conv2d(3, 8, 3, stride=2, padding=1), (3, 32, 32), "conv", 16 * 16 * 8 * 27),
    ("conv1d", nn.Conv1d(4, 6, 5), (4, 20), "conv", 16 * 6 * 20),
    ("depthwise", nn.Conv2d(8, 16, 3, groups=8), (8, 10, 10), "depthwise", 64 * 16 * 9),
    ("grouped", nn.Conv2d(8, 16, 3, groups=4), (8, 10, 10), "grouped", 64 * 16 * 2 * 9),
    ("one to one", nn.Conv2d(1, 4, 3, groups=1), (1, 10, 10), "conv", 64 * 4 * 9),
    ("transposed", nn.ConvTranspose2d(4, 6, 3, stride=2), (4, 5, 5), "conv", 25 * 4 * 6 * 9),
    ("up, groups", nn.ConvTranspose2d(4, 4, 3, groups=4), (4, 5, 5), "depthwise", 25 * 36),
    ("linear", nn.Linear(16, 10), (16,), "matmul", 160),
    ("linear on tokens", nn.Linear(16, 10), (7, 16), "matmul", 7 * 160),
    ("no bias", nn.Linear(16, 10, bias=False), (7, 16), "matmul", 7 * 160),
    ("fused attention", Call(sdpa), (2, 5, 8), "attention", 2 * 2 * 5 * 5 * 8),
    (
        "LSTM",
        nn.LSTM(16, 8, 2, bidirectional=True, batch_first=True),
        (7, 16),
        "matmul",
        7 * 2 * 4 * 8 * ((16 + 8) + (16 + 8)),
    ),
    ("GRU", nn.GRU(16, 8, batch_first=True), (7, 16), "matmul", 7 * 3 * 8 * (16 + 8)),
    ("RNN", nn.RNN(16, 8, batch_first=True), (7, 16), "matmul", 7 * 8 * (16 + 8)),
    ("LSTM cell", nn.LSTMCell(16, 8), (16,), "matmul", 4 * 8 * (16 + 8)),
    (
        "einsum with weights",
        Call(lambda part, x: torch.einsum("bsi,oi->bso", x, part.weight), nn.Linear(16, 10)),
        (7, 16),
        "matmul",
        7 * 160,
    ),
]


@pytest.mark.parametrize(
    ("module", "shape", "kind", "macs"), [c[1:] for c in CASES], ids=[c[0] for c in CASES]
)
def test_macs_and_class_by_hand(
    module: nn.Module, shape: tuple[int, ...], kind: str, macs: float
) -> None:
    """One operator, its class and its multiply-adds."""
    counted = count(module, shape)
    assert counted.ops[kind].macs == macs
    assert counted.macs == macs
    assert counted.uncounted == ()


@pytest.mark.parametrize("attend", [self_attend, self_attend_with_weights])
def test_multihead_attention(attend: Callable[..., Tensor]) -> None:
    """Projections are matmul, the two products of activations attention, fused or not."""
    net = Call(attend, nn.MultiheadAttention(16, 4, batch_first=True))
    counted = count(net, (7, 16))
    assert counted.ops["matmul"].macs == 7 * 4 * 16 * 16
    assert counted.ops["attention"].macs == 2 * 7 * 7 * 16
    fused = attend is self_attend
    assert counted.ops["attention"].kernels == (1 if fused else 3)


def test_grouped_query_and_masked_attention_are_one_kernel() -> None:
    """Fused attention reads q, k, v, the mask and writes its result, whatever meta makes of it."""
    mask = torch.zeros(5, 5)

    def attend(x: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(
            x, x[:, :2], x[:, :2], attn_mask=mask, enable_gqa=True
        )

    counted = count(Call(attend), (8, 5, 4))
    attention = counted.ops["attention"]
    assert (attention.macs, attention.kernels) == (8 * 5 * 5 * 8, 1)
    assert attention.activation_bytes == 4 * (160 + 40 + 40 + 25 + 160)
    assert set(counted.ops) == {"attention"}


@pytest.mark.parametrize(
    ("module", "shape", "kind"),
    [
        (nn.BatchNorm2d(4), (4, 6, 6), "norm"),
        (nn.GroupNorm(2, 4), (4, 6, 6), "norm"),
        (nn.InstanceNorm2d(4), (4, 6, 6), "norm"),
        (nn.LayerNorm(6), (4, 6), "norm"),
        (nn.RMSNorm(6), (4, 6), "norm"),
        (nn.MaxPool2d(2), (4, 6, 6), "pool"),
        (nn.AvgPool2d(2), (4, 6, 6), "pool"),
        (nn.AdaptiveAvgPool2d(1), (4, 6, 6), "pool"),
        (nn.ReLU(inplace=True), (4, 6, 6), "elementwise"),
        (nn.GELU(), (4, 6, 6), "elementwise"),
        (nn.Hardswish(), (4, 6, 6), "elementwise"),
        (nn.Softmax(dim=-1), (4, 6), "elementwise"),
        (nn.Upsample(scale_factor=2), (4, 6, 6), "elementwise"),
    ],
    ids=lambda v: type(v).__name__ if isinstance(v, nn.Module) else "",
)
def test_one_kernel_without_macs(module: nn.Module, shape: tuple[int, ...], kind: str) -> None:
    """Norms, pools and elementwise operators are one launch each and hold no multiply-adds."""
    counted = count(module, shape)
    assert set(counted.ops) == {kind}
    assert (counted.ops[kind].kernels, counted.macs, counted.uncounted) == (1, 0, ())


@pytest.mark.parametrize("name", sorted({*nn.modules.activation.__all__} - {"MultiheadAttention"}))
def test_every_activation_of_torch_is_known(name: str) -> None:
    """No activation is taken for an operator without a formula."""
    module = getattr(nn, name)(*((0.1, 0.0) if name == "Threshold" else ()))
    counted = count(module, (4, 6, 6))
    assert (counted.uncounted, counted.macs) == ((), 0)


def test_views_are_free_and_copies_are_not() -> None:
    """Only what moves data is a kernel."""
    free = count(Call(lambda x: x.transpose(1, 2).unsqueeze(1)[..., :2].detach()), (4, 6))
    assert (free.kernels, free.ops) == (0, {})
    copied = count(Call(lambda x: x.transpose(1, 2).reshape(-1)), (4, 6))
    assert copied.ops["elementwise"].kernels == 1
    assert copied.activation_bytes == 4 * 24


def packed(lstm: nn.Module, x: Tensor) -> Tensor:
    """LSTM on a packed batch of one full sequence."""
    out = lstm(nn.utils.rnn.pack_padded_sequence(x, torch.tensor([7]), batch_first=True))[0]
    return nn.utils.rnn.pad_packed_sequence(out, batch_first=True)[0]


def test_packed_sequences_count_as_padded_ones() -> None:
    """Lengths stay on the host; MACs are those of the plain call."""
    lstm = nn.LSTM(16, 8, batch_first=True)
    assert count(Call(packed, lstm), (7, 16)).macs == count(lstm, (7, 16)).macs


def test_embedding_reads_rows_only() -> None:
    """A look-up costs no MACs and touches the rows of its tokens, not the table."""
    counted = count(nn.Embedding(1000, 8), (7,), domain="text")
    look_up = counted.ops["embedding"]
    assert (look_up.macs, look_up.weight_bytes, look_up.kernels) == (0, 0, 1)
    assert look_up.activation_bytes == 4 * (7 + 56 + 56)
    assert counted.params == 8000


def test_bytes_of_a_linear_layer_in_any_dtype() -> None:
    """Activations and weights are 4 bytes an element, even of a half-precision network."""
    for dtype in (torch.float32, torch.bfloat16):
        counted = count(nn.Linear(16, 10).to(dtype), (16,))
        assert counted.ops["matmul"].activation_bytes == 4 * (16 + 10)
        assert counted.ops["matmul"].weight_bytes == 4 * (160 + 10)
        assert counted.activation_bytes == 40


def test_what_depends_on_weights_alone_is_no_activation() -> None:
    """Weight normalisation works once per batch: its bytes are weight bytes."""
    net = nn.utils.parametrizations.weight_norm(nn.Linear(16, 10, bias=False))
    counted = count(net, (16,))
    assert counted.macs == 160
    assert counted.activation_bytes == 40
    assert counted.ops["matmul"].weight_bytes == 640


def test_batch_norm_parameters_and_buffers() -> None:
    """Parameters, trainable ones and bytes of buffers."""
    norm = nn.BatchNorm2d(4)
    norm.weight.requires_grad = False
    counted = count(norm, (4, 6, 6))
    assert (counted.params, counted.trainable_params) == (8, 4)
    assert counted.buffer_bytes == 4 * 8 + 8
    assert counted.size_bytes == 32 + 40
    assert counted.ops["norm"].weight_bytes == 4 * 16


def test_shared_parameters_count_once_but_work_twice() -> None:
    """A tied head owns no parameters."""
    embed, head = nn.Embedding(50, 8), nn.Linear(8, 50, bias=False)
    head.weight = embed.weight
    counted = count(nn.Sequential(embed, head), (7,), domain="text")
    assert counted.params == 400
    assert counted.macs == 7 * 400


def small_cnn() -> nn.Module:
    """Convolutions of all three kinds."""
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3, padding=1, groups=16),
        nn.Conv2d(16, 32, 3, stride=2, groups=4),
        nn.ConvTranspose2d(32, 8, 2, stride=2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 10),
    )


def transformer() -> nn.Module:
    """Encoder stack of torch's own layers."""
    layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)
    return nn.TransformerEncoder(layer, 3, enable_nested_tensor=False)


@pytest.mark.parametrize(
    ("build", "shape"), [(small_cnn, (3, 32, 32)), (transformer, (9, 32))], ids=["cnn", "encoder"]
)
def test_agrees_with_flop_counter_mode(
    build: Callable[[], nn.Module], shape: tuple[int, ...]
) -> None:
    """Torch's own counter on meta says twice our MACs."""
    with torch.device("meta"):
        net = build().eval()
        x = torch.empty(1, *shape)
    with FlopCounterMode(display=False) as flops, torch.no_grad():
        net(x)
    assert count(net, shape).macs == flops.get_total_flops() / 2


def test_inputs_by_name_and_two_inputs() -> None:
    """`example` gives inputs by name or in order; data and device do not matter."""
    net = nn.Bilinear(4, 4, 2)
    ids = {"input": torch.ones(1, 6, dtype=torch.long, device="meta")}
    assert count_module(nn.Embedding(9, 4), name="e", example=ids).input_shape == (6,)
    pair = (torch.rand(1, 4), torch.rand(1, 4))
    assert count_module(net, name="b", example=pair).uncounted == ("aten::_trilinear",)


@settings(max_examples=25, deadline=None)
@given(out=st.integers(1, 16), side=st.integers(3, 24), factor=st.integers(1, 4))
def test_conv_macs_scale(out: int, side: int, factor: int) -> None:
    """MACs grow linearly in output channels and quadratically with the side."""

    def macs(channels: int, width: int) -> float:
        return count(nn.Conv2d(3, channels, 3, padding=1), (3, width, width)).macs

    one = macs(out, side)
    assert macs(out * factor, side) == factor * one
    assert macs(out, side * factor) == factor**2 * one


@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.integers(1, 6), min_size=1, max_size=4))
def test_elementwise_bytes_are_read_and_written(sizes: list[int]) -> None:
    """A unary operator reads and writes each element once."""
    counted = count(nn.ReLU(), tuple(sizes))
    assert counted.ops["elementwise"].activation_bytes == 8 * prod(sizes)
