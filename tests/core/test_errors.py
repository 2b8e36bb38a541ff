"""The exception tree, and the nearest names that its messages list."""

import inspect
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulecast.core import errors
from joulecast.core.errors import (
    JoulecastError,
    MissingExtra,
    UnknownName,
    edit_distance,
    nearest_names,
)

WORD = st.text(alphabet="abcxyz019", max_size=8)
KINDS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if kind.__module__ == errors.__name__
]


@pytest.mark.parametrize("kind", KINDS)
def test_one_base_catches_all(kind: type[Exception]) -> None:
    """Every error of ours is a JoulecastError and says when it is raised."""
    assert issubclass(kind, JoulecastError)
    assert kind.__doc__


def test_the_tree_in_the_docstring_is_complete() -> None:
    """The picture at the top of the module names every error, and at most eight children."""
    assert all(kind.__name__ in str(errors.__doc__) for kind in KINDS)
    assert len(KINDS) <= 9


def test_unknown_name_says_what_was_seen_and_what_is_near() -> None:
    """The message holds the kind, the name as typed, the nearest three and the hint."""
    error = UnknownName("model", "vgg61", ["resnet18", "vgg16", "vgg19", "vgg11"], "Try a list")
    assert error.nearest == ["vgg16", "vgg11", "vgg19"]
    assert str(error) == "unknown model 'vgg61'. Nearest: vgg16, vgg11, vgg19. Try a list"


def test_unknown_name_without_any_known() -> None:
    """Nothing is listed where nothing is known."""
    assert str(UnknownName("model", "x", [])) == "unknown model 'x'."


def test_missing_extra_says_the_command() -> None:
    """The message of a missing extra is the command that installs it."""
    message = str(MissingExtra("torch", "torch", "counting a network"))
    assert message.startswith("counting a network needs torch, which is not installed.")
    assert message.endswith("Run: pip install 'joulecast[torch]'")


@pytest.mark.parametrize(
    "error",
    [
        UnknownName("model", "vgg61", ["resnet18", "vgg16"], "Try a list"),
        MissingExtra("torch", "torch", "counting a network"),
        errors.BadInput("epochs must be positive"),
    ],
)
def test_errors_travel_between_processes(error: JoulecastError) -> None:
    """An error raised in a worker process arrives as it was."""
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 (our own bytes)
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


@given(WORD)
def test_no_edit_between_equals(word: str) -> None:
    """A word is no edit away from itself, and its length away from nothing."""
    assert edit_distance(word, word) == 0
    assert edit_distance(word, "") == edit_distance("", word) == len(word)


@given(WORD, WORD)
def test_distance_is_symmetric_and_bounded(left: str, right: str) -> None:
    """The way back is as long, at least the difference in length and at most the longer word."""
    distance = edit_distance(left, right)
    assert distance == edit_distance(right, left)
    assert abs(len(left) - len(right)) <= distance <= max(len(left), len(right))
    assert (distance == 0) == (left == right)


@given(WORD.filter(lambda w: len(w) > 1), st.data())
def test_a_swap_of_neighbours_is_one_edit(word: str, data: st.DataObject) -> None:
    """Two neighbours that changed places cost one edit, none if they are the same letter."""
    i = data.draw(st.integers(0, len(word) - 2))
    swapped = word[:i] + word[i + 1] + word[i] + word[i + 2 :]
    assert edit_distance(word, swapped) == int(word[i] != word[i + 1])


@given(WORD, st.data())
def test_a_letter_more_is_one_edit(word: str, data: st.DataObject) -> None:
    """A letter put in anywhere costs one edit."""
    i = data.draw(st.integers(0, len(word)))
    assert edit_distance(word, word[:i] + "q" + word[i:]) == 1


@given(st.permutations(["vgg11", "vgg13", "vgg19"]))
def test_ties_keep_the_given_order(known: list[str]) -> None:
    """Names equally far away are listed in the order in which they were given."""
    assert nearest_names("vgg77", known) == known
    assert nearest_names("quite-far", known) == known


@given(WORD, st.lists(WORD, max_size=12, unique=True))
def test_three_names_where_there_are_three(name: str, known: list[str]) -> None:
    """As many known names as wanted are listed, each once, however short the name is."""
    near = nearest_names(name, known)
    assert len(near) == len(set(near)) == min(3, len(known))
    assert set(near) <= set(known)


@given(st.lists(WORD, min_size=1, max_size=12, unique=True), st.data())
def test_a_known_name_is_the_nearest_to_itself(known: list[str], data: st.DataObject) -> None:
    """A known name typed in capitals comes first."""
    name = data.draw(st.sampled_from(known))
    assert nearest_names(name.upper(), known)[0] == name


def test_part_of_a_name_is_enough() -> None:
    """A name that contains what was typed goes before others of its length."""
    assert nearest_names("resnet", ["preset1", "resnet18", "senet"], count=1) == ["resnet18"]
