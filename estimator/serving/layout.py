"""How a server's GPUs share the work: as given, or as engines usually do it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    Array = NDArray[np.float64]

USED_MEMORY = 0.9
"""Share of a GPU's memory that an engine takes for itself."""
_HBM_BYTES = 1.065
"""Bytes of memory over those that the sheet of a board with stacked memory names: it says GB and
means 2^30 bytes (NVML: 81,559 MiB of an H100's 80 GB, 143,771 of an H200's 141). Boards with GDDR
keep about as much for error correction."""
_ROOM = 0.75
"""Share of that memory which weights may fill by choice: the rest is for keys and values."""


def memory_bytes(c: Mapping[str, Array]) -> Array:
    """Bytes of one accelerator's memory that an engine takes for itself, (n,)."""
    there: Array = c["device_mem_bytes"] * np.where(c["is_hbm"] > 0, _HBM_BYTES, 1.0)
    return USED_MEMORY * there


def laid_out(c: Mapping[str, Array]) -> dict[str, Array]:
    """How the work is shared, each (n,).

    ``tensor`` : GPUs over which a layer's attention is split. ``pipeline`` : stages. ``ranks`` :
    attention ranks that work on one iteration together, each with requests of its own (only with
    experts in common). ``expert_gpus`` : GPUs over which the experts are spread. ``gpus`` : that
    work on one iteration. ``replicas`` : independent groups. ``spare_gpus`` : left over.
    """
    weight_bytes = c["params"] * c["bytes_per_weight"]
    room = _ROOM * memory_bytes(c)
    count = np.where(c["is_cpu"] > 0, 1.0, c["count"])
    pipeline = np.minimum(np.maximum(c["asked_pipeline"], 1.0), count)
    expert, data = c["asked_expert"], c["asked_data"]
    fewest = 2.0 ** np.ceil(np.log2(np.maximum(weight_bytes / (room * pipeline), 1.0)))
    shared = np.where(data > 0, np.maximum(count // np.maximum(data * pipeline, 1), 1), fewest)
    chosen = np.minimum(shared, np.maximum(count // pipeline, 1))
    tensor = np.where(c["asked_tensor"] > 0, c["asked_tensor"], chosen)
    tensor = np.maximum(tensor, np.where(expert > 0, expert // np.maximum(data, 1), 1.0))
    tensor = np.minimum(tensor, np.maximum(count // pipeline, 1))
    spread = (expert > 1) & (data > 1)
    ranks = np.where(spread, np.minimum(data, count // (tensor * pipeline)), 1.0)
    ranks = np.maximum(ranks, 1.0)
    gpus = tensor * pipeline * ranks
    most = np.maximum(count // gpus, 1)
    replicas = np.where((data > 0) & ~spread, np.minimum(np.maximum(data, 1), most), most)
    return {
        "tensor": tensor,
        "pipeline": pipeline,
        "ranks": ranks,
        "expert_gpus": gpus,
        "is_spread": (expert > 1).astype(float),
        "gpus": gpus,
        "replicas": replicas,
        "spare_gpus": np.maximum(count - replicas * gpus, 0),
        "weight_bytes": weight_bytes,
    }
