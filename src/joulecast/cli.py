"""The commands `estimate` and `joulecast`: read the options, make one call, print the answer.

Everything slow is imported where it is used: `estimate --help` has to be there at once.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Any

from joulecast.core.errors import BadInput, JoulecastError
from joulecast.options import QUESTION, estimate_parser, joulecast_parser

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence

    from joulecast.core.records import Estimate
    from joulecast.core.serving_estimate import ServingEstimate

ANSWERED, BUG, BAD_INPUT, BREACHED, NOT_MEASURED = 0, 1, 2, 3, 4
INTERRUPTED, NO_READER = 130, 141


def estimate_main(argv: Sequence[str] | None = None) -> int:
    """The command `estimate`; the exit code."""
    return _guarded("estimate", lambda words: _ask(estimate_parser().read(words)), argv)


def main(argv: Sequence[str] | None = None) -> int:
    """The command `joulecast` with its verbs; the exit code."""
    return _guarded("joulecast", lambda words: _verb(_read(words)), argv)


def _read(argv: Sequence[str]) -> argparse.Namespace:
    """The options in `argv`; what stands behind ``--`` is a command of the user's."""
    from joulecast.options_profile import split_command

    words, command = split_command(argv)
    ask = joulecast_parser().read(words)
    ask.command = command
    return ask


