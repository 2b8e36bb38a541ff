"""Count every network of the shipped catalogue again and write ``datasets/architectures.jsonl``.

The packages whose networks are counted are no dependency of joulecast. Make an environment to
throw away (Python 3.11) and run this script in it::

    python3.11 -m venv catalogue-env
    PIP=catalogue-env/bin/pip
    $PIP install torch==2.13.0 numpy pillow pyyaml huggingface_hub safetensors
    $PIP install h5py absl-py rich namex optree ml-dtypes packaging
    $PIP install --no-deps torchvision==0.28.0 timm==1.0.31 keras==3.15.1
    PYTHONPATH=src catalogue-env/bin/python scripts/build_catalogue.py

torchvision's compiled operators are not needed (they are declared, never called), and neither are
TensorFlow, pretrained weights or a network connection. ``--only llm other`` counts some collections
again and keeps the lines of the rest.
"""

from __future__ import annotations

import argparse
import json
import pkgutil
import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from catalogue_hybrid import hybrid_from_config

from joulecast.core.records import OpCount
from joulecast.datasets.architectures import COLLECTIONS, TABLE, from_line, to_line
from joulecast.profiler import _llm_parts as p
from joulecast.profiler.counters import count_module
from joulecast.profiler.llm_config import architecture_from_config

if TYPE_CHECKING:
    from collections.abc import Callable

    from joulecast.core.records import Architecture

LLM_CONFIGS = Path(__file__).with_name("llm_configs.json")
CLASSES = 10
BYTES = 4.0
# Near twins of own networks and the spellings in use elsewhere.
OWN_GROUPS = {
    "efficientnetb0": "efficientnet_b0",
    "mobilenetv2": "mobilenet_v2",
    "pnasnet_a": "pnasnet",
    "preactresnet18": "resnet18",
    "regnetx_200mf": "regnet_x_200mf",
    "shufflenetv2": "shufflenet",
    "simpledla": "dla",
}
OWN_ALIASES = {
    "shufflenetv2": ("shufflenet_v2",),
    "efficientnetb0": ("efficientnet_b0",),
    "mobilenetv2": ("mobilenet_v2",),
}


def own_entries() -> list[Architecture]:
    """The networks of joulecast.models."""
    package = import_module("joulecast.models")
    found = []
    for module in pkgutil.iter_modules(package.__path__):
        if module.name.startswith("_"):
            continue
        network = import_module(f"joulecast.models.{module.name}")
        found.append(
            count_module(
                network.build(CLASSES),
                network.INPUT_SHAPE,
                name=module.name,
                collection="joulecast",
                group=OWN_GROUPS.get(module.name, module.name),
                source="joulecast",
                aliases=OWN_ALIASES.get(module.name, ()),
            ),
        )
    return found


def llm_entries() -> list[Architecture]:
    """The transformers whose public configs lie in ``llm_configs.json``."""
    configs = json.loads(LLM_CONFIGS.read_text(encoding="utf-8"))
    found = []
    for name, facts in configs.items():
        mixed = "mixer" in facts["config"]
        entry = (hybrid_from_config if mixed else architecture_from_config)(
            facts["config"], name=name
        )
        if facts.get("head") is True:
            entry = with_masked_head(entry, facts["config"]["vocab_size"])
        if facts.get("head") is False:
            entry = without_head(entry, facts["config"]["vocab_size"])
        note = f" ({facts['note']})" if "note" in facts else ""
        found.append(
            replace(
                entry,
                collection="llm",
                group=facts["group"],
                aliases=tuple(facts["aliases"]),
                source=facts["source"] + note,
            ),
        )
    return found


def with_masked_head(entry: Architecture, vocabulary: int) -> Architecture:
    """The encoder with BERT's head for masked tokens, tied to the vocabulary matrix."""
    tokens, width = entry.input_shape[0], entry.hidden or 0
    parts = [
        p.linear(tokens, width, width, bias=True),
        p.elementwise(tokens * width, tokens * width),
        p.norm(tokens, width, 2),
        replace(p.linear(tokens, width, vocabulary, tied=True), params=vocabulary),
    ]
    ops = dict(entry.ops)
    for name, more in p.op_counts(parts).items():
        old = ops[name]
        ops[name] = OpCount(*(a + b for a, b in zip(_totals(old), _totals(more), strict=True)))
    own = sum(part.params for part in parts)
    return replace(
        entry,
        ops=ops,
        params=entry.params + own,
        trainable_params=entry.params + own,
        active_params=entry.params + own,
        macs=sum(op.macs for op in ops.values()),
        activation_bytes=entry.activation_bytes + p.BYTES * sum(part.written for part in parts),
        kernels=sum(op.kernels for op in ops.values()),
    )


def _totals(op: OpCount) -> tuple[float, float, float, float]:
    return op.macs, op.activation_bytes, op.weight_bytes, op.kernels


def without_head(entry: Architecture, vocabulary: int) -> Architecture:
    """The network without the product with the (tied) vocabulary matrix."""
    tokens, width = entry.input_shape[0], entry.hidden or 0
    old, written = entry.ops["matmul"], BYTES * tokens * vocabulary
    new = OpCount(
        old.macs - tokens * width * vocabulary,
        old.activation_bytes - written - BYTES * tokens * width,
        old.weight_bytes - BYTES * width * vocabulary,
        old.kernels - 1,
    )
    return replace(
        entry,
        ops={**entry.ops, "matmul": new},
        macs=entry.macs - old.macs + new.macs,
        activation_bytes=entry.activation_bytes - written,
        kernels=entry.kernels - 1,
    )


def entries_of(collection: str) -> list[Architecture]:
    """Count one collection; its packages are imported only now."""
    makers: dict[str, tuple[str, str]] = {
        "torchvision": ("catalogue_vision", "torchvision_entries"),
        "timm": ("catalogue_vision", "timm_entries"),
        "keras": ("catalogue_keras", "entries"),
        "other": ("catalogue_other", "entries"),
    }
    if collection == "joulecast":
        return own_entries()
    if collection == "llm":
        return llm_entries()
    module, function = makers[collection]
    make: Callable[[], list[Architecture]] = getattr(import_module(module), function)
    return make()


def build(only: list[str]) -> list[Architecture]:
    """All entries in the order of the table: collection, name, input size."""
    kept = []
    if set(only) != set(COLLECTIONS) and TABLE.exists():
        rows = map(from_line, TABLE.read_text(encoding="utf-8").splitlines())
        kept = [entry for entry in rows if entry.collection not in only]
    found = [
        entry
        for collection in COLLECTIONS
        if collection in only
        for entry in entries_of(collection)
    ]
    return sorted(
        [*kept, *found],
        key=lambda a: (COLLECTIONS.index(a.collection), a.name, a.input_shape),
    )


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--only", nargs="+", choices=COLLECTIONS, default=list(COLLECTIONS))
    parser.add_argument("--output", type=Path, default=TABLE)
    arguments = parser.parse_args()
    table = build(arguments.only)
    text = "".join(to_line(entry) + "\n" for entry in table)
    arguments.output.write_text(text, encoding="utf-8")
    counts = {c: sum(entry.collection == c for entry in table) for c in COLLECTIONS}
    print(f"{len(table)} entries, {len(text.encode())} bytes: {counts}", file=sys.stderr)


if __name__ == "__main__":
    main()
