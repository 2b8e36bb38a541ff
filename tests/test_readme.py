"""What the README shows is what happens."""

import re
from pathlib import Path

import pytest

from joulecast import api, cli
from joulecast.options import joulecast_parser
from joulecast.options_profile import split_command

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Fenced blocks of a language, in order."""
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_session_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """The example measures two epochs and extrapolates them."""
    exec(compile(blocks("python")[1], "README.md", "exec"), {})  # noqa: S102 (our own text)
    assert capsys.readouterr().out == "True\n"


@pytest.mark.parametrize(
    "line", re.findall(r"^\$ joulecast (.*?) *(?:#.*)?$", README, re.MULTILINE)
)
def test_every_command_shown_is_accepted(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The options of each `joulecast` line exist."""
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    words, _ = split_command(line.split())
    assert joulecast_parser().read(words).verb == words[0]


def test_the_python_example_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """The example prints an energy, a duration and a prediction for the row."""
    exec(compile(blocks("python")[0], "README.md", "exec"), {})  # noqa: S102 (our own text)
    printed = capsys.readouterr().out.splitlines()
    assert re.match(r"\d+\.\d{3} kWh, \d+ min, (seen|new)-", printed[0])
    assert float(printed[1]) > 0


def test_the_screen_is_what_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    """The output shown under `make estimate` is today's."""
    cli.estimate_main(["--model", "vgg16", "--hw", "hc3", "--epochs", "100"])
    assert blocks("text")[0] == capsys.readouterr().out


def test_the_card_is_what_is_stored() -> None:
    """The headline rows are those of the stored card."""
    protocols = api.card()["protocols"]
    for name in ("random", "new-model", "new-family", "new-hardware", "new-pair"):
        energy = protocols[name]["energy"]
        row = rf"\| {energy['mdape']:.1f} % \| {energy['p90']:.0f} % \| {energy['coverage']:.0f} %"
        assert re.search(row, README), name


def test_the_two_commands_are_targets() -> None:
    """`make estimate` and `make test` exist."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in re.findall(r"^\$ make (\w+)", README, flags=re.MULTILINE):
        assert f"\n{command}:" in makefile


def test_the_toml_example_is_a_machine(tmp_path: Path) -> None:
    """The machine file shown works as it stands."""
    path = tmp_path / "my.toml"
    path.write_text(blocks("toml")[0], encoding="utf-8")
    answer = api.estimate("resnet18", path, samples=1000)
    assert 0 < answer.energy_low_j < answer.energy_j < answer.energy_high_j
