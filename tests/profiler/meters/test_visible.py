"""Which GPUs a list of visible devices means, for any list."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from joulecast.profiler.meters._visible import visible

UUIDS = ["GPU-aa11", "GPU-aa22", "GPU-bb33", "GPU-cc44"]
ENTRIES = st.one_of(
    st.integers(-2, 6).map(str), st.sampled_from([*UUIDS, "GPU-bb", "GPU-aa", "gpu-CC", "x", ""])
)


@given(st.lists(ENTRIES))
def test_every_gpu_at_most_once_and_none_made_up(entries: list[str]) -> None:
    """The answer holds known indices, each once."""
    chosen = visible(",".join(entries), UUIDS)
    assert len(set(chosen)) == len(chosen)
    assert set(chosen) <= set(range(4))


@given(st.permutations(range(4)))
def test_the_order_is_the_list_s(order: list[int]) -> None:
    """By number and by UUID alike."""
    assert list(visible(",".join(map(str, order)), UUIDS)) == order
    assert list(visible(",".join(UUIDS[i] for i in order), UUIDS)) == order


@given(st.lists(ENTRIES), st.lists(ENTRIES))
def test_what_fits_nothing_ends_the_list(before: list[str], after: list[str]) -> None:
    """Whatever follows an unknown or ambiguous entry changes nothing."""
    for wrong in ("-1", "GPU-aa", "GPU-zz", "9"):
        assert visible(",".join([*before, wrong, *after]), UUIDS) == visible(
            ",".join([*before, wrong]), UUIDS
        )
