"""keras.applications, counted layer by layer from their output shapes (no TensorFlow needed).

A trace of the torch backend would take batch norm apart and add layout changes that TensorFlow does
not make, so every layer is counted by its formula, in the conventions of the tracer: one kernel for
an operator, one more for an activation inside a layer, batch norm and pooling as kernels of their
own, reshapes and dropout free.
"""

# ruff: noqa: ANN401 (keras, timm and torchvision are imported late, without type information)

from __future__ import annotations

import os
import re
from dataclasses import replace
from importlib import import_module
from math import prod
from typing import Any

from joulecast.core.records import OP_CLASSES, Architecture, OpCount

BYTES = 4.0
FREE = frozenset(
    {
        "InputLayer",
        "Dropout",
        "SpatialDropout2D",
        "Flatten",
        "Reshape",
        "Cropping2D",
        "StochasticDepth",
    }
)
POOLS = frozenset(
    {"MaxPooling2D", "AveragePooling2D", "GlobalAveragePooling2D", "GlobalMaxPooling2D"}
)
NORMS = frozenset({"BatchNormalization", "LayerNormalization"})
# Elementwise layers and the kernels that each launches.
ELEMENTWISE = {
    "Activation": 1,
    "ReLU": 1,
    "ZeroPadding2D": 1,
    "Concatenate": 1,
    "LayerScale": 1,
    "Normalization": 2,
    "Rescaling": 2,
}
PRODUCTS = frozenset({"Dense", "Conv2D", "DepthwiseConv2D", "SeparableConv2D"})
MERGES = frozenset({"Add", "Multiply", "Subtract", "Maximum"})


class LayerCount:
    """Adds up the layers of one Keras network.

    Attributes
    ----------
    ops : per op class. out_bytes : bytes of all layer outputs of one sample.
    """

    def __init__(self) -> None:
        self.ops: dict[str, OpCount] = {}
        self.out_bytes = 0.0

    def add(
        self,
        kind: str,
        read: float,
        written: float,
        *,
        macs: float = 0,
        weights: float = 0,
        kernels: float = 1,
    ) -> None:
        """Add one operator; sizes in elements."""
        old = self.ops.get(kind, OpCount())
        self.ops[kind] = OpCount(
            old.macs + macs,
            old.activation_bytes + BYTES * (read + written),
            old.weight_bytes + BYTES * weights,
            old.kernels + kernels,
        )
        self.out_bytes += BYTES * written

    def network(self, network: Any) -> None:
        """Add all layers and operations of a network, nested networks included."""
        for operation in getattr(network, "operations", None) or network.layers:
            if hasattr(operation, "layers"):
                self.network(operation)
            else:
                self.layer(operation)

    def layer(self, layer: Any) -> None:
        """Add one layer or operation of the graph."""
        kind = type(layer).__name__
        inputs = layer.input if isinstance(layer.input, list | tuple) else [layer.input]
        read, out = sum(_elements(t) for t in inputs), _elements(layer.output)
        weights = float(layer.count_params()) if hasattr(layer, "count_params") else 0.0
        if kind in FREE:
            return
        if kind in POOLS:
            self.add("pool", read, out)
        elif kind in NORMS:
            self.add("norm", read, out, weights=weights)
        elif kind in ELEMENTWISE:
            times = ELEMENTWISE[kind]
            self.add("elementwise", times * read, times * out, weights=weights, kernels=times)
        elif kind in MERGES:
            self._merge(len(inputs), read, out)
        elif kind == "CustomScaleLayer":  # x + scale * y of Inception-ResNet
            self.add("elementwise", read + out, 2 * out, kernels=2)
        else:
            self._product(layer, kind, int(inputs[0].shape[-1]), read, out)

    def _merge(self, count: int, read: float, out: float) -> None:
        """Sum or product of `count` tensors, two at a time; a scalar operand costs nothing."""
        steps = max(count - 1, 1)
        self.add("elementwise", read + (steps - 1) * out, steps * out, kernels=steps)

    def _product(self, layer: Any, kind: str, channels: int, read: float, out: float) -> None:
        """Convolutions and dense layers."""
        if kind not in PRODUCTS:
            message = f"no formula for the Keras layer {kind} ({layer.name})"
            raise NotImplementedError(message)
        weights = float(layer.count_params())
        if kind == "Dense":
            self.add("matmul", read, out, macs=out * channels, weights=weights)
        elif kind == "DepthwiseConv2D":
            window = prod(layer.kernel_size)
            self.add("depthwise", read, out, macs=out * window, weights=weights)
        elif kind == "Conv2D":
            per_output = prod(layer.kernel_size) * channels / layer.groups
            which = "conv" if layer.groups == 1 else _grouped(layer, channels)
            self.add(which, read, out, macs=out * per_output, weights=weights)
        elif kind == "SeparableConv2D":
            middle = prod(layer.output.shape[1:3]) * channels
            window, pointwise = prod(layer.kernel_size), out * channels
            inner = float(window * channels)
            self.add("depthwise", read, middle, macs=middle * window, weights=inner)
            self.add("conv", middle, out, macs=pointwise, weights=weights - inner)
        if layer.activation.__name__ != "linear":
            self.add("elementwise", out, out)


