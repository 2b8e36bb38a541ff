"""Run records on their way to a service: nothing lost, nothing twice, and no harm to the job."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from queue import Queue
from typing import Any

import pytest

from joulecast.core.errors import BadInput
from joulecast.core.run_files import read_run, write_run
from joulecast.push import Outbox, token_of
from joulecast.push_post import Service, post, service_url
from joulecast.push_spool import Spool, spool_of
from tests.fakes import run_receiver
from tests.fakes.run_receiver import RunReceiver, added, outbox_of
from tests.fakes.stored_runs import a_run

TOKEN = "correct-horse-battery"  # noqa: S105 (of a test)
ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user folder of this test's own, and no token in the environment."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("JOULECAST_TOKEN", raising=False)
    return tmp_path / "data"


def test_a_record_arrives_whole_and_no_longer_waits() -> None:
    """What the service got is what a file of the run would hold."""
    with RunReceiver() as service:
        outbox = outbox_of(service.url)
        spool = added(outbox, "a")
        sent = outbox.send()
        assert (sent.new, sent.known, sent.notes) == (1, 0, [])
        write_run(a_run("a"), spool.folder / "copy.json")
        assert service.kept["a"] == json.loads((spool.folder / "copy.json").read_bytes())
    (spool.folder / "copy.json").unlink()
    assert spool.waiting() == ()


def test_a_record_that_is_known_already_is_let_go_of() -> None:
    """Sending the same again changes nothing there."""
    with RunReceiver() as service:
        for _ in range(2):
            outbox = outbox_of(service.url)
            spool = added(outbox, "a")
            sent = outbox.send()
        assert (sent.new, sent.known) == (0, 1)
        assert len(service.kept) == 1
        assert spool.waiting() == ()


@pytest.mark.parametrize("status", [400, 409, 413, 422])
def test_what_is_refused_for_good_makes_room_and_is_kept(status: int) -> None:
    """The record lies aside, readable; those behind it arrive; the note is safe to print."""
    with RunReceiver() as service:
        service.answers = [status]
        outbox = outbox_of(service.url, TOKEN)
        spool = added(outbox, "bad", "good")
        sent = outbox.send()
        assert (sent.new, sent.refused) == (1, 1)
        assert list(service.kept) == ["good"]
    assert spool.waiting() == ()
    assert read_run(spool.folder / "refused" / "bad.json").id == "bad"
    (note,) = sent.notes
    assert note.startswith("bad is refused: ")
    assert f"HTTP {status}: why" in note
    assert str(spool.folder / "refused") in note
    assert TOKEN not in note
    assert "\x1b" not in note


def test_an_id_with_other_content_is_a_conflict() -> None:
    """The first record stays there; ours is set aside, not lost."""
    with RunReceiver() as service:
        service.kept["a"] = {"id": "a"}
        outbox = outbox_of(service.url)
        spool = added(outbox, "a")
        assert outbox.send().refused == 1
        assert service.kept["a"] == {"id": "a"}
    assert (spool.folder / "refused" / "a.json").is_file()


@pytest.mark.parametrize("status", [301, 302, 307, 401, 403, 404, 408, 421, 429, 502, 503, 504])
def test_a_service_that_cannot_take_records_now_gets_them_later(status: int) -> None:
    """One request, not one per record; all wait, and the next round sends each once, in order."""
    with RunReceiver() as service:
        service.answers = [status]
        outbox = outbox_of(service.url)
        spool = added(outbox, "z", "m", "a")
        first = outbox.send()
        assert service.got == ["z"]
        assert spool.waiting() == ("z", "m", "a")
        assert len(first.notes) == 1
        assert f"HTTP {status}" in first.notes[0]
        assert outbox.send().new == 3
        assert service.got == ["z", "z", "m", "a"]
        assert list(service.kept) == ["z", "m", "a"]


def test_a_service_that_limits_the_rate_is_waited_for_only_where_there_is_time() -> None:
    """`joulecast push` goes on when told to; a measuring command leaves the rest for later."""
    with RunReceiver() as service:
        service.answers = [429]
        spool = added(outbox_of(service.url), "a", "b")
        assert outbox_of(service.url).send().new == 0
        service.answers = [201, 429, 429]
        assert outbox_of(service.url, budget_s=None).send().new == 2
        assert service.got == ["a", "a", "b", "b", "b"]
        added(outbox_of(service.url), "c")
        service.answers = [429] * 100
        assert "429" in outbox_of(service.url, budget_s=None).send().notes[0]
    assert spool.waiting() == ("c",)


def test_a_bug_over_one_record_does_not_hold_up_the_others() -> None:
    """500 may be about this record alone: it waits, the next ones go."""
    with RunReceiver() as service:
        service.answers = [500]
        outbox = outbox_of(service.url)
        spool = added(outbox, "a", "b")
        assert outbox.send().new == 1
    assert spool.waiting() == ("a",)


def test_only_a_service_of_ours_refuses_for_good() -> None:
    """A 413 of a proxy in between is no verdict: the record waits."""
    with RunReceiver() as service:
        service.answers, service.problem = [413], "text/html"
        outbox = outbox_of(service.url)
        spool = added(outbox, "a")
        assert outbox.send().refused == 0
    assert spool.waiting() == ("a",)


def test_a_page_that_says_200_to_everything_acknowledges_nothing() -> None:
    """A wrong URL, or a portal in between, must not swallow records."""
    with RunReceiver() as service:
        answer = post(Service(service.url), "b", json.dumps({"id": "a"}).encode())
    assert answer.kind == "away"
    assert "is it the URL?" in answer.said


def test_a_service_that_was_dead_gets_everything_once_when_it_is_alive() -> None:
    """Spooled by three processes' worth of outboxes, sent by a fourth, oldest first."""
    with RunReceiver() as service:
        port, url = service.port, service.url
    for run_id in ("z", "m", "a"):
        outbox = outbox_of(url)
        added(outbox, run_id)
        sent = outbox.send()
        assert "nobody answers" in sent.notes[0]
        assert "Connection refused" in sent.notes[0]
    for second, run_id in enumerate(("z", "m", "a")):
        os.utime(outbox.spool.folder / f"{run_id}.json", (second, second))
    with RunReceiver(port) as service:
        assert outbox_of(url).send().new == 3
        assert outbox_of(url).send().new == 0
        assert service.got == ["z", "m", "a"]


