"""The public function that writes a report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from joulecast.core.errors import BadInput, MissingExtra

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from joulecast.core.insight import Analysis
    from joulecast.core.records import Run
    from joulecast.reporting.material import Material

TITLE = "Energy of machine-learning runs"
DAYS_OF_A_YEAR = 365.0


def report(  # noqa: PLR0913 (the public interface)
    runs: str | Path | Iterable[str | Path | Run] = (),
    out: str | Path = "report.html",
    *,
    figures: str | Path | None = None,
    title: str | None = None,
    predict: Sequence[str] = (),
    hardware: Sequence[str] = (),
    lifecycle: Sequence[float] = (10.0, 20.0, 70.0),
    requests_per_day: float | None = None,
    days: float = DAYS_OF_A_YEAR,
    level: float = 0.9,
    progress: Callable[[str], None] | None = None,
) -> Path:
    """The HTML file written: one that needs nothing else, light and dark, for screen and paper.

    Parameters
    ----------
    runs : folder or file of records, tables, several of them, or `Run` records.
    figures : folder for every figure as SVG and PNG. title : of the page.
    predict, hardware : networks and machines whose runs are predicted and shown beside.
    lifecycle : shares of experimentation, training and inference. requests_per_day, days : the
        volume that is expected in use, instead of inference's share.
    level : of the predictions' intervals, 0.5..0.995. progress : told what is being done.

    Raises
    ------
    JoulecastError
        For runs that cannot be read, unknown names, and without matplotlib.
    """
    from importlib.util import find_spec

    from joulecast.reporting.page import page, write_figures

    if find_spec("matplotlib") is None:
        raise MissingExtra("matplotlib", "plot", "the report")
    path = Path(out)
    if path.is_dir():
        message = f"{out} is a folder. Name a file in it, such as {path / 'report.html'}"
        raise BadInput(message)
    life = {"lifecycle": lifecycle, "requests_per_day": requests_per_day, "days": days}
    material = gathered(
        runs, predict=predict, hardware=hardware, level=level, life=life, progress=progress
    )
    text = page(material, title or TITLE, progress)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    if figures is not None:
        write_figures(material, Path(figures), progress)
    return path


def gathered(
    runs: str | Path | Iterable[str | Path | Run],
    *,
    predict: Sequence[str] = (),
    hardware: Sequence[str] = (),
    level: float = 0.9,
    life: Mapping[str, Any] | None = None,
    progress: Callable[[str], None] | None = None,
) -> Material:
    """What a report of `runs` and predictions tells; arguments as in `report`."""
    from joulecast.asking import refuse_outside
    from joulecast.reporting.material import gather
    from joulecast.reporting.words import counted

    refuse_outside("level", level, 0.5, 0.995)
    cycle = _life_cycle(**(life or {}))
    found, notices = _read(runs)
    if progress:
        progress(f"read {counted(len(found), 'run')}")
    found += _predicted(predict, hardware)
    told, why = _analysed(found)
    notices = (*notices, *why)
    return gather(found, told, life=cycle, level=level, notices=notices, progress=progress)


def _life_cycle(
    lifecycle: Sequence[float] = (10.0, 20.0, 70.0),
    requests_per_day: float | None = None,
    days: float = DAYS_OF_A_YEAR,
) -> Any:  # noqa: ANN401
    from joulecast.asking import refuse_absurd
    from joulecast.estimator.insight.life_cycle import life_cycle
    from joulecast.reporting.material import LifeCycle

    refuse_absurd(requests_per_day=requests_per_day, days=days)
    shares = tuple(float(share) for share in lifecycle)
    life_cycle(None, None, shares=shares)  # refuses what is no life cycle
    requests = None if requests_per_day is None else requests_per_day * days
    return LifeCycle(shares, requests)  # type: ignore[arg-type]


def _read(
    runs: str | Path | Iterable[str | Path | Run],
) -> tuple[tuple[Run, ...], tuple[str, ...]]:
    from joulecast.insight_runs import runs_from

    return runs_from(runs)


def _predicted(models: Sequence[str], hardware: Sequence[str]) -> tuple[Run, ...]:
    if not models and not hardware:
        return ()
    if not models or not hardware:
        message = "predicting takes networks and machines: give both, such as vgg16 and hc3"
        raise BadInput(message)
    from joulecast.predicted import predicted_runs

    return predicted_runs(models, hardware)


def _analysed(runs: Sequence[Run]) -> tuple[Analysis | None, tuple[str, ...]]:
    """What the runs show together, or why nothing."""
    from joulecast.api_analyse import analyse

    if not runs:
        return None, ()
    try:
        return analyse(runs), ()
    except BadInput as exc:  # no energy, say: the rest of the report still comes
        return None, (f"not analysed together: {exc}",)