def _grouped(layer: Any, channels: int) -> str:
    return "depthwise" if layer.groups == channels else "grouped"


def _elements(tensor: Any) -> float:
    """Elements of one sample; a number in place of a tensor has none."""
    shape = getattr(tensor, "shape", None)
    return float(prod(n for n in shape[1:])) if shape is not None and len(shape) else 0.0


def snake(name: str) -> str:
    """The torch-style spelling of a Keras class name.

    >>> snake("EfficientNetV2B0"), snake("ResNet50V2"), snake("MobileNetV3Small"), snake("VGG16")
    ('efficientnet_v2_b0', 'resnet50_v2', 'mobilenet_v3_small', 'vgg16')
    """
    text = re.sub(r"(V\d)", r"_\1", name)
    text = re.sub(r"(EfficientNet|V2)([BSML]\d?)$", r"\1_\2", text)
    text = re.sub(r"(NASNet|ConvNeXt|V3)(XLarge|[A-Z][a-z]+)$", r"\1_\2", text)
    return text.lower().replace("inceptionresnet", "inception_resnet")


def build(keras: Any, name: str) -> Any:
    """The Keras network at its native size, weights without memory."""
    sized = {"input_shape": (224, 224, 3)} if name.startswith("MobileNetV3") else {}
    with keras.device("meta"):
        return getattr(keras.applications, name)(weights=None, **sized)


def count(keras: Any, name: str) -> Architecture:
    """Counted facts of one of keras.applications."""
    model = build(keras, name)
    tally = LayerCount()
    tally.network(model)
    ops = {kind: tally.ops[kind] for kind in OP_CLASSES if kind in tally.ops}
    height, width, channels = model.input_shape[1:]
    trainable = float(sum(prod(w.shape) for w in model.trainable_weights))
    return Architecture(
        name=name,
        domain="vision",
        input_shape=(int(channels), int(height), int(width)),
        params=float(model.count_params()),
        macs=sum(op.macs for op in ops.values()),
        ops=ops,
        trainable_params=trainable,
        activation_bytes=tally.out_bytes,
        kernels=sum(op.kernels for op in ops.values()),
        framework="tensorflow",
        collection="keras",
        source=f"keras {keras.__version__}",
        active_params=float(model.count_params()),
    )


def entries() -> list[Architecture]:
    """All of keras.applications, with torch-style aliases."""
    os.environ["KERAS_BACKEND"] = "torch"
    keras = import_module("keras")
    _allow_nasnet_mobile()
    found = []
    for name in dir(keras.applications):
        if name[0].isupper():
            alias = snake(name)
            aliases = () if alias == name.lower() else (alias,)
            group = re.sub(r"^(resnet\d+)_v2$", r"\1", alias)
            found.append(replace(count(keras, name), aliases=aliases, group=group))
    return found


def _allow_nasnet_mobile() -> None:
    """Lift the refusal to build NASNetMobile on the torch backend: only running it is broken."""
    nasnet: Any = import_module("keras.src.applications.nasnet")
    nasnet.backend = _Tensorflow(nasnet.backend)


class _Tensorflow:
    """The backend module of Keras, under another name."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def __getattr__(self, name: str) -> Any:
        return getattr(self._backend, name)

    @staticmethod
    def backend() -> str:
        """The backend's name."""
        return "tensorflow"
