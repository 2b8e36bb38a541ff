"""The options of the measuring verbs: what is accepted, and what is turned away."""

from __future__ import annotations

import argparse

import pytest

from joulecast.core.errors import BadInput
from joulecast.options import joulecast_parser
from joulecast.options_profile import batch_sizes, duration, fraction, split_command


def test_a_command_keeps_its_own_double_dash() -> None:
    """Only the first `--` is ours."""
    words, command = split_command(["profile", "run", "--quiet", "--", "sh", "-c", "x", "--", "y"])
    assert words == ["profile", "run", "--quiet"]
    assert command == ["sh", "-c", "x", "--", "y"]


def test_several_batch_sizes_are_a_sweep() -> None:
    """Batch sizes are read in the order given."""
    ask = joulecast_parser().read(
        ["profile", "infer", "--model", "lenet", "--batch-size", "16,64,256"]
    )
    assert ask.batch_size == (16, 64, 256)


@pytest.mark.parametrize("text", ["0", "16,", "1.5", "-2", "x"])
def test_a_batch_size_that_cannot_be_is_refused(text: str) -> None:
    """Every part has to be a count."""
    with pytest.raises(argparse.ArgumentTypeError):
        batch_sizes(text)


@pytest.mark.parametrize("text", ["0", "100%", "1", "nan", "x%", "-5%"])
def test_a_share_outside_0_to_1_is_refused(text: str) -> None:
    """`--until` takes what an interval can be narrowed to."""
    with pytest.raises(argparse.ArgumentTypeError):
        fraction(text)


@pytest.mark.parametrize("text", ["0.2s", "2h", "soon"])
def test_a_duration_outside_its_bounds_is_refused(text: str) -> None:
    """Too short, too long and unreadable are told apart from a number."""
    with pytest.raises(argparse.ArgumentTypeError):
        duration(1, 3600)(text)


def test_epochs_and_steps_exclude_each_other() -> None:
    """A run has one length."""
    words = ["profile", "train", "--model", "lenet", "--epochs", "1", "--steps", "5"]
    with pytest.raises(BadInput, match="not allowed with"):
        joulecast_parser().read(words)


def test_a_misspelt_option_of_a_nested_verb_names_the_nearest() -> None:
    """`profile train --batchsize` is answered with `--batch-size`."""
    with pytest.raises(BadInput, match="--batch-size"):
        joulecast_parser().read(["profile", "train", "--model", "lenet", "--batchsize", "5"])


def test_profile_alone_asks_what_to_measure() -> None:
    """Leaving the kind out is bad input, not a crash."""
    with pytest.raises(BadInput, match="WHAT"):
        joulecast_parser().read(["profile"])
