"""What public sources of runs are known to have run where their rows do not say it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from joulecast.datasets.cells import text

if TYPE_CHECKING:
    from collections.abc import Mapping

_NO_UPDATE: Final = ("neusight_runtime",)
"""Sources whose training step ends with the gradients: their code calls no optimiser."""
_OTHER_NETWORK: Final[dict[tuple[str, ...], str]] = {
    ("neusight_runtime", "gpt3-xl-1.3b"): "gpt3-xl-3072",
    ("neusight_runtime", "bert-large", "train"): "bert-large-masked",
    **{("irene_transformers", n): f"{n}-body" for n in ("gpt2", "distilgpt2", "openai-gpt")},
}
"""(source, model, perhaps task) -> the network that ran; stated totals are then not its own.
GPT-3 XL's 24 heads of 128 were read as its width, 3072: it took 0.98 times as long as GPT-3 2.7B
on a V100. The code of that source trains BERT with its pretraining head and infers without.
IrEne's networks have no head: so say its own MACs, and DistilGPT-2 takes half of GPT-2's time."""
_UNLIKE_SAMPLES: Final = {("mlperf_inference", "3d-unet"), ("mlperf_inference", "dlrm")}
"""(source, beginning of the network's name) whose samples are not the one input that is counted.
MLPerf's 3D-UNet answers whole CT volumes of many overlapping windows, its DLRM a hundred and more
user-item pairs at once (MLPerf Inference rules, benchmarks and their data sets)."""
_UNLIKE_SOURCES: Final = frozenset(source for source, _ in _UNLIKE_SAMPLES)


def mended(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row with what its source is known to have run where the row does not say it."""
    source = text(row.get("source"))
    ran = (source, text(row.get("model")))
    task = text(row.get("task"))
    model = _OTHER_NETWORK.get((*ran, task)) or _OTHER_NETWORK.get(ran)
    known: dict[str, Any] = {"optimiser": "none"} if source in _NO_UPDATE else {}
    if model:
        known |= {"model": model, "params": None, "macs_per_sample": None}
    return {**row, **known}


def flags(row: Mapping[str, Any]) -> str:
    """The row's quality flags, and ``sample_unlike`` where its samples are not what was counted."""
    own, source = text(row.get("quality_flag")), text(row.get("source"))
    if source not in _UNLIKE_SOURCES:
        return own
    model = text(row.get("model"))
    unlike = any(source == s and model.startswith(m) for s, m in _UNLIKE_SAMPLES)
    return ";".join(filter(None, [own, "sample_unlike" if unlike else ""]))
