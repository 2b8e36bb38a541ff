"""The wheel, built from the source archive and installed beside folders that bear our names."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md", "src")
LINKED = ("profiler", "estimator", "datasets", "models")
SHIPPED = (
    "joulecast/py.typed",
    "joulecast/core/records.py",
    "joulecast/profiler/__init__.py",
    "joulecast/estimator/__init__.py",
    "joulecast/models/vgg16.py",
    "joulecast/datasets/architectures.py",
    "joulecast/datasets/architectures.jsonl",
    "joulecast/datasets/machines/hc3.toml",
    "joulecast/datasets/devices/rtx-a2000-12gb.toml",
)
PREDICT = """
import sys
import joulecast
answer = joulecast.estimate("vgg16", "hc3", epochs=1)
assert answer.energy_low_j <= answer.energy_j <= answer.energy_high_j
ours = {n: m for n, m in sys.modules.items() if n.split(".")[0] == "joulecast"}
print(*sorted({p for m in ours.values() for p in ([m.__file__] if m.__file__ else m.__path__)}))
"""


def run(*arguments: str | Path, cwd: Path, **variables: str) -> str:
    """What this Python prints for the arguments; a failure reports all it said."""
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of a clean copy of the sources, by way of the source archive."""
    work = tmp_path_factory.mktemp("build")
    unwanted = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in (*SOURCES, *LINKED):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, work / name, symlinks=True, ignore=unwanted)
        elif source.exists():
            shutil.copy(source, work / name)
    code = "from setuptools import build_meta; build_meta.build_sdist('dist')"
    run("-c", code, cwd=work)
    (archive,) = (work / "dist").glob("*.tar.gz")
    pip = ("-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--no-index")
    run(*pip, "--wheel-dir", "wheels", archive, cwd=work)
    (built,) = (work / "wheels").glob("joulecast-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder into which the wheel alone was installed."""
    target = tmp_path_factory.mktemp("installed")
    run("-m", "pip", "install", "--no-deps", "--no-index", "--target", target, wheel, cwd=target)
    return target


@pytest.fixture
def decoys(tmp_path: Path) -> Path:
    """A user's folder whose own modules bear our names and must never be imported."""
    trap = "raise SystemExit('imported ' + __file__)\n"
    for name in ("datasets", "models"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text(trap, encoding="utf-8")
    for name in ("profiler", "estimator", "core", "api", "cli"):
        (tmp_path / f"{name}.py").write_text(trap, encoding="utf-8")
    return tmp_path


def test_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    """Code and data are in the wheel; tests, caches and a top-level `datasets` are not."""
    files = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0].split("-")[0] for name in files} == {"joulecast"}
    assert not [name for name in files if "test" in name.lower() or "__pycache__" in name]
    assert sorted(set(SHIPPED) - set(files)) == []
    assert [name for name in files if name.startswith("joulecast/estimator/pretrained/")]
    licences = [name for name in files if name.endswith("licenses/LICENSE")]
    assert len(licences) == 1


def test_wheel_holds_every_source_and_table(wheel: Path) -> None:
    """Each Python file and each table of the package is in the wheel, at the same place."""
    package = ROOT / "src" / "joulecast"
    suffixes = {".py", ".toml", ".csv", ".json", ".jsonl", ".txt", ".md", ".typed"}
    wanted = {
        f"joulecast/{file.relative_to(package).as_posix()}"
        for folder in (package, *(package / name for name in LINKED))
        for file in folder.rglob("*")
        if file.suffix in suffixes and "__pycache__" not in file.parts
    }
    assert sorted(wanted - set(zipfile.ZipFile(wheel).namelist())) == []


def test_prediction_beside_decoys_comes_from_the_wheel(installed: Path, decoys: Path) -> None:
    """`import joulecast` and a prediction use the installed copy, whatever lies in the folder."""
    used = run("-c", PREDICT, cwd=decoys, PYTHONPATH=str(installed)).split()
    assert used
    assert [path for path in used if not Path(path).is_relative_to(installed)] == []


def test_command_beside_decoys_answers(installed: Path, decoys: Path) -> None:
    """The command answers its main question from the installed copy."""
    code = "import sys; from joulecast.cli import estimate_main; sys.exit(estimate_main())"
    question = ("--model", "vgg16", "--hw", "hc3", "--epochs", "100")
    answer = run("-c", code, *question, cwd=decoys, PYTHONPATH=str(installed))
    assert "vgg16" in answer
    assert "hc3" in answer
