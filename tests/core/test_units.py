"""Conversion factors and the way numbers are shown to people."""

import math
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from joulecast.core import units

POSITIVE = st.floats(min_value=1e-9, max_value=1e17)
SECONDS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
FACTORS = {"n": 1e-9, "µ": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15}
JOULES = {"Wh": 3.6e3, "kWh": 3.6e6, "MWh": 3.6e9}


def joules_shown(text: str) -> float:
    """Joules that a printed energy stands for."""
    number, unit = text.replace(",", "").split()
    return float(number) * (JOULES[unit] if unit in JOULES else FACTORS.get(unit[:-1], 1.0))


def seconds_shown(text: str) -> float:
    """Seconds that a printed duration stands for."""
    if text.endswith((" ms", " µs", " ns")):
        return float(text[:-3]) * FACTORS[text[-2]]
    parts = re.findall(r"([\d.]+) (min|[shd])", text)
    return sum(float(number) * SECONDS[unit] for number, unit in parts)


@given(st.floats(min_value=-1e15, max_value=1e15))
def test_kwh_and_joules_round_trip(energy_j: float) -> None:
    """Joules turned into kilowatt-hours and back are the same joules."""
    assert units.energy_j_to_kwh(energy_j) * 3.6e6 == pytest.approx(energy_j, rel=1e-12)


@given(st.floats(min_value=0, max_value=1e18))
def test_a_multiply_add_is_two_operations(macs: float) -> None:
    """Floating-point operations are twice the multiply-adds."""
    assert units.flops_from_macs(macs) == 2 * macs


def test_an_hour_of_a_kilowatt_is_a_kilowatt_hour() -> None:
    """The time and energy constants agree with each other."""
    assert 1000 * units.S_PER_H == units.J_PER_KWH
    assert 60 * units.S_PER_MIN == units.S_PER_H
    assert 1000 * units.J_PER_WH == units.J_PER_KWH


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90", 90.0),
        ("90s", 90.0),
        ("1.5h", 5400.0),
        ("5min", 300.0),
        ("5m", 300.0),
        (" 1 H 30 min ", 5400.0),
        ("1d", 86400.0),
        ("0", 0.0),
    ],
)
def test_durations_are_read(text: str, expected: float) -> None:
    """Every documented spelling of a duration is read as its seconds."""
    assert units.parse_duration_s(text) == expected


@pytest.mark.parametrize(
    "text", ["", "h", "-5s", "1 000 s", "1h30", "5 weeks", "nan", "inf", "1,5h"]
)
def test_unclear_durations_are_refused(text: str) -> None:
    """A duration that could be misread is refused with the spellings that work."""
    with pytest.raises(ValueError, match=re.escape(f"'{text}'. Write 90s, 5min, 1h or 1h30min")):
        units.parse_duration_s(text)


@given(st.integers(0, 99), st.integers(0, 59), st.integers(0, 59))
def test_durations_round_trip(hours: int, minutes: int, seconds: int) -> None:
    """A duration written from hours, minutes and seconds is read back exactly."""
    expected = 3600 * hours + 60 * minutes + seconds
    assert units.parse_duration_s(f"{hours}h{minutes}min{seconds}s") == expected


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (14_728_266, "params", "14.7 M params"),
        (62_006, "params", "62 k params"),
        (12, "params", "12 params"),
        (0.314e9, "MAC", "314 MMAC"),
        (1.53e9, "MAC", "1.53 GMAC"),
        (999_999, "J", "1 MJ"),
        (0.0125, "J", "12.5 mJ"),
        (0, "W", "0 W"),
        (-1500, "W", "-1.5 kW"),
        (2.5, "", "2.5"),
        (math.inf, "J", "inf J"),
        (math.nan, "J", "nan J"),
    ],
)
def test_si_prefixes(value: float, unit: str, expected: str) -> None:
    """The prefix keeps the number short; words keep a space, symbols do not."""
    assert units.format_si(value, unit) == expected


@given(POSITIVE, st.integers(2, 5))
def test_si_shows_the_value(value: float, digits: int) -> None:
    """What is printed differs from the value by half of its last digit at most."""
    assert joules_shown(units.format_si(value, "J", digits)) == pytest.approx(
        value, rel=0.5001 * 10 ** (1 - digits)
    )


@given(POSITIVE, POSITIVE)
@example(359.9, 360.0)
@example(359_999.0, 360_000.0)
@example(3.5999e9, 3.6e9)
def test_more_energy_never_looks_like_less(left_j: float, right_j: float) -> None:
    """Printed energies keep the order of the energies, across every change of unit."""
    low, high = sorted((left_j, right_j))
    assert (
        joules_shown(units.format_energy(low)) <= joules_shown(units.format_energy(high)) * 1.000001
    )


@given(POSITIVE)
def test_printed_energy_is_right_to_two_digits(energy_j: float) -> None:
    """A printed energy is within 5 % of the energy."""
    assert joules_shown(units.format_energy(energy_j)) == pytest.approx(energy_j, rel=0.0501)


@pytest.mark.parametrize(
    ("energy_j", "expected"),
    [
        (684_000, "0.19 kWh"),
        (7_200, "2.0 Wh"),
        (300, "300 J"),
        (0, "0 J"),
        (3.6e9, "1.0 MWh"),
        (3.6e12, "1,000 MWh"),
        (-7_200, "-2.0 Wh"),
        (math.nan, "nan J"),
        (math.inf, "inf J"),
    ],
)
def test_energies_as_a_person_says_them(energy_j: float, expected: str) -> None:
    """The unit of a printed energy is the one a person would pick."""
    assert units.format_energy(energy_j) == expected


@given(st.floats(1e-6, 1e9), st.floats(1e-6, 1e9))
@example(0.9999, 1.0)
@example(99.49, 99.51)
@example(599.4, 599.6)
@example(5999.0, 6001.0)
@example(172_799.0, 172_801.0)
def test_longer_never_looks_shorter(left_s: float, right_s: float) -> None:
    """Printed durations keep the order of the durations, across every change of unit."""
    low, high = sorted((left_s, right_s))
    shown = [seconds_shown(units.format_duration(s)) for s in (low, high)]
    assert shown[0] <= shown[1] * 1.000001


@given(st.floats(1e-6, 1e9))
def test_printed_duration_is_right_to_two_digits(duration_s: float) -> None:
    """A printed duration is within 5 % of the duration."""
    assert seconds_shown(units.format_duration(duration_s)) == pytest.approx(duration_s, rel=0.0501)


@pytest.mark.parametrize(
    ("duration_s", "expected"),
    [
        (6720, "1 h 52 min"),
        (70, "70 s"),
        (149, "2 min 29 s"),
        (1.5, "1.5 s"),
        (0.012, "12 ms"),
        (0, "0 s"),
        (3 * 86400, "3 d 0 h"),
        (math.nan, "nan s"),
        (math.inf, "inf s"),
    ],
)
def test_durations_as_a_person_says_them(duration_s: float, expected: str) -> None:
    """Short durations keep their seconds, long ones lose what nobody would say."""
    assert units.format_duration(duration_s) == expected


def test_every_precision_has_a_size() -> None:
    """Lower precision never takes more bytes per value."""
    sizes = units.BYTES_PER_VALUE
    assert sizes["fp64"] > sizes["fp32"] > sizes["fp16"] > sizes["fp8"] > sizes["fp4"] > 0
    assert sizes["bf16"] == sizes["fp16"]
    assert sizes["int8"] == sizes["fp8"]
