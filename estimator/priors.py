"""What is believed of the physical model's coefficients before any run: value and width.

Efficiencies of products, attention and memory: fp32 operators of eager PyTorch 2.1 on P4, T4, V100
and A100 as NeuSight published them (MIT), by ``benchmarks/operator_rates.py``. Scores of attention
written operator by operator pass seven times beside its own products: scale, mask and softmax each
read and write, softmax reads once more. PyTorch keeps fp32 products off tensor cores since 1.12.
"""

from __future__ import annotations

PRIORS: dict[str, tuple[float, float]] = {
    # name: (value, standard deviation of its logarithm)
    "conv_efficiency": (0.7, 0.3),
    "depthwise_efficiency": (0.10, 0.6),
    "depthwise_backward": (1.5, 0.5),
    "grouped_efficiency": (0.20, 0.5),
    "matmul_efficiency": (0.84, 0.15),
    "attention_efficiency": (0.62, 0.2),
    "half_efficiency": (0.55, 0.4),
    "int8_efficiency": (0.30, 0.5),
    "dual_issue": (0.5, 0.4),
    "matmul_pairs": (0.3, 0.4),
    "bandwidth_efficiency": (0.86, 0.08),
    "gddr_efficiency": (0.88, 0.08),
    "fused_traffic": (0.60, 0.3),
    "train_traffic": (3.0, 0.2),
    "score_passes": (7.0, 0.4),
    "train_kernels": (3.0, 0.1),
    "optimiser_kernels": (1.0, 0.15),
    "kernel_s": (3.5e-06, 0.15),
    "tf32_conv": (0.5, 0.7),
    "tf32_matmul": (0.01, 1.0),
    "launch_pytorch_s": (7e-6, 0.25),
    "launch_tensorflow_s": (6e-6, 0.6),
    "launch_onnx_s": (4e-6, 0.6),
    "launch_tensorrt_s": (1.5e-6, 0.6),
    "launch_vendor_s": (3e-6, 0.7),
    "launch_train": (1.5, 0.2),
    "step_s": (3e-4, 0.7),
    "loader_sample_s": (1.0e-4, 0.3),
    "loader_augment": (1.6, 0.15),
    "loader_pixel_s": (4.0e-8, 0.6),
    "loader_serial": (0.1, 0.5),
    "cpu_conv_efficiency": (0.65, 0.2),
    "cpu_other_efficiency": (0.5, 0.3),
    "cpu_depthwise_efficiency": (0.05, 0.8),
    "cpu_serial": (0.02, 0.7),
    "cpu_bandwidth_efficiency": (0.6, 0.2),
    "cpu_eager_traffic": (2.0, 0.4),
    "cpu_kernel_s": (1e-05, 0.15),
    "scaling_loss": (0.05, 0.6),
    "throttle": (0.5, 0.15),
    "limit_margin": (0.97, 0.02),
    "awake_power": (0.15, 0.3),
    "unit_clock_j": (4e-10, 0.3),
    "compute_power": (0.6, 0.3),
    "dram_j_per_byte": (1.0e-10, 0.3),
    "core_j_per_byte": (1.2e-10, 0.4),
    "hbm_share": (0.5, 0.3),
    "standby_w_per_gb": (0.5, 0.4),
    "process_share": (0.3, 0.4),
    "cpu_busy_power": (0.75, 0.2),
    "cpu_compute_power": (0.4, 0.3),
    "host_power": (0.25, 0.5),
    "dram_activity": (0.30, 0.4),
    "wall_factor": (1.15, 0.03),
    "wall_extra": (0.12, 0.35),
}
