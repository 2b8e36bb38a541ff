"""What tables of served requests say in words: engines and their age, workloads, precisions.

An engine's year is when its version came out, to a tenth: kernels and schedulers of later versions
are faster on the same GPU. A workload's tokens are assumptions for rows that do not state them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

UNKNOWN_ENGINE: Final = "unknown"
_ENGINES: Final = (
    ("tensorrt-llm", "trtllm"),
    ("tensorrt_llm", "trtllm"),
    ("trtllm", "trtllm"),
    ("trt-llm", "trtllm"),
    ("vllm", "vllm"),
    ("sglang", "sglang"),
    ("llama.cpp", "llama.cpp"),
    ("llamacpp", "llama.cpp"),
    ("ollama", "llama.cpp"),
    ("mii", "deepspeed-mii"),
    ("tgi", "tgi"),
    ("text-generation-inference", "tgi"),
    ("lmdeploy", "lmdeploy"),
    ("mlc", "mlc"),
    ("fastchat", "transformers"),
    ("transformers", "transformers"),
    ("huggingface", "transformers"),
    ("pytorch", "transformers"),
)
"""What a spelling contains -> engine; the first that fits. Ollama runs llama.cpp, FastChat's worker
of 2023 generated with transformers."""
_RELEASES: Final[dict[str, tuple[tuple[tuple[int, ...], float], ...]]] = {
    "vllm": (
        ((0, 1), 2023.5),
        ((0, 2), 2023.7),
        ((0, 3), 2024.1),
        ((0, 4), 2024.2),
        ((0, 5), 2024.4),
        ((0, 5, 4), 2024.6),
        ((0, 6), 2024.7),
        ((0, 7), 2025.1),
        ((0, 8), 2025.2),
        ((0, 9), 2025.4),
        ((0, 10), 2025.6),
        ((0, 11), 2025.8),
        ((0, 12), 2025.9),
        ((0, 14), 2026.0),
        ((0, 15), 2026.1),
        ((0, 17), 2026.2),
        ((0, 19), 2026.3),
        ((0, 20), 2026.3),
        ((0, 23), 2026.5),
        ((0, 26), 2026.7),
    ),
    "sglang": (
        ((0, 1), 2024.0),
        ((0, 2), 2024.6),
        ((0, 3), 2024.7),
        ((0, 4), 2024.9),
        ((0, 5), 2025.6),
        ((0, 5, 6), 2025.9),
        ((0, 5, 8), 2026.1),
        ((0, 5, 10), 2026.3),
    ),
    "trtllm": (
        ((0, 5), 2023.8),
        ((0, 8), 2024.2),
        ((0, 10), 2024.4),
        ((0, 12), 2024.7),
        ((0, 16), 2024.9),
        ((0, 18), 2025.2),
        ((1, 0), 2025.5),
        ((1, 1), 2025.7),
        ((1, 2), 2025.9),
        ((1, 3), 2026.1),
    ),
}
"""First release of a version and when, from the release pages of vllm-project/vllm,
sgl-project/sglang and NVIDIA/TensorRT-LLM; TensorRT-LLM's candidates count as their version."""
_VERSION: Final = re.compile(r"(?<![\d.])v?(\d{1,2}(?:\.\d{1,3}){1,2})")
_YEAR: Final = re.compile(r"\b(20[2-4]\d)(?:-(\d\d))?\b")
_MONTHS: Final = (
    "jan",
    "feb",
    "mar",
    "apr",
    "may",
    "jun",
    "jul",
    "aug",
    "sep",
    "oct",
    "nov",
    "dec",
)


def engine_of(spelling: str) -> tuple[str, float | None]:
    """Engine and the year of its version, ``unknown`` and ``None`` where nothing is said.

    >>> engine_of("vLLM 0.5.4-era (v2.0, Sept 2024)"), engine_of("TensorRT-LLM")
    (('vllm', 2024.6), ('trtllm', None))
    """
    low = spelling.lower().strip()
    if not low:
        return UNKNOWN_ENGINE, None
    name = next((engine for part, engine in _ENGINES if part in low), low.split()[0])
    found = _VERSION.search(low)
    year = _released(name, found[1]) if found else None
    return name, year if year is not None else _stated_year(low)


def _released(engine: str, version: str) -> float | None:
    """Year of the newest listed release that is not newer than `version`."""
    number = tuple(int(part) for part in version.split("."))
    known = [year for first, year in _RELEASES.get(engine, ()) if first <= number]
    return known[-1] if known else None


