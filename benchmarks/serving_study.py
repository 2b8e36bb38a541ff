"""The study's four Llama models in fp8 on HC-4 as predicted, beside what the papers report.

Run: ``python benchmarks/serving_study.py``. Source of the statements: Sanchez-Mompo et al., Green
MLOps to Green GenOps, Information 2025, section 6.2, Figs. 8 to 11 and Table 6. vLLM, prompts of
Chatbot Arena. Assumed here, as the papers do not print it: 60 tokens of prompt, the output lengths
of `OUTPUT_TOKENS` (Fig. 11: smaller models write more), no cached prompts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from joulecast.core.records import Setup, Workload
from joulecast.core.serving import Serving
from joulecast.datasets import architectures, hardware
from joulecast.estimator.serving import bundle, predictor
from joulecast.estimator.serving.metrics import spearman

if TYPE_CHECKING:
    from joulecast.estimator.serving.answers import ServingAnswers
    from joulecast.estimator.serving.bundle import Bundle

OUTPUT_TOKENS = {
    "llama-3.2-1b": 420,
    "llama-3.2-3b": 390,
    "llama-3.1-8b": 360,
    "llama-3.1-70b": 320,
}
RATES_RPS = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 40.0, 60.0)
REPORTED_SATURATION_RPS = dict(zip(OUTPUT_TOKENS, (40, 40, 35, 10), strict=True))
REPORTED_SPEARMAN = {
    "parameters": 0.32,
    "request_rate": -0.95,
    "average_output_token_length": -0.26,
    "cache_hit_rate": -0.32,
}
HITS = (0.0, 0.25, 0.5, 0.75, 0.95)
PROMPT_TOKENS = 60.0
ONE_CARD_TOKENS = 400
"""Output tokens of all models in the comparison on one card."""


def setup_of(
    model: str, hit: float = 0.0, n_gpus: int = 2, output_tokens: float | None = None
) -> Setup:
    """The study's server, or as many of its cards, with a model."""
    output = output_tokens or OUTPUT_TOKENS[model]
    serving = Serving(PROMPT_TOKENS, output, rate_rps=1.0, cache_hit_frac=hit)
    workload = Workload(task="serve", precision="fp8", framework="vllm", serving=serving)
    network = architectures.find(f"llm:{model}")
    machine = replace(hardware.machine("hc4"), n_gpus=n_gpus)
    return Setup(machine, network, workload, "system")


def print_curve(title: str, curves: dict[str, ServingAnswers], figure: str) -> None:
    """One line per model: `figure` in joules at each rate, ``*`` beyond saturation."""
    print(f"\n{title}")
    print(f"{'requests/s':16}" + "".join(f"{r:>9g}" for r in RATES_RPS) + f"{'saturates':>12}")
    for model, a in curves.items():
        joules, most = getattr(a, figure), float(a.saturation_rps[0])
        cells = "".join(
            f"{j:>8.3g}{'*' if r > most else ' '}" for r, j in zip(RATES_RPS, joules, strict=True)
        )
        said = REPORTED_SATURATION_RPS[model]
        print(f"{model:16}{cells}{most:>7.1f} (papers: about {said})")


def print_one_card(loaded: Bundle) -> None:
    """Saturation and joules at 10 requests per second on one card; on two where it needs them."""
    print(
        f"\nOne card (--gpus 1 --prompt-tokens {PROMPT_TOKENS:g} --output-tokens {ONE_CARD_TOKENS})"
    )
    print(f"{'':16}{'saturates':>10}{'90 %':>14}{'J at 10/s':>11}{'of the GPU':>12}")
    gpu_j = {}
    for model, said in REPORTED_SATURATION_RPS.items():
        cards = 2 if model == "llama-3.1-70b" else 1
        setup = setup_of(model, n_gpus=cards, output_tokens=ONE_CARD_TOKENS)
        a = predictor.curve(setup, loaded, [10.0])
        gpu_j[model] = float(a.scope_w["gpu"][0] / a.served_rps[0])
        span = f"{a.saturation_low_rps[0]:.0f} - {a.saturation_high_rps[0]:.0f}"
        note = f"papers: about {said}" + (f"; {cards} cards" if cards > 1 else "")
        joules = f"{a.request_j[0]:>11.1f}{gpu_j[model]:>12.1f}"
        print(f"{model:16}{a.saturation_rps[0]:>10.1f}{span:>14}{joules}  ({note})")
    print_ratio(gpu_j)


def print_ratio(gpu_j: dict[str, float]) -> None:
    """How much more the largest model costs its GPUs than the smallest."""
    ratio = gpu_j["llama-3.1-70b"] / gpu_j["llama-3.2-1b"]
    print(f"GPU, 70B / 1B: {ratio:.1f}x (papers: nearly 3x)")


def print_devices(curves: dict[str, ServingAnswers]) -> None:
    """Joules per request of each part at 10 requests per second (Fig. 10)."""
    at = RATES_RPS.index(10.0)
    print("\nFig. 10: J per request at 10 per second")
    gpu = {}
    for model, a in curves.items():
        parts = {s: float(w[at] / a.served_rps[at]) for s, w in a.scope_w.items()}
        gpu[model] = parts["gpu"]
        print(f"{model:16}" + "  ".join(f"{s} {j:.1f}" for s, j in parts.items()))
    print_ratio(gpu)


def print_ranks(curves: dict[str, ServingAnswers]) -> None:
    """Spearman's correlations of energy per request, all models and rates together (Table 6)."""
    n = len(RATES_RPS)
    energy = np.concatenate([a.request_j for a in curves.values()])
    figures = {
        "parameters": np.repeat([architectures.find(f"llm:{m}").params for m in curves], n),
        "request_rate": np.tile(RATES_RPS, len(curves)),
        "average_output_token_length": np.repeat([float(OUTPUT_TOKENS[m]) for m in curves], n),
    }
    rhos = {name: spearman(values, energy) for name, values in figures.items()}
    loaded = bundle.load()
    at_hits = [predictor.answer([setup_of("llama-3.1-8b", h)], loaded).request_j[0] for h in HITS]
    rhos["cache_hit_rate"] = spearman(np.array(HITS), np.array(at_hits))
    print("\nTable 6: Spearman with energy per request (cache hits: 8B at one request per second)")
    for name, rho in rhos.items():
        said = REPORTED_SPEARMAN[name]
        same = rho is not None and rho * said > 0
        print(f"{name:28} {rho:+.2f}  papers {said:+.2f}  {'same' if same else 'other'} sign")


def main() -> None:
    """Print the curves, the parts, one card's figures and the ranks."""
    loaded = bundle.load()
    curves = {m: predictor.curve(setup_of(m), loaded, RATES_RPS) for m in OUTPUT_TOKENS}
    print("Llama in fp8 on hc4 (2 x H100 PCIe at 300 W), vLLM; * beyond saturation")
    print("What fits on one card runs on both, a copy each; 70B is split over them")
    print_curve("Fig. 8: J per request, GPU + CPU + DRAM", curves, "request_j")
    print_curve("Fig. 9: J per output token", curves, "token_j")
    print_devices(curves)
    print_one_card(loaded)
    print_ranks(curves)


if __name__ == "__main__":
    main()
