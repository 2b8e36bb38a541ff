"""`profile --push` and `joulecast push` as a user calls them."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from pathlib import Path
from typing import Any

import pytest

from joulecast import command_push
from joulecast.cli import main
from joulecast.core.errors import BadInput
from joulecast.core.run_files import write_run
from joulecast.push_spool import spool_of, spool_root
from tests.fakes.run_receiver import RunReceiver, added, outbox_of
from tests.fakes.stored_runs import a_run

TOKEN = "correct-horse-battery"  # noqa: S105 (of a test)


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user folder of this test's own, and no token in the environment."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("JOULECAST_TOKEN", raising=False)
    return tmp_path / "data"


def pushed(*words: str, **facts: Any) -> int:  # noqa: ANN401
    """Exit code of `joulecast push`."""
    given = {"places": [Path(word) for word in words], "push": None, "push_token_file": None}
    return command_push.push(Namespace(**{**given, "json": False, **facts}))


@pytest.mark.parametrize(
    "text",
    [
        *("host:8765", "file:///etc/passwd", "ftp://host", "http://", "http://a b", "http://h:0"),
        *("http://h:x", "http://[::1", "http://h/é", "http://u:secret@h", "http://h?k=secret"),
    ],
)
def test_a_url_that_is_no_service_is_refused_before_anything_runs(
    text: str, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Exit code 2, the command never ran, and a password in the URL is not repeated."""
    words = ["--push", text, "-o", str(tmp_path), "--", "touch", str(tmp_path / "ran")]
    assert main(["profile", "run", *words]) == 2
    assert "secret" not in capfd.readouterr().err
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("code", [0, 7])
def test_a_profile_sends_its_record_and_keeps_its_exit_code(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], code: int
) -> None:
    """What is kept here is what arrives there, whether the service is there or not."""
    command = [sys.executable, "-c", f"raise SystemExit({code})"]
    with RunReceiver() as service:
        words = ["profile", "run", "--quiet", "--push", service.url, "-o", str(tmp_path / "runs")]
        assert main([*words, "--", *command]) == code
        (file,) = (tmp_path / "runs").glob("*.json")
        assert service.kept == {file.stem: json.loads(file.read_text())}
        assert "note: not pushed" not in capfd.readouterr().err
    assert main([*words, "--", *command]) == code
    told = capfd.readouterr().err
    assert told.count("note: not pushed: nobody answers") == 1
    assert len(spool_of(service.url, spool_root()).waiting()) == 1


def test_a_sweep_sends_every_point_and_what_waited(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`--json` has standard output to itself; records that are not kept here are sent too."""
    words = ["--model", "lenet", "--data", "synthetic", "--steps", "2", "--batch-size", "4,8"]
    with RunReceiver() as service:
        added(outbox_of(service.url), "waited")
        words += ["--meter", "constant:50", "--no-save", "--json", "--push", service.url]
        assert main(["profile", "infer", *words]) == 0
        told = json.loads(capsys.readouterr().out)
        assert service.got == ["waited", *told["runs"]]
    assert not list(tmp_path.glob("*.json"))


def test_a_machine_at_rest_is_no_run() -> None:
    """`profile idle` does not offer what it could not send."""
    assert main(["profile", "idle", "--push", "http://127.0.0.1:1"]) == 2


def test_the_verb_sends_what_waits_for_all_services(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a URL every spool is emptied; a second call has nothing to do."""
    with RunReceiver() as one, RunReceiver() as two:
        added(outbox_of(one.url), "a", "b")
        added(outbox_of(two.url), "c")
        assert pushed() == 0
        assert [list(s.kept) for s in (one, two)] == [["a", "b"], ["c"]]
        capsys.readouterr()
        assert pushed() == 0
        assert capsys.readouterr().out == "nothing waits\n"


def test_the_verb_tells_what_is_left(capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and numbers, as one JSON object if asked for."""
    with RunReceiver() as service:
        added(outbox_of(service.url), "a", "b", "c")
        service.answers = [422, 201, 503]
        assert pushed(json=True) == 2
    told = json.loads(capsys.readouterr().out)["services"][0]
    expected = {"url": service.url, "new": 1, "known": 0, "refused": 1, "waiting": 1}
    assert {key: told[key] for key in expected} == expected


def test_the_verb_sends_records_that_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Runs measured before there was a service; those still running are left out."""
    write_run(a_run("old"), tmp_path / "old.json")
    write_run(a_run("new", status="running"), tmp_path / "new.json")
    with pytest.raises(BadInput, match="--push URL"):
        pushed(str(tmp_path))
    with RunReceiver() as service:
        assert pushed(str(tmp_path), push=service.url) == 2
        assert list(service.kept) == ["old"]
    assert "new says that it is still running" in capsys.readouterr().err


def test_a_token_goes_to_no_service_that_it_was_not_given_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Where several are meant, the token's has to be named."""
    monkeypatch.setenv("JOULECAST_TOKEN", TOKEN)
    with RunReceiver() as one, RunReceiver() as two:
        added(outbox_of(one.url), "a")
        added(outbox_of(two.url), "b")
        with pytest.raises(BadInput, match="which the token") as caught:
            pushed()
        assert TOKEN not in str(caught.value)
        assert (one.got, two.got) == ([], [])
        assert pushed(push=one.url) == 0
        assert (one.got, two.got) == (["a"], [])