def _stated_year(low: str) -> float | None:
    """A year in words: its month's beginning, or its middle if no month is said."""
    found = _YEAR.search(low)
    if not found:
        return None
    months = [i for i, name in enumerate(_MONTHS) if re.search(rf"\b{name}", low)]
    month = int(found[2]) - 1 if found[2] else (months[0] if months else 6)
    return round(int(found[1]) + month / 12, 1)


def precision_of(spelling: str, bits: float | None = None) -> str:
    """The weights' precision (fp16, bf16, fp8, int8, fp4, int4, ...), blank if nothing says it.

    >>> precision_of("mxfp4"), precision_of("", 8), precision_of("AWQ"), precision_of("Q8_0")
    ('fp4', 'fp8', 'int4', 'int8')
    """
    low = spelling.lower().replace("-", "").replace("_", "")
    for part, name in (
        ("fp4", "fp4"),
        ("int4", "int4"),
        ("w4a", "int4"),
        ("nf4", "int4"),
        ("int8", "int8"),
        ("fp8", "fp8"),
        ("e4m3", "fp8"),
        ("w8a", "int8"),
        ("q8", "int8"),
        ("q4", "int4"),
        ("awq", "int4"),
        ("gptq", "int4"),
        ("bf16", "bf16"),
        ("bfloat16", "bf16"),
        ("fp16", "fp16"),
        ("float16", "fp16"),
        ("half", "fp16"),
        ("fp32", "fp32"),
        ("float32", "fp32"),
    ):
        if part in low:
            return name
    if bits is None:
        return ""
    return "int4" if bits < 6 else "fp8" if bits < 12 else "bf16" if bits < 24 else "fp32"


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens of a workload's mean request: text of the prompt, output; whether it shows frames."""

    text: float
    output: float
    shows: str = ""


_DEFAULT = Tokens(250.0, 300.0)
_WORKLOADS: Final[dict[str, Tokens]] = {
    "gpqa": Tokens(300.0, 7000.0),
    "lm-arena-chat": Tokens(250.0, 650.0),
    "sourcegraph-fim": Tokens(1500.0, 250.0),
    "image-chat": Tokens(100.0, 900.0, "image"),
    "video-chat": Tokens(100.0, 400.0, "video"),
    "chat-concise": Tokens(130.0, 240.0),
    "chat": Tokens(130.0, 400.0),
    "instruct": Tokens(100.0, 240.0),
    "code": Tokens(180.0, 100.0),
    "sharegpt": Tokens(262.0, 300.0),
}
"""Beginning of a workload's name -> its tokens, the first that fits. Assumed, not measured per row:
a GPQA question with four answers and an instruction; an opening message of LM Arena; a file around
the gap of a completion; a first message of ShareGPT behind a system prompt; a function's head and
docstring in HumanEval. ShareGPT's 262 is stated by one table's source."""
_IMAGE_TOKENS: Final[dict[str, float]] = {
    "gemma": 256.0,
    "llava-1.5": 576.0,
    "llama3-llava-next": 2000.0,
    "chameleon": 1024.0,
    "phi": 1500.0,
    "llama": 1500.0,
    "qwen": 900.0,
}
"""Tokens of one image of about a megapixel by how the catalogue's name begins: Gemma 3 256 (its
report, arXiv 2503.19786), LLaVA-1.5 24 x 24 patches, Chameleon 32 x 32 codes, Qwen3-VL one per
32 x 32 pixels, Llama 4 144 per tile; the tilings of LLaVA-NeXT and Phi-3-vision vary with size."""
_SOME_IMAGE: Final = 800.0
_VIDEO_IMAGES: Final = 4.5
"""Images' worth of tokens in a clip: 32 frames (vLLM's usual number) of a quarter megapixel, two of
which share their tokens."""


def tokens_of(workload: str) -> tuple[Tokens, bool]:
    """Tokens of a workload's mean request and whether the workload is known."""
    low = workload.lower()
    for name, tokens in _WORKLOADS.items():
        if low.startswith(name):
            return tokens, True
    return _DEFAULT, False


def image_tokens(shows: str, network: str) -> float:
    """Tokens of what a request shows (``image``, ``video``, nothing) to a network, by its name."""
    if not shows:
        return 0.0
    low = network.lower()
    one = next((n for part, n in _IMAGE_TOKENS.items() if low.startswith(part)), _SOME_IMAGE)
    return one * (_VIDEO_IMAGES if shows == "video" else 1.0)
