"""The OpenAPI document: schemas of answers made from the records, of questions from the bodies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from dataclasses import Field as DataclassField
from functools import cache
from types import NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import BaseModel, Field, create_model
from pydantic.json_schema import models_json_schema

from joulecast.core import records
from joulecast.core.insight import Comparison, Sweep
from joulecast.core.records import Estimate, Run, Workload
from joulecast.core.serving_estimate import RatePoint, ServingEstimate
from joulecast.service import bodies, measured
from joulecast.service.problems import MEDIA_TYPE

if TYPE_CHECKING:
    from fastapi import FastAPI

_REF = "#/components/schemas/{model}"
_BODIES = (
    bodies.EstimateBody,
    bodies.ServingBody,
    bodies.SweepBody,
    bodies.CompareBody,
    bodies.CalibrateBody,
)
_ANSWERS = (Estimate, ServingEstimate, Sweep, Comparison, measured.Fleet)
_OFTEN_UNKNOWN = {
    (Workload, "samples"),
    *((kind, name) for kind in (RatePoint, ServingEstimate) for name in ("ttft_s", "latency_s")),
}
"""Fields whose number may not be finite, and is ``null`` then: waits beyond saturation."""

_ID = "^[A-Za-z0-9_-][A-Za-z0-9._-]{0,127}$"


class ProblemDetails(BaseModel):
    """What is wrong, RFC 9457; `nearest` of an unknown name, `errors` of a body."""

    type: str
    title: str
    status: int
    detail: str
    nearest: list[str] | None = None
    errors: list[dict[str, str]] | None = None
    ids: list[str] | None = None


class AddedRun(BaseModel):
    """Whether a run is new."""

    id: str
    added: Literal["new", "known"]


class AddedRuns(BaseModel):
    """What became of the records, in their order."""

    runs: list[AddedRun]


class FleetMachine(BaseModel):
    """A machine of which there are runs."""

    id: str
    runs: int
    calibrated: bool


class Calibrated(BaseModel):
    """The machine as it is now, and all machines whose runs sharpen answers."""

    hardware: str
    on: bool
    runs: int
    calibrated: list[str]


@cache
def answer_model(kind: Any) -> type[BaseModel]:  # noqa: ANN401 (a record's class)
    """A pydantic model with the fields of a record, all of which an answer has."""
    return _model(kind, kind.__name__, always=True)


@cache
def record_model(kind: Any) -> type[BaseModel]:  # noqa: ANN401 (a record's class)
    """The same of a stored record: what has a default may be missing."""
    return _model(kind, f"{kind.__name__}Record", always=False)


def _model(kind: Any, name: str, *, always: bool) -> type[BaseModel]:  # noqa: ANN401
    """A model with the fields of a record and of the records in it."""
    hints = get_type_hints(kind, localns={"Mapping": Mapping, **_literals()})
    members: dict[str, Any] = {}
    for f in fields(kind):
        hint = _hint(hints[f.name], always=always)
        if always and (kind, f.name) in _OFTEN_UNKNOWN:
            hint = hint | None
        if kind is Run and f.name == "id":
            members["id"] = (Annotated[str, Field(pattern=_ID)], ...)
            continue
        needed = always or (f.default is MISSING and f.default_factory is MISSING)
        members[f.name] = (hint, ...) if needed else (hint, Field(default=_default(f)))
    said = (kind.__doc__ or "").partition("\n")[0]
    made: type[BaseModel] = create_model(name, __doc__=said, **members)
    return made


def _default(f: DataclassField[Any]) -> Any:  # noqa: ANN401 (of any field)
    """The default of a record's field, where it is a plain value."""
    plain = isinstance(f.default, str | int | float | bool)
    return f.default if plain else None


def _literals() -> dict[str, Any]:
    """The words of the records that other rooms import for type checkers only."""
    names = ("Basis", "Novelty", "Scope", "Task", "Workload", "Evidence")
    return {name: getattr(records, name) for name in names}


def _hint(hint: Any, *, always: bool) -> Any:  # noqa: ANN401
    """The type of a field as JSON has it."""
    origin, parts = get_origin(hint), get_args(hint)
    if is_dataclass(hint):
        made: Any = answer_model if always else record_model
        return made(hint)
    if origin in (UnionType, Union):
        return Union[tuple(_hint(p, always=always) for p in parts)]  # noqa: UP007 (of a tuple)
    if origin is tuple:
        return list[_hint(parts[0], always=always)]  # type: ignore[misc]
    if origin is Mapping:
        return dict[str, _hint(parts[1], always=always)]  # type: ignore[misc]
    if hint in (float, int) and not always:
        return Annotated[hint, Field(ge=-1e30, le=1e30)] if hint is float else hint
    return hint if hint is not NoneType else None


def _components() -> dict[str, Any]:
    plain = (ProblemDetails, AddedRuns, FleetMachine, Calibrated)
    kinds = [
        *((model, "validation") for model in (*_BODIES, record_model(Run))),
        *((answer_model(kind), "serialization") for kind in _ANSWERS),
        *((model, "serialization") for model in plain),
    ]
    _, found = models_json_schema(kinds, ref_template=_REF)  # type: ignore[arg-type]
    schemas: dict[str, Any] = found["$defs"]
    return schemas


def ref(name: str) -> dict[str, str]:
    """The schema of that name in the document."""
    return {"$ref": _REF.format(model=name)}


def asks(name: str, **examples: Mapping[str, Any]) -> dict[str, Any]:
    """What a route says of its JSON body."""
    shown = {key.replace("_", " "): {"value": value} for key, value in examples.items()}
    content = {"application/json": {"schema": ref(name), "examples": shown}}
    return {"requestBody": {"required": True, "content": content}}


def answers(
    schema: dict[str, Any] | None,
    *refused: int,
    media_type: str = "application/json",
    status: int = 200,
) -> dict[int | str, dict[str, Any]]:
    """What a route says of its answers: one that is right, and the refusals with these statuses."""
    wrong = {"description": "refused", "content": {MEDIA_TYPE: {"schema": ref("ProblemDetails")}}}
    right: dict[str, Any] = {"description": "answered"}
    if schema is not None:
        right["content"] = {media_type: {"schema": schema}}
    every = (401, 403, 421, 429, 500, *refused)
    return {status: right, **dict.fromkeys(every, wrong)}


def array_of(name: str, **item: Any) -> dict[str, Any]:  # noqa: ANN401 (a JSON schema)
    """The schema of an object with one array."""
    inner = item or {"type": "object"}
    array = {"type": "array", "items": inner}
    return {"type": "object", "properties": {name: array}, "required": [name]}


def document(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document of `app`, made once."""
    from fastapi.openapi.utils import get_openapi

    if app.openapi_schema is None:
        made = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
        )
        parts = made.setdefault("components", {})
        parts["schemas"] = _components()
        parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        made["security"] = [{}, {"token": []}]
        app.openapi_schema = made
    return app.openapi_schema
