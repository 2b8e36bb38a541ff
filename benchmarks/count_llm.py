"""Static counting of a 70B-parameter LLM against its limits: 2 s and 300 MB above `import torch`.

Run: ``python benchmarks/count_llm.py``. The network is Llama-3.1-70B built from plain torch modules
on meta; building it is not part of the measured time, its memory is.
"""

from __future__ import annotations

import resource
import sys
import time
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

LIMIT_S = 2.0
LIMIT_MB = 300.0
PARAMS = 70_553_706_496  # public total


@dataclass(frozen=True, slots=True)
class Size:
    """Llama-3.1-70B."""

    hidden: int = 8192
    inner: int = 28672
    layers: int = 80
    heads: int = 64
    kv_heads: int = 8
    vocab: int = 128_256


class Layer(nn.Module):
    """One pre-norm block: grouped-query attention with rotary positions, gated MLP."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        head = size.hidden // size.heads
        self.head = head
        self.q = nn.Linear(size.hidden, size.heads * head, bias=False)
        self.k = nn.Linear(size.hidden, size.kv_heads * head, bias=False)
        self.v = nn.Linear(size.hidden, size.kv_heads * head, bias=False)
        self.o = nn.Linear(size.heads * head, size.hidden, bias=False)
        self.gate = nn.Linear(size.hidden, size.inner, bias=False)
        self.up = nn.Linear(size.hidden, size.inner, bias=False)
        self.down = nn.Linear(size.inner, size.hidden, bias=False)
        self.norm1 = nn.RMSNorm(size.hidden)
        self.norm2 = nn.RMSNorm(size.hidden)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Hidden states (1, seq, hidden) to the same shape."""
        y = self.norm1(x)
        q, k, v = (
            one(y).unflatten(-1, (-1, self.head)).transpose(1, 2)
            for one in (self.q, self.k, self.v)
        )
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        x = x + self.o(y.transpose(1, 2).flatten(2))
        y = self.norm2(x)
        down: Tensor = self.down(F.silu(self.gate(y)) * self.up(y))
        return x + down


class Llama(nn.Module):
    """Token ids (1, seq) to logits (1, seq, vocab)."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.embed = nn.Embedding(size.vocab, size.hidden)
        self.blocks = nn.ModuleList(Layer(size) for _ in range(size.layers))
        self.norm = nn.RMSNorm(size.hidden)
        self.lm_head = nn.Linear(size.hidden, size.vocab, bias=False)
        self.head = size.hidden // size.heads

    def forward(self, ids: Tensor) -> Tensor:
        """One prefill pass."""
        x = self.embed(ids)
        steps = torch.arange(ids.shape[1], device=ids.device)[:, None]
        angle = steps * torch.ones(self.head, device=ids.device)
        cos, sin = angle.cos(), angle.sin()
        for block in self.blocks:
            x = block(x, cos, sin)
        logits: Tensor = self.lm_head(self.norm(x))
        return logits


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary positions on (1, heads, seq, dim)."""
    left, right = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-right, left), dim=-1) * sin


def peak_mb() -> float:
    """Peak resident memory of this process, MB (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3 * 1.024


def main() -> int:
    """Print the table; exit status 1 if a limit is exceeded."""
    before_mb = peak_mb()
    from joulecast.profiler.counters import count_module

    with torch.device("meta"):
        network = Llama(Size())
    start = time.perf_counter()
    counted = count_module(network, (2048,), name="llama-70b", domain="text")
    wall_s = time.perf_counter() - start
    above_mb = peak_mb() - before_mb
    ok = wall_s <= LIMIT_S and above_mb <= LIMIT_MB and counted.params == PARAMS
    rows = (
        ("parameters", f"{counted.params:,.0f}", f"{PARAMS:,}"),
        ("TMACs at 2048 tokens", f"{counted.macs / 1e12:.1f}", ""),
        ("wall time [s]", f"{wall_s:.2f}", f"{LIMIT_S:.2f}"),
        ("peak RSS above import torch [MB]", f"{above_mb:.0f}", f"{LIMIT_MB:.0f}"),
    )
    for what, seen, limit in (("static counting, 70B LLM on meta", "measured", "limit"), *rows):
        sys.stdout.write(f"{what:<34} {seen:>16} {limit:>16}\n")
    return 0 if ok else 1


if __name__ == "__main__":
    raise SystemExit(main())
