"""Who answers at a URL: its model, engine and version, and the network of ours that it serves."""

from __future__ import annotations

import json
import os
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from joulecast import asking
from joulecast.asking_serving import weights_named
from joulecast.core.errors import BadInput, UnknownName
from joulecast.core.units import BYTES_PER_VALUE
from joulecast.measuring import UNKNOWN
from joulecast.profiler.serving.scrape import engine_of, metrics_url
from joulecast.profiler.serving.scrape_http import NoPage, checked_url, fetch
from joulecast.profiler.serving.scrape_text import parse

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from joulecast.core.records import Architecture

_OWNERS = {"vllm": "vllm", "sglang": "sglang", "llamacpp": "llama.cpp"}
_KERNELS = {
    "awq": "int4",
    "gptq": "int4",
    "w4a16": "int4",
    "w8a8": "int8",
    "q4": "int4",
    "q8": "int8",
}
_LOCKED = (401, 403)
_WORD = re.compile(r"[-_./ ]+")


@dataclass(frozen=True, slots=True)
class Server:
    """A model server, as found.

    Attributes
    ----------
    url : up to and with ``/v1``. engine : empty if it does not tell. version : of the engine.
    network : counted facts of the model, without parameters if nobody knows them.
    """

    url: str
    model: str
    key: str
    engine: str
    version: str
    network: Architecture
    family: str
    precision: str
    notices: tuple[str, ...] = ()

    @property
    def headers(self) -> dict[str, str]:
        """Of each request."""
        return headers_of(self.key)

    @property
    def is_here(self) -> bool:
        """Whether it runs on this machine."""
        host = urlsplit(self.url).hostname or ""
        own = {"localhost", "::1", "0.0.0.0", os.uname().nodename}  # noqa: S104 (nothing is bound)
        return host in own or host.startswith("127.")


def headers_of(key: str) -> dict[str, str]:
    """What a request carries for the key; nothing without one."""
    return {"Authorization": f"Bearer {key}"} if key else {}


def find_server(ask: argparse.Namespace, environ: Mapping[str, str]) -> Server:
    """The server that the options mean.

    Raises
    ------
    BadInput
        If nobody answers there, or the model or the key cannot be made out.
    """
    url = checked_url(ask.url, "http://127.0.0.1:8000/v1")
    key = _key(ask.api_key, environ)
    model, engine = _served(url, key, ask.model)
    network, family, notices = network_served(model, ask.network)
    precision, said = precision_served(model, ask.precision)
    return Server(
        url=url,
        model=model,
        key=key,
        engine=ask.engine or engine or _engine(url, key),
        version=_version(url, key),
        network=network,
        family=family,
        precision=precision,
        notices=(*notices, *said),
    )


def _key(variable: str | None, environ: Mapping[str, str]) -> str:
    if not variable:
        return ""
    if not environ.get(variable):
        message = f"--api-key {variable}: there is no such variable. Export it first; the key "
        message += "itself does not belong on a command line"
        raise BadInput(message)
    return environ[variable]


def _served(url: str, key: str, wanted: str | None) -> tuple[str, str]:
    """The model's name and the engine, as far as the server tells."""
    try:
        listed = _models(fetch(f"{url}/models", headers=headers_of(key)))
    except NoPage as exc:
        if exc.status is not None and wanted:
            return wanted, ""
        advice = "Is the server up?" if exc.status is None else "Give --model, and --url up to /v1"
        if exc.status in _LOCKED:
            advice = "Give the variable that holds the key: --api-key NAME"
        message = f"{exc}. {advice}"
        raise BadInput(message) from exc
    names = [str(m["id"]) for m in listed if m.get("id")]
    if not names and not wanted:
        raise BadInput(f"{url}/models names no model. Give it: --model NAME")
    model = wanted or names[0]
    if not wanted and len(names) > 1:
        message = f"{url} serves {len(names)} models ({', '.join(names[:3])}, ...)"
        raise BadInput(f"{message}. Say which: --model NAME")
    owner = next((str(m.get("owned_by", "")) for m in listed if m.get("id") == model), "")
    return model, _OWNERS.get(owner.lower(), "")


def _models(text: str) -> list[dict[str, Any]]:
    try:
        listed = json.loads(text)["data"]
    except (ValueError, KeyError, TypeError):
        return []
    return [m for m in listed if isinstance(m, dict)] if isinstance(listed, list) else []


def _version(url: str, key: str) -> str:
    """The engine's version where it tells it beside the interface, as vLLM does."""
    root = re.sub(r"/v\d+$", "", url)
    with suppress(NoPage, ValueError, AttributeError):
        told = json.loads(fetch(f"{root}/version", 2.0, headers_of(key))).get("version")
        return str(told or "")
    return ""


def _engine(url: str, key: str) -> str:
    """The engine by the names on its metrics page; empty without one."""
    try:
        return engine_of(parse(fetch(metrics_url(url), 2.0, headers_of(key))))
    except NoPage:
        return ""


def network_served(model: str, named: str | None) -> tuple[Architecture, str, tuple[str, ...]]:
    """The network that `model` is, its family, and what had to be assumed.

    Parameters
    ----------
    named : a catalogue name or the path to a config.json, ``None`` to guess from `model`.
    """
    from joulecast.datasets.serving_models import Facts, family_of, network_of

    if named is not None:
        network = asking.find_architecture(named)
        return network, family_of(network), ()
    try:
        network, said = network_of(model.rstrip("/"), Facts())
    except UnknownName:
        label = model.rstrip("/").rpartition("/")[2] or model
        unknown = replace(UNKNOWN, name=label, domain="text", group=label)
        told = (
            f"no network of the catalogue is called '{model}': estimates cannot lean on these "
            "bursts. Name it, or give its config.json: --network NAME"
        )
        return unknown, "", (told,)
    return network, family_of(network), said


def precision_served(model: str, asked: str | None) -> tuple[str, tuple[str, ...]]:
    """Precision of the weights: as asked, as the model's name says, else bf16 with a notice."""
    if asked:
        return weights_named(asked), ()
    words = _WORD.split(model.lower())
    for word in (*words, *(_KERNELS.get(w, "") for w in words)):  # GPTQ-Int8 says its width
        if word in BYTES_PER_VALUE:
            return word, ()
    return "bf16", ("weights taken for bf16: give --precision if they are not",)
