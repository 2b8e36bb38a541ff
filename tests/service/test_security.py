"""Who may ask: tokens and their scopes, names and origins, how often; what is never read."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("fastapi")

from joulecast.core.errors import BadInput, UnknownName
from joulecast.service.app import create_app
from joulecast.service.limits import Buckets, Slots
from joulecast.service.logs import LOGGER, JsonLine, told
from joulecast.service.names import Catalogue
from joulecast.service.problems import Problem
from joulecast.service.security import digest, new_token, read_tokens
from joulecast.service.settings import Limits, Settings, Token
from tests.fakes.clock import FakeClock
from tests.fakes.service import READ, WRITE, asking, record_of

if TYPE_CHECKING:
    from pathlib import Path

TOKENS = (Token("read", digest(READ)), Token("write", digest(WRITE)))
ASKED = {"model": "vgg16", "hardware": "hc3"}


@pytest.mark.parametrize(
    ("token", "path", "status"),
    [
        (None, "/v1/estimate", 401),
        ("x" * 43, "/v1/estimate", 401),
        (READ, "/v1/estimate", 200),
        (WRITE, "/v1/estimate", 200),
        (None, "/v1/runs", 401),
        (READ, "/v1/runs", 403),
        (READ, "/v1/runs/", 403),
        (WRITE, "/v1/runs", 201),
        (READ, "/v1/calibrate", 403),
    ],
)
def test_tokens_open_what_their_scope_allows(token: str | None, path: str, status: int) -> None:
    """Reading with either, writing with that of the scope write."""
    body = record_of() if path.startswith("/v1/runs") else ASKED
    with asking(tokens=TOKENS, token=token, names=None) as client:
        found = client.post(path, json=body)
        assert found.status_code == status
        if status == 401:
            assert found.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/v1/runs", "/v1/models", "/metrics", "/openapi.json"])
def test_nothing_is_told_without_a_token(path: str) -> None:
    """But whether the service runs."""
    with asking(tokens=TOKENS, names=None) as client:
        assert client.get(path).status_code == 401
        assert client.get("/healthz").status_code == 200


def test_a_service_that_others_reach_needs_tokens() -> None:
    """It refuses to start without."""
    with pytest.raises(BadInput, match="no tokens"):
        create_app(Settings(host="0.0.0.0"))  # noqa: S104 (that is the point)


def test_tokens_are_kept_as_digests() -> None:
    """A new token is not in the line that is kept of it, and the line is read back."""
    text, line = new_token("write")
    assert text not in line
    assert read_tokens(f"# comment\n\n{line} # mine\n", "file") == (Token("write", digest(text)),)
    assert len(text) >= 43
    assert new_token("write")[0] != text


@pytest.mark.parametrize("line", ["admin:" + "0" * 64, "read:abc", "hunter2", "read:" + "g" * 64])
def test_a_line_that_is_no_token_is_refused_unseen(line: str) -> None:
    """It may be a token that somebody put there in the clear, so it is not shown."""
    with pytest.raises(BadInput, match="line 1 of file") as caught:
        read_tokens(line, "file")
    assert line not in str(caught.value)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "localhost:8765"}, 200),
        ({"Host": "127.0.0.1:8765", "Origin": "http://127.0.0.1:8765"}, 200),
        ({"Host": "[::1]:8765"}, 200),
        ({"Host": "evil.example"}, 421),
        ({"Host": "localhost.evil.example:8765"}, 421),
        ({"Host": "localhost", "Origin": "https://evil.example"}, 403),
        ({"Host": "localhost", "Origin": "null"}, 403),
    ],
)
def test_pages_of_other_sites_are_not_answered(headers: dict[str, str], status: int) -> None:
    """Neither under a name of theirs nor from their origin."""
    with asking() as client:
        assert client.post("/v1/estimate", json=ASKED, headers=headers).status_code == status


@pytest.mark.parametrize("path", ["/", "/healthz", "/v1/models", "/nothing", "/v1/runs?limit=x"])
def test_every_answer_keeps_to_itself(path: str) -> None:
    """Refusals, too, carry a strict content security policy."""
    with asking() as client:
        headers = client.get(path).headers
    assert headers["content-security-policy"].startswith("default-src 'none'")
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert "access-control-allow-origin" not in headers


def test_who_asks_too_often_has_to_wait() -> None:
    """429 with the seconds to wait; health is always told."""
    with asking(limits=Limits(rate_per_s=0.001, burst=2)) as client:
        found = [client.post("/v1/estimate", json=ASKED) for _ in range(3)]
        assert client.get("/healthz").status_code == 200
    assert [one.status_code for one in found] == [200, 200, 429]
    assert int(found[2].headers["retry-after"]) > 900


def test_who_guesses_tokens_is_slowed_down() -> None:
    """Without taking anything from those who have one."""
    limits = Limits(rate_per_s=0.001, burst=2)
    with asking(tokens=TOKENS, token=READ, names=None, limits=limits) as client:
        wrong = {"Authorization": "Bearer guess"}
        found = [client.get("/v1/machines", headers=wrong).status_code for _ in range(3)]
        own = client.get("/v1/machines").status_code
    assert found == [401, 401, 429]
    assert own == 200


def test_a_bucket_fills_again_and_is_each_clients_own() -> None:
    """At the rate, up to the burst; one client's haste does not stop another."""
    clock = FakeClock()
    buckets = Buckets(2.0, 3, clock.monotonic_s)
    assert [buckets.wait_s("a") for _ in range(4)] == [0, 0, 0, 0.5]
    assert buckets.wait_s("b") == 0
    clock.advance(0.5)
    assert buckets.wait_s("a") == 0
    clock.advance(1000)
    assert [buckets.wait_s("a") > 0 for _ in range(4)] == [False, False, False, True]


