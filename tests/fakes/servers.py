"""A server of round figures: the answer to one question about serving, with its curve."""

from joulecast.core.records import Evidence, Workload
from joulecast.core.serving import Serving
from joulecast.core.serving_estimate import RatePoint, ServingEstimate

IDLE_W, REQUEST_J, FULL_RPS = 240.0, 22.0, 41.0


def at(rate_rps: float) -> RatePoint:
    """The server at `rate_rps`: idle watts shared by what is served, and joules of each."""
    served = min(rate_rps, FULL_RPS)
    power_w = IDLE_W + REQUEST_J * served
    each_j = power_w / served
    return RatePoint(
        rate_rps=rate_rps,
        served_rps=served,
        power_w=power_w,
        energy_per_request_j=each_j,
        energy_per_request_low_j=each_j / 1.5,
        energy_per_request_high_j=each_j * 1.5,
        ttft_s=0.05,
        latency_s=2.4,
        busy_frac=served / FULL_RPS,
    )


CURVE = tuple(at(FULL_RPS / 30 * 36 ** (i / 15)) for i in range(16))
SERVER = ServingEstimate(
    energy_per_request_j=46.0,
    energy_per_request_low_j=31.0,
    energy_per_request_high_j=69.0,
    energy_per_output_token_j=46.0 / 300,
    energy_per_output_token_low_j=31.0 / 300,
    energy_per_output_token_high_j=69.0 / 300,
    energy_j=1.656e6,
    energy_low_j=1.116e6,
    energy_high_j=2.484e6,
    duration_s=3600.0,
    level=0.9,
    power_w=460.0,
    scope="system",
    basis="zero-shot",
    novelty="new-pair",
    served_rps=10.0,
    saturation_rps=FULL_RPS,
    saturation_low_rps=30.0,
    saturation_high_rps=56.0,
    concurrency=7.3,
    max_concurrency=256.0,
    busy_frac=0.97,
    ttft_s=0.045,
    tpot_s=0.0079,
    latency_s=2.4,
    ttft_p95_s=0.081,
    latency_p95_s=3.1,
    rate_rps=10.0,
    gpu_energy_j=0.95e6,
    cpu_energy_j=0.55e6,
    dram_energy_j=0.156e6,
    net_energy_j=0.79e6,
    curve=CURVE,
    evidence=(Evidence("llama-3.1-8b", "a100-sxm", 12, "our own runs"),),
    next_measurement="burst this server for a minute: joulecast profile burst --url ... --rps 10",
    model="llama-3.1-8b",
    hardware="hc4",
    model_text="llama-3.1-8b (8.03 G params, bf16) · 200 prompt + 300 output tokens"
    " · 30 % of prompts cached · vllm",
    hardware_text="hc4: 2 x H100 PCIe at 300 W, Xeon Platinum 8480+, 16 x 64 GB DDR5",
    workload=Workload(
        task="serve",
        samples=36_000,
        precision="bf16",
        framework="vllm",
        serving=Serving(200.0, 300.0, rate_rps=10.0, cache_hit_frac=0.3),
    ),
)
