"""What the two commands accept, and the door at which absurd numbers are turned away.

The standard library's parser, because it starts in a sixth of the time of the others: the whole
answer has to come within three times what importing numpy costs.
"""

from __future__ import annotations

import argparse
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from joulecast import __version__
from joulecast.core.errors import BadInput, nearest_names

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

#: Options of `estimate` that are arguments of `joulecast.estimate` under the same name.
QUESTION = (
    "task",
    "epochs",
    "samples",
    "batch_size",
    "input_shape",
    "seq_len",
    "precision",
    "framework",
    "n_gpus",
    "power_limit_w",
    "level",
    "optimiser",
    "trainable_frac",
    "loader_workers",
    "scope",
    "runs",
    "explain",
    "force",
)
_EPILOG = "Exit codes: 0 answered, 2 bad input, 3 a budget would be breached, 4 not measured."


class Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line, with the nearest option when one is misspelt."""

    def error(self, message: str) -> NoReturn:
        """Raise the complaint; the command prints it."""
        text = re.sub(r"^argument ([^ ]*/)?(-\S+|\S+): ", r"\2 ", message)
        raise BadInput(text)

    def read(self, argv: Sequence[str]) -> argparse.Namespace:
        """The options in `argv`; anything unknown is refused."""
        found, unknown = self.parse_known_args(argv)
        if unknown:
            word = unknown[0].partition("=")[0]
            near = nearest_names(word, _option_names(self, argv))
            hint = f"Nearest: {', '.join(near)}. " if word.startswith("-") and near else ""
            message = f"unknown argument '{word}'. {hint}'{self.prog} --help' shows all"
            raise BadInput(message)
        return found


def _option_names(parser: argparse.ArgumentParser, argv: Sequence[str]) -> list[str]:
    names: list[str] = []
    for action in parser._actions:  # noqa: SLF001 (argparse offers no other list)
        if isinstance(action.choices, dict):
            chosen = (action.choices[word] for word in argv if word in action.choices)
            names += [name for sub in chosen for name in _option_names(sub, argv)]
        names += [option for option in action.option_strings if option.startswith("--")]
    return names


def number(
    low: float,
    high: float,
    *,
    whole: bool = False,
    above: bool = False,
) -> Callable[[str], float]:
    """Reader of a number within `low` and `high`; NaN is refused, and so is a list such as 1,2.

    Parameters
    ----------
    whole : accept counts only. above : refuse `low` itself.
    """
    kind = "whole number" if whole else "number"
    bounds = f"above {low:,g}" if above else f"from {low:,g}"

    def read(text: str) -> float:
        grouped = re.fullmatch(r"\s*[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?\s*", text)
        try:
            value = float(text.replace(",", "") if grouped else text)
        except ValueError:
            value = math.nan
        inside = low < value <= high if above else low <= value <= high
        if not inside or (whole and not value.is_integer()):
            message = f"takes a {kind} {bounds} to {high:,.10g}, not '{text}'"
            raise argparse.ArgumentTypeError(message)
        return int(value) if value.is_integer() else value

    return read


def input_shape(text: str) -> tuple[int, ...]:
    """Sizes of one sample.

    >>> input_shape("3x32x32")
    (3, 32, 32)
    """
    sizes = re.fullmatch(r"\s*\d{1,7}(?:\s*[x,]\s*\d{1,7})*\s*", text.lower())
    shape = tuple(int(n) for n in re.findall(r"\d+", text)) if sizes else ()
    if not shape or min(shape) < 1 or math.prod(shape) > 1e10:
        message = f"takes the size of one sample, such as 3x32x32, not '{text}'"
        raise argparse.ArgumentTypeError(message)
    return shape


def existing(text: str) -> Path:
    """A path that is there."""
    path = Path(text)
    if not path.exists():
        message = f"no such file or folder: {text}"
        raise argparse.ArgumentTypeError(message)
    return path


def estimate_parser(prog: str = "estimate") -> Parser:
    """Options of `estimate`."""
    parser = Parser(
        prog=prog,
        usage=f"{prog} --model NAME --hw NAME [options]",
        description="What a machine-learning run will cost in energy, time, CO2e and money.",
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    fill_estimate(parser)
    return parser


def fill_estimate(parser: argparse.ArgumentParser) -> None:
    """Add the options of `estimate` to `parser`."""
    from joulecast.options_serving import fill_serving
    from joulecast.until_accuracy import fill_until

    option = parser.add_argument
    option("--model", metavar="NAME", help="network: a catalogue name, or a config.json")
    option("--hw", metavar="NAME", help="machine: an id such as hc3, a GPU, a TOML file, or auto")
    work = parser.add_argument_group("what is run")
    fill_workload(work)
    fill_until(work)
    fill_serving(parser.add_argument_group("a model server instead (language models)"))
    fill_loads(parser.add_argument_group("on what"))
    prices = parser.add_argument_group("CO2e, money and budgets")
    fill_tariff(prices)
    _intensity(prices)
    fill_budgets(prices)
    _output(parser.add_argument_group("the answer"))


def joulecast_parser() -> Parser:
    """The verbs of `joulecast`."""
    parser = Parser(
        prog="joulecast",
        description="Predict what machine-learning runs cost before they start.",
        epilog=_EPILOG,
        allow_abbrev=False,
    )
    _version(parser)
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", parser_class=Parser)
    ask = verbs.add_parser(
        "estimate",
        usage="joulecast estimate --model NAME --hw NAME [options]",
        help="predict one run",
        allow_abbrev=False,
        epilog=_EPILOG,
    )
    fill_estimate(ask)
    rows = verbs.add_parser("predict", help="predict every row of a CSV file", allow_abbrev=False)
    rows.add_argument("table", metavar="ROWS.csv", help="one workload per row; - for stdin")
    rows.add_argument("-o", "--out", default="-", metavar="OUT.csv", help="default: stdout")
    card = verbs.add_parser("accuracy", help="how sure the predictor is", allow_abbrev=False)
    card.add_argument("--full", action="store_true", help="every part of the card")
    card.add_argument("--json", action="store_true", help="the card as one JSON object")
    train = verbs.add_parser("train", help="refit the predictor from runs", allow_abbrev=False)
    train.add_argument(
        "--runs",
        nargs="+",
        action="extend",
        required=True,
        type=existing,
        metavar="FILE",
        help="tables or folders of measured runs",
    )
    train.add_argument("-o", "--out", type=Path, metavar="DIR", help="where the predictor goes")
    train.add_argument("--json", action="store_true", help="the new card as one JSON object")
    for verb, what in (("list-models", "networks"), ("list-hw", "machines and devices")):
        listing = verbs.add_parser(verb, help=f"all known {what}", allow_abbrev=False)
        listing.add_argument("--json", action="store_true", help="as one JSON object")
    verbs.add_parser("version", help="print the version", allow_abbrev=False)
    from joulecast.options_analyse import add_analyse
    from joulecast.options_compare import add_compare
    from joulecast.options_profile import add_verbs
    from joulecast.options_push import add_push
    from joulecast.options_report import add_report
    from joulecast.options_serve import add_serve
    from joulecast.options_serving import add_plan
    from joulecast.options_sweep import add_sweep

    add_analyse(verbs)
    add_report(verbs)
    add_sweep(verbs)
    add_compare(verbs)
    add_plan(verbs)
    add_verbs(verbs)
    add_push(verbs)
    add_serve(verbs)
    return parser


def _version(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--version", action="version", version=f"joulecast {__version__}")


def fill_workload(group: Any, *, task: str = "train") -> None:  # noqa: ANN401 (argparse keeps its class private)
    """Add what is run to `group`; `task` is what happens if none is named."""
    add = group.add_argument
    add("--task", choices=("train", "infer", "inference", "serve"), help=f"default: {task}")
    add("--epochs", type=number(0, 1e6, above=True), metavar="N", help="default: 1")
    add("--samples", type=number(1, 1e13, whole=True), metavar="N", help="per epoch (50,000)")
    add("--batch-size", type=number(1, 1e7, whole=True), metavar="N", help="default: 128")
    add("--input", dest="input_shape", type=input_shape, metavar="3x32x32", help="of one sample")
    add("--seq-len", type=number(1, 1e8, whole=True), metavar="N", help="tokens of one sample")
    add("--precision", metavar="P", help="fp32, tf32, fp16, bf16, ...")
    add("--framework", metavar="NAME", help="pytorch, tensorflow, ...")
    add("--optimiser", "--optimizer", metavar="NAME", help="sgd, adam, ...")
    add("--trainable-frac", type=number(0, 1), metavar="F", help="share of parameters trained")


def fill_machine(group: Any) -> None:  # noqa: ANN401 (argparse keeps its class private)
    """Add what may be said about the machine of any task to `group`."""
    add = group.add_argument
    add("--gpus", dest="n_gpus", type=number(1, 1e5, whole=True), metavar="N", help="how many")
    limit = number(1, 1e5)
    add("--power-limit", dest="power_limit_w", type=limit, metavar="W", help="per GPU")
    scopes = ("gpu", "cpu", "dram", "system", "wall")
    add("--scope", choices=scopes, help="what is counted (system = gpu + cpu + dram)")
    add("--force", action="store_true", help="answer even if the weights do not fit")


def fill_loads(group: Any) -> None:  # noqa: ANN401 (argparse keeps its class private)
    """Add what may be said about the machine of a run to `group`."""
    fill_machine(group)
    workers = number(0, 4096, whole=True)
    group.add_argument(
        "--workers", dest="loader_workers", type=workers, metavar="N", help="data loaders"
    )


def fill_tariff(group: Any) -> None:  # noqa: ANN401 (argparse keeps its class private)
    """Add what a kilowatt-hour stands for to `group`."""
    add = group.add_argument
    add("--region", metavar="CODE", help="grid whose yearly average is used: DE, US, ... WORLD")
    add("--carbon-intensity", type=number(0, 5000), metavar="G", help="g CO2e per kWh instead")
    add("--price", type=number(0, 1e4), metavar="P", help="money per kWh")
    add("--carbon", action="store_true", help="CO2e even without a region: world average")
    add("--currency", default="", metavar="NAME", help="name of the money")
    add(
        "--pue", type=number(1, 5), default=1.0, metavar="F", help="facility overhead on CO2e, cost"
    )


def _intensity(group: Any) -> None:  # noqa: ANN401 (argparse keeps its class private)
    """Add the software carbon intensity to `group`."""
    from joulecast.pricing import SCI_UNITS

    group.add_argument("--sci", choices=SCI_UNITS, help="g CO2e per unit (ISO/IEC 21031)")
    grams = number(0, 1e12)
    group.add_argument("--embodied", type=grams, default=0.0, metavar="G", help="see --sci")


def fill_budgets(group: Any) -> None:  # noqa: ANN401 (argparse keeps its class private)
    """Add the limits that an answer may not exceed to `group`."""
    add, some = group.add_argument, number(0, 1e12, above=True)
    add("--max-kwh", type=some, metavar="KWH", help="energy budget (without PUE)")
    add("--max-carbon", type=some, metavar="G", help="budget in grams of CO2e")
    add("--max-cost", type=some, metavar="P", help="budget in money; needs --price")


def _output(group: argparse._ArgumentGroup) -> None:
    add = group.add_argument
    add("--level", type=number(0.5, 0.995), metavar="F", help="of the interval (0.9)")
    known = "measured runs to lean on (default: your own)"
    add("--runs", nargs="+", action="extend", type=existing, metavar="DIR", help=known)
    add("--no-runs", action="store_true", help="lean on none")
    add("--explain", action="store_true", default=None, help="what made the answer")
    add("--require-measured", action="store_true", help="exit 4 unless the answer is measured")
    add("--json", action="store_true", help="one JSON object on stdout")
    add("--list-models", action="store_true", help="all known networks")
    add("--list-hw", action="store_true", help="all known machines and devices")
    add("--version", action="version", version=f"joulecast {__version__}")