def test_places_are_given_back() -> None:
    """Also where what was done in them failed."""
    slots = Slots(1, "tables")
    with pytest.raises(KeyError), slots.held():
        raise KeyError
    with slots.held(), pytest.raises(Problem, match="1 tables"):
        slots.take()
    assert slots.taken == 0


@pytest.mark.parametrize(
    "name", ["./mine", "mine/", "../mine", "/etc/passwd", "~/mine", "mine.json", "mine", "a\0b"]
)
def test_no_model_is_read_from_a_path(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A config.json that lies beside the service is none of the catalogue's names."""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "config.json").write_text('{"model_type": "llama"}')
    (tmp_path / "mine.json").write_text('{"model_type": "llama"}')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownName):
        Catalogue().model(name)


@pytest.mark.parametrize("name", ["auto", "AUTO ", "mine.toml", "./mine.toml", "x/mine.toml"])
def test_no_machine_is_read_from_a_path(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor is the service's own machine told."""
    (tmp_path / "mine.toml").write_text('gpu = "t4"')
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownName):
        Catalogue().machine(name, {})


def test_a_machine_has_one_name() -> None:
    """However it is spelled, so that what is kept by name stays bounded."""
    catalogue = Catalogue()
    assert catalogue.machine("RTX_3090", {}) == catalogue.machine("rtx-3090", {}) == "rtx-3090"
    assert catalogue.machine("8xH100-SXM", {}) == "8xh100-sxm"
    with pytest.raises(UnknownName):
        catalogue.machine("5000xh100-sxm", {})


def test_logs_tell_requests_but_no_tokens(caplog: pytest.LogCaptureFixture) -> None:
    """One line of JSON per request: its route, status and time; no query, token or body."""
    with (
        caplog.at_level(logging.INFO, LOGGER),
        asking(tokens=TOKENS, token=READ, names=None, quiet=False) as client,
    ):
        client.get("/v1/runs?hardware=secret-machine")
        client.post("/v1/estimate", json={**ASKED, "model": "secret-model"})
    lines = [JsonLine().format(record) for record in caplog.records if record.name == LOGGER]
    facts = [json.loads(line) for line in lines]
    assert [(f["route"], f["status"]) for f in facts] == [("/v1/runs", 200), ("/v1/estimate", 404)]
    assert all(f["duration_s"] > 0 and f["event"] == "request" for f in facts)
    assert not any(secret in line for line in lines for secret in (READ, digest(READ), "secret"))


def test_a_bug_is_one_answer_and_one_line(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """500 without a traceback; the log says where it happened."""

    def broken(*_: object) -> None:
        message = "inner words"
        raise RuntimeError(message)

    monkeypatch.setattr("joulecast.service.routes.estimate.text_of", broken)
    with caplog.at_level(logging.ERROR, LOGGER), asking() as client:
        found = client.post("/v1/estimate", json=ASKED)
    assert found.status_code == 500
    assert found.headers["content-type"] == "application/problem+json"
    assert "inner words" not in found.text
    assert "Traceback" not in found.text
    (record,) = [r for r in caplog.records if r.name == LOGGER]
    line = json.loads(JsonLine().format(record))
    assert line["error"] == "RuntimeError"
    assert any("estimate.py" in place for place in line["places"])


def test_what_is_told_of_an_error_is_bounded() -> None:
    """A message that holds a whole body is cut."""
    assert len(told(ValueError("x" * 10_000))["message"]) == 300
