"""What may be asked: the arguments of the public functions by name, and what a kWh stands for.

Numbers within what the command line takes; names only, no paths; nothing that is not known.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
)

from joulecast.core.insight import Axis  # noqa: TC001 (pydantic reads it)

MOST_NAMES = 50
MOST_VALUES = 200


def _whole(value: Any) -> Any:  # noqa: ANN401 (whatever JSON holds)
    """A whole number written as 3.0 as the 3 that it is."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _not_huge(shape: list[int]) -> list[int]:
    if math.prod(shape) > 1e10:
        message = "more than 1e10 values in one sample"
        raise ValueError(message)
    return shape


_WHOLE = BeforeValidator(_whole)
Name = Annotated[str, StringConstraints(min_length=1, max_length=100)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=40)]
Precision = Literal["fp64", "fp32", "tf32", "fp16", "bf16", "fp8", "int8", "fp4", "int4"]
Weights = Precision | Literal["bfloat16", "float16", "awq", "gptq", "mxfp4", "nvfp4"]
Framework = Literal["pytorch", "tensorflow", "keras", "jax", "onnx", "tensorrt", "vendor"]
Shape = Annotated[
    list[Annotated[int, Field(ge=1, lt=1_000_000), _WHOLE]],
    Field(min_length=1, max_length=6),
    AfterValidator(_not_huge),
]
Level = Annotated[float, Field(ge=0.5, le=0.995)]
Share = Annotated[float, Field(ge=0, le=1)]
Gpus = Annotated[int, Field(ge=1, le=100_000), _WHOLE]
Watts = Annotated[float, Field(ge=1, le=1e5)]
Part = Literal["gpu", "cpu", "dram", "system", "wall"]


class Body(BaseModel):
    """A JSON object that holds nothing unknown, no NaN, and no text for a number."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class Tariffed(Body):
    """What a kilowatt-hour stands for; as the options of `estimate`."""

    region: Word | None = Field(
        default=None, description="grid whose yearly average is used: DE, WORLD"
    )
    carbon_intensity: Annotated[float, Field(ge=0, le=5000)] | None = Field(
        default=None, description="g CO2e per kWh instead of a region"
    )
    price: Annotated[float, Field(ge=0, le=1e4)] | None = Field(
        default=None, description="money per kWh"
    )
    pue: Annotated[float, Field(ge=1, le=5)] = Field(
        default=1.0, description="facility overhead on CO2e and cost"
    )
    carbon: bool = Field(default=False, description="CO2e even without a region: world average")


class Workloaded(Body):
    """What is run on what; as the arguments of `joulecast.estimate`."""

    task: Literal["train", "infer", "inference"] | None = "train"
    epochs: Annotated[float, Field(ge=1e-9, le=1e6)] = 1.0
    samples: Annotated[float, Field(ge=1, le=1e13)] | None = Field(
        default=None, description="per epoch; 50,000 if not given"
    )
    batch_size: Annotated[int, Field(ge=1, le=10_000_000), _WHOLE] = 128
    input_shape: Shape | None = Field(default=None, description="of one sample, e.g. [3, 224, 224]")
    seq_len: Annotated[int, Field(ge=1, le=100_000_000), _WHOLE] | None = None
    precision: Precision = "fp32"
    framework: Framework = "pytorch"
    optimiser: Word = "sgd"
    trainable_frac: Share = 1.0
    loader_workers: Annotated[int, Field(ge=0, le=4096), _WHOLE] | None = None
    n_gpus: Gpus | None = None
    power_limit_w: Watts | None = None
    scope: Part = "system"
    level: Level = 0.9
    force: bool = Field(default=False, description="answer even if the weights do not fit")

    def workload(self) -> dict[str, Any]:
        """The arguments of `joulecast.estimate` that were given, but the level of intervals."""
        names = self.model_fields_set & Workloaded.model_fields.keys() - {"level"}
        given = {name: getattr(self, name) for name in names}
        if given.get("input_shape"):
            given["input_shape"] = tuple(given["input_shape"])
        return given


class EstimateBody(Workloaded, Tariffed):
    """A question to `joulecast.estimate`."""

    model: Name = Field(description="catalogue name")
    hardware: Name = Field(description="machine or device id, or 8xh100-sxm")
    explain: bool = Field(default=False, description="what made the answer")


class ServingBody(Tariffed):
    """A question to `joulecast.estimate_serving`."""

    model: Name = Field(description="catalogue name of a language model")
    hardware: Name
    rate_rps: Annotated[float, Field(ge=1e-9, le=1e9)] | None = None
    concurrency: Annotated[float, Field(ge=1e-6, le=1e9)] | None = None
    prompt_tokens: Annotated[float, Field(ge=1e-3, le=1e8)]
    output_tokens: Annotated[float, Field(ge=1e-3, le=1e8)]
    cache_hit_frac: Share = 0.0
    weight_precision: Weights = "bf16"
    engine: Word = "vllm"
    engine_year: Annotated[float, Field(ge=2018, le=2035)] | None = None
    n_gpus: Gpus | None = None
    duration_s: Annotated[float, Field(ge=1e-3, le=1e9)] = 3600.0
    level: Level = 0.9
    power_limit_w: Watts | None = None
    scope: Part = "system"
    explain: bool = False
    force: bool = False


class SweepBody(Workloaded):
    """A question to `joulecast.sweep`."""

    model: Name
    hardware: Name
    over: Axis = "batch_size"
    values: (
        Annotated[
            list[Annotated[float, Field(gt=0, le=1e7)] | Precision],
            Field(min_length=1, max_length=MOST_VALUES),
        ]
        | None
    ) = Field(default=None, description="of that axis; a range that suits the machine if not given")


class CompareBody(Workloaded, Tariffed):
    """A question to `joulecast.compare`."""

    models: Annotated[list[Name], Field(min_length=1, max_length=MOST_NAMES)]
    hardware: Annotated[list[Name], Field(min_length=1, max_length=MOST_NAMES)]
    task: Literal["train", "infer", "inference"] = "infer"
    accuracy: Annotated[dict[Name, Share], Field(max_length=MOST_NAMES)] | None = Field(
        default=None, description="0..1 by network"
    )


class CalibrateBody(Body):
    """Whether the stored runs of a machine sharpen estimates."""

    hardware: Annotated[str, StringConstraints(min_length=1, max_length=256)]
    on: bool = True