def test_a_note_is_told_once_per_command() -> None:
    """A sweep against a dead service is one note, not one per point."""
    with RunReceiver() as service:
        url = service.url
    outbox = outbox_of(url)
    added(outbox, "a")
    assert len(outbox.send().notes) == 1
    added(outbox, "b")
    assert outbox.send().notes == []


def test_an_answer_that_comes_byte_by_byte_is_not_waited_for() -> None:
    """Each byte is in time, the whole is not: the budget holds, for all calls together."""
    with RunReceiver() as service:
        service.drip_s = 0.05
        outbox = outbox_of(service.url, budget_s=0.3)
        spool = added(outbox, "a")
        start_s = time.monotonic()
        sent = outbox.send()
        outbox.send()
        assert time.monotonic() - start_s < 1.5
        assert sent.new == 0
        assert "took 0.3 s" in sent.notes[0]
        assert spool.waiting() == ("a",)
        service.drip_s = 0.0


def test_a_host_that_takes_connections_and_says_nothing_is_not_waited_for() -> None:
    """The time for an answer ends."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        service = Service(f"http://127.0.0.1:{silent.getsockname()[1]}")
        start_s = time.monotonic()
        answer = post(service, "a", b"{}", 0.1)
        assert time.monotonic() - start_s < 1.0
    assert answer.kind == "away"
    assert "timed out" in answer.said


def test_an_answer_before_the_end_of_a_long_record_is_heard() -> None:
    """A service that closes on a large body has said why; the record is not sent for ever."""
    said = (
        b"HTTP/1.1 413 X\r\nContent-Type: application/problem+json\r\nContent-Length: 2\r\n\r\n{}"
    )

    def answer_early(server: socket.socket) -> None:
        with server.accept()[0] as taken:
            taken.recv(1000)
            taken.sendall(said)

    with socket.create_server(("127.0.0.1", 0)) as server:
        answering = threading.Thread(target=answer_early, args=(server,))
        answering.start()
        service = Service(f"http://127.0.0.1:{server.getsockname()[1]}")
        assert post(service, "a", b"x" * 30_000_000).kind == "refused"
        answering.join()


def sender(url: str, folder: Path, processes: int, records: int) -> subprocess.Popen[bytes]:
    """Processes of their own that push."""
    words = [sys.executable, run_receiver.__file__, url, str(folder), str(processes), str(records)]
    path = f"{ROOT / 'src'}:{ROOT}"
    return subprocess.Popen(words, env={**os.environ, "PYTHONPATH": path})


def test_a_sender_killed_before_the_acknowledgement_loses_nothing(tmp_path: Path) -> None:
    """The service has the record, the spool too: it is sent again, under the same id."""
    with RunReceiver() as service:
        pid: Queue[int] = Queue()
        service.before = lambda _: os.kill(pid.get(timeout=60), signal.SIGKILL)
        with sender(service.url, tmp_path, 0, 1) as process:
            pid.put(process.pid)
            assert process.wait(60) == -signal.SIGKILL
        outbox = Outbox(Service(service.url), spool_of(service.url, tmp_path))
        assert outbox.spool.waiting() == ("p-0",)
        service.before = lambda _: None
        assert outbox.send().known == 1
        assert service.got == ["p-0", "p-0"]
        assert len(service.kept) == 1
        assert outbox.spool.waiting() == ()


def test_a_record_that_another_process_is_sending_is_left_to_it() -> None:
    """Two at once send it once."""
    with RunReceiver() as service:
        outbox = outbox_of(service.url)
        spool = added(outbox, "a", "b")
        with spool.held("a") as record:
            assert record is not None
            assert outbox.send().new == 1
        assert service.got == ["b"]
        assert outbox.send().new == 1


def test_a_record_replaced_while_it_is_sent_waits_on() -> None:
    """Whoever opened the old file before it was replaced does not take it for the new one."""
    spool = outbox_of("http://127.0.0.1:1").spool
    spool.add(a_run("a", 1.0))
    path = spool.folder / "a.json"
    with path.open("rb") as old:
        spool.add(a_run("a", 2.0))
        assert not run_is_at(old, path)
    with spool.held("a") as record:
        assert b"2.0" in (record or b"")


def run_is_at(file: Any, path: Path) -> bool:  # noqa: ANN401
    """Whether the open file is the one at `path`."""
    from joulecast.push_spool import _is_at

    return _is_at(file, path)


def test_fifty_processes_lose_nothing_and_corrupt_nothing(tmp_path: Path) -> None:
    """They spool and send at once; the first answers are 503 every other time."""
    with RunReceiver() as service:
        service.answers = [503, 201] * 20
        with sender(service.url, tmp_path, 50, 3) as process:
            assert process.wait(120) == 0
        outbox = Outbox(Service(service.url), spool_of(service.url, tmp_path), None)
        left = len(outbox.spool.waiting())
        sent = outbox.send()
        assert sent.new + sent.known == left
        assert set(service.kept) == {f"p{n}-{k}" for n in range(50) for k in range(3)}
        assert service.kept["p7-1"]["measurement"]["energy_j"] == {"gpu": 600.5}
        assert len(service.got) == 150 + 20  # what was not refused was sent once
        assert [p.name for p in outbox.spool.folder.iterdir()] == ["service.url"]


def test_a_folder_that_cannot_be_written_does_not_stop_a_record(tmp_path: Path) -> None:
    """It is sent from memory; only where that fails too is it not sent."""
    (tmp_path / "file").touch()
    with RunReceiver() as service:
        spool = Spool(service.url, tmp_path / "file" / "spool")
        outbox = Outbox(Service(service.url), spool)
        (note,) = outbox.add(a_run("a"))
        assert "cannot spool" in note
        service.answers = [503]
        assert "What waits" not in outbox.send().notes[0]
        assert outbox.send().new == 1
        assert outbox.send().new == 0
        assert service.got == ["a", "a"]


@pytest.mark.parametrize("run_id", ["", "../up", ".hidden", "a/b", "x" * 129])
def test_an_id_that_is_no_plain_name_is_a_note(run_id: str) -> None:
    """No record names a file elsewhere."""
    (note,) = outbox_of("http://127.0.0.1:1").add(a_run(run_id))
    assert "no plain name" in note


def test_the_token_goes_into_one_header_and_nowhere_else(tmp_path: Path) -> None:
    """From a file or the environment; neither notes nor the outbox's own text repeat it."""
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    assert token_of(tmp_path / "token", {}) == TOKEN
    assert token_of(None, {"JOULECAST_TOKEN": TOKEN}) == TOKEN
    assert token_of(None, {}) == ""
    with RunReceiver() as service:
        service.answers = [403]
        outbox = outbox_of(service.url, TOKEN)
        added(outbox, "a")
        sent = outbox.send()
        assert service.told == [f"Bearer {TOKEN}"]
    assert TOKEN not in repr((sent, outbox.service, outbox.spool))
    assert "***" in sent.notes[0]


@pytest.mark.parametrize("text", ["", "two words", "a\nb", "naïve", "a\x00"])
def test_a_file_without_a_usable_token_is_refused_and_not_repeated(
    tmp_path: Path, text: str
) -> None:
    """The message names the file, not what is in it."""
    (tmp_path / "token").write_text(text, encoding="utf-8")
    with pytest.raises(BadInput, match="holds no token") as caught:
        token_of(tmp_path / "token", {})
    assert not text or text not in str(caught.value)


def test_one_service_has_one_spool_however_its_url_is_written() -> None:
    """Case, slash, usual port and /v1 make no difference; the path does."""
    same = {service_url(t) for t in ("http://Host", "http://host:80/", " HTTP://host/v1/ ")}
    assert same == {"http://host"}
    assert service_url("https://host:80/joulecast/") == "https://host:80/joulecast"


def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record for this machine does not leave it."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    with RunReceiver() as service:
        assert post(Service(service.url), "a", b'{"id": "a"}').kind == "new"
