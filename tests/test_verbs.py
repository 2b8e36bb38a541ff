"""The verbs of `joulecast`, and the listings that `estimate` offers too."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from joulecast import __version__, api, cli

SUMMARY = {"n": 10, "n_groups": 3, "mdape": 12.3, "p90": 40.0, "bias": -1.5}
CARD = {
    "level": 0.9,
    "protocols": {p: {"energy": SUMMARY, "time": SUMMARY} for p in ("random", "new-model")},
    "baselines": {p: {"macs_constant": SUMMARY} for p in ("random", "new-model")},
    "per_hardware": [{"label": "rtx-4090", "energy": SUMMARY | {"p90": math.nan}}],
}


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The only line on stderr, with nothing on stdout."""
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    return err


@pytest.mark.parametrize("argv", [[], ["fly"], ["predict"], ["train"], ["accuracy", "--ful"]])
def test_bad_verbs_are_one_clear_line(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """A verb that is missing, unknown or incomplete is exit code 2 and one line."""
    assert cli.main(argv) == cli.BAD_INPUT
    assert one_line(capsys).startswith("joulecast: ")


@pytest.mark.parametrize("argv", [["--help"], ["--version"]])
def test_help_and_version_leave_with_zero(
    argv: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Both commands answer --help and --version on stdout."""
    for command in (cli.estimate_main, cli.main):
        assert command(argv) == cli.ANSWERED
        out, err = capsys.readouterr()
        assert ("usage" if argv == ["--help"] else __version__) in out
        assert err == ""


def test_version_is_a_verb(capsys: pytest.CaptureFixture[str]) -> None:
    """`joulecast version` prints the version."""
    assert cli.main(["version"]) == cli.ANSWERED
    assert __version__ in capsys.readouterr().out


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Catalogues and card of a known content."""
    model = {"name": "vgg16", "params": 14.7e6, "input_shape": [3, 32, 32], "framework": "pytorch"}
    device = {"id": "t4", "name": "Tesla T4", "tdp_w": 70.0, "mem_bytes": 16e9, "year": 2018}
    monkeypatch.setattr(api, "describe_models", lambda: [model])
    monkeypatch.setattr(api, "describe_hardware", lambda: [device])
    monkeypatch.setattr(api, "card", lambda: CARD)


@pytest.mark.parametrize(
    ("command", "argv", "words"),
    [
        (cli.estimate_main, ["--list-models"], ["vgg16", "14.7 M", "3x32x32"]),
        (cli.main, ["list-models"], ["1 networks", "vgg16"]),
        (cli.estimate_main, ["--list-hw"], ["Tesla T4", "70 W", "16 GB", " 2018"]),
        (cli.main, ["list-hw"], ["t4"]),
        (cli.main, ["accuracy"], ["MdAPE", "12.3 %", "new-model", "macs constant", "-1.5 %"]),
        (cli.main, ["accuracy", "--full"], ["rtx-4090", "per hardware: energy", "40.0 %"]),
    ],
)
@pytest.mark.usefixtures("catalogue")
def test_tables_show_their_content(
    command: Any,  # noqa: ANN401
    argv: list[str],
    words: list[str],
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Listings and the card are printed whole, with units a person reads."""
    assert command(argv) == cli.ANSWERED
    out = capsys.readouterr().out
    assert not [word for word in words if word not in out]


@pytest.mark.usefixtures("catalogue")
def test_the_short_card_leaves_out_the_parts(capsys: pytest.CaptureFixture[str]) -> None:
    """Without --full there is no table per device."""
    cli.main(["accuracy"])
    assert "rtx-4090" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "argv", "key"),
    [
        (cli.estimate_main, ["--list-models", "--json"], "models"),
        (cli.main, ["list-hw", "--json"], "hardware"),
        (cli.main, ["accuracy", "--json"], "protocols"),
    ],
)
@pytest.mark.usefixtures("catalogue")
def test_tables_as_json(
    command: Any,  # noqa: ANN401
    argv: list[str],
    key: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """--json prints one object without NaN."""
    assert command(argv) == cli.ANSWERED
    assert key in json.loads(capsys.readouterr().out, parse_constant=pytest.fail)


def test_train_passes_files_on(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`joulecast train` takes several files, tells its progress on stderr and prints the card."""
    asked: list[Any] = []

    def train(runs: list[Path], out: Path | None, *, progress: Any) -> dict[str, Any]:  # noqa: ANN401
        asked.extend([runs, out])
        progress("fold 1 of 5")
        return CARD

    monkeypatch.setattr(api, "train", train)
    files = [tmp_path / "a.csv", tmp_path / "b.csv"]
    for file in files:
        file.touch()
    argv = ["train", "--runs", *map(str, files), "-o", str(tmp_path / "out")]
    assert cli.main(argv) == cli.ANSWERED
    out, err = capsys.readouterr()
    assert asked == [files, tmp_path / "out"]
    assert "fold 1 of 5" in err
    assert "MdAPE" in out