def _guarded(
    prog: str,
    command: Callable[[Sequence[str]], int],
    argv: Sequence[str] | None,
) -> int:
    """Exit code of `command`; whatever goes wrong becomes one line on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    try:
        code = command(sys.argv[1:] if argv is None else argv)
        sys.stdout.flush()
    except SystemExit as exc:  # --help and --version leave this way
        return exc.code if isinstance(exc.code, int) else ANSWERED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return NO_READER
    except KeyboardInterrupt:
        return INTERRUPTED
    except (JoulecastError, OSError, UnicodeError) as exc:
        _tell(f"{prog}: {exc}")
        return BAD_INPUT
    except Exception as exc:  # noqa: BLE001 (the one place where a bug must not become a traceback)
        _tell(f"{prog}: this is a bug, please report it: {type(exc).__name__}: {exc}")
        return BUG
    return code


def _tell(text: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"{' '.join(text.split())}\n")


def _say(text: str) -> None:
    sys.stdout.write(text)


def _verb(ask: argparse.Namespace) -> int:
    if ask.verb is None:
        message = f"name a verb: {', '.join(_VERBS)}"
        raise BadInput(message)
    return _VERBS[ask.verb](ask)


def _ask(ask: argparse.Namespace) -> int:
    """`estimate`: the answer on one screen or as JSON, then what breaks a condition."""
    if ask.list_models or ask.list_hw:
        return _list("models" if ask.list_models else "hardware", as_json=ask.json)
    if ask.model is None or ask.hw is None:
        message = (
            "name a network and a machine, e.g. 'estimate --model vgg16 --hw hc3'. "
            "--list-models and --list-hw show what is known"
        )
        raise BadInput(message)
    from joulecast.options_serving import is_serving

    ask_it = _server if is_serving(ask) else _run
    answer, screen = ask_it(ask)
    if ask.json:
        _print_json(answer.to_dict())
        for notice in answer.notices:
            _tell(f"note: {notice}")
    else:
        _say(screen())
    return _verdict(answer, ask)


def _run(ask: argparse.Namespace) -> tuple[Estimate, Callable[[], str]]:
    """The answer about a run, and what draws its screen."""
    from joulecast.pricing import budget_of, priced, tariff_of, with_sci

    answer = priced(_estimated(ask), tariff_of(ask), budget_of(ask))
    answer = with_sci(answer, tariff_of(ask))
    return answer, lambda: _screen(answer, ask)


def _server(ask: argparse.Namespace) -> tuple[ServingEstimate, Callable[[], str]]:
    """The answer about a model server, and what draws its screen."""
    from joulecast import command_serving
    from joulecast.pricing import budget_of, priced, tariff_of, with_sci

    answer = priced(command_serving.estimated(ask), tariff_of(ask), budget_of(ask))
    answer = with_sci(answer, tariff_of(ask))
    return answer, lambda: command_serving.screen(answer, ask)


def _estimated(ask: argparse.Namespace) -> Estimate:
    from joulecast import api

    given = {name: getattr(ask, name) for name in QUESTION if getattr(ask, name) is not None}
    if ask.no_runs:
        given["runs"] = ()
    given = {"task": None, **given}
    if ask.until_accuracy is None and ask.curve is None:
        return api.estimate(ask.model, ask.hw, **given)
    from joulecast import until_accuracy

    until_accuracy.refuse_half(ask.until_accuracy, ask.curve, ask.epochs)
    return until_accuracy.answered(ask.model, ask.hw, ask.until_accuracy, ask.curve, given)


def _screen(answer: Estimate, ask: argparse.Namespace) -> str:
    from joulecast.render import MAX_NOTES, one_screen

    notes = None if ask.explain else MAX_NOTES
    text = one_screen(answer, currency=ask.currency, max_notes=notes)
    if not ask.explain:
        return text
    from joulecast.explain import explanation

    return text + explanation(answer)


def _verdict(answer: Estimate | ServingEstimate, ask: argparse.Namespace) -> int:
    """The exit code; one line on stderr for each condition that fails."""
    from joulecast.pricing import breaches, budget_of, tariff_of

    broken = False
    for certain, sentence in breaches(answer, tariff_of(ask), budget_of(ask)):
        broken |= certain
        _tell(sentence if certain else f"note: {sentence}")
    if broken:
        return BREACHED
    if ask.require_measured and answer.basis != "measured":
        _tell(
            f"not measured: this answer is {answer.basis}. "
            "Measure the run itself, or drop --require-measured",
        )
        return NOT_MEASURED
    return ANSWERED


def _list(what: str, *, as_json: bool) -> int:
    from joulecast import api, tables

    rows = api.describe_models() if what == "models" else api.describe_hardware()
    if as_json:
        _print_json({what: rows})
    else:
        tables.print_listing(what, rows)
    return ANSWERED


def _predict(ask: argparse.Namespace) -> int:
    from joulecast import api
    from joulecast.rows import predict_file

    summary = predict_file(ask.table, ask.out, api.predict_rows)
    _tell(str(summary))
    return ANSWERED


def _accuracy(ask: argparse.Namespace) -> int:
    from joulecast import api, tables

    card = api.card()
    if ask.json:
        _print_json(card)
    else:
        tables.print_card(card, full=ask.full)
    return ANSWERED


def _train(ask: argparse.Namespace) -> int:
    from joulecast import api, tables

    card = api.train(ask.runs, ask.out, progress=_tell)
    if ask.json:
        _print_json(card)
    else:
        tables.print_card(card, full=False)
    return ANSWERED


def _version(_ask: argparse.Namespace) -> int:
    from joulecast import __version__

    _say(f"joulecast {__version__}\n")
    return ANSWERED


def _print_json(value: Any) -> None:  # noqa: ANN401
    from joulecast.tables import as_json

    _say(as_json(value))


def _profile(ask: argparse.Namespace) -> int:
    from joulecast.profiling import profile

    return profile(ask)


def _plan(ask: argparse.Namespace) -> int:
    from joulecast import command_serving
    from joulecast.pricing import tariff_of

    answer = command_serving.planned(ask, tariff_of(ask))
    if ask.json:
        _print_json(answer.to_dict())
        for notice in answer.notices:
            _tell(f"note: {notice}")
    else:
        _say(command_serving.plan_screen(answer, ask))
    return ANSWERED


def _doctor(ask: argparse.Namespace) -> int:
    from joulecast.profiling import doctor

    return doctor(ask)


def _dataset(ask: argparse.Namespace) -> int:
    if ask.step != "build":
        from joulecast.command_store import STEPS

        return STEPS[ask.step](ask)
    from joulecast.profiling import build_dataset

    return build_dataset(ask)


def _elsewhere(module: str, name: str) -> Callable[[argparse.Namespace], int]:
    """The command `name` of a module of ours, imported when it is asked for."""

    def command(ask: argparse.Namespace) -> int:
        from importlib import import_module

        return int(getattr(import_module(f"joulecast.{module}"), name)(ask))

    return command


_VERBS: dict[str, Callable[[argparse.Namespace], int]] = {
    "estimate": _ask,
    "profile": _profile,
    "doctor": _doctor,
    "analyse": _elsewhere("command_analyse", "run"),
    "report": _elsewhere("command_report", "run"),
    "sweep": _elsewhere("command_sweep", "run"),
    "compare": _elsewhere("command_compare", "run"),
    "plan": _plan,
    "predict": _predict,
    "accuracy": _accuracy,
    "dataset": _dataset,
    "push": _elsewhere("command_push", "push"),
    "serve": _elsewhere("command_serve", "run"),
    "train": _train,
    "list-models": lambda ask: _list("models", as_json=ask.json),
    "list-hw": lambda ask: _list("hardware", as_json=ask.json),
    "version": _version,
}


if __name__ == "__main__":
    sys.exit(main())
