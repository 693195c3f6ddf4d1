"""Line protocol, byte by byte."""

from __future__ import annotations

import math

import numpy as np
import pytest

from microgrid_core.influx.line import Column, line, lines, series_key


def column(*pairs: tuple[int, float]) -> Column:
    """Return a column of times and values."""
    return Column(
        np.array([time for time, _ in pairs], np.int64), np.array([value for _, value in pairs], np.float64)
    )


def test_whole_numbers_are_written_as_floats() -> None:
    found = list(lines("house_data,node=h1", {"load_power": column((1, 5.0), (2, -7.25))}, 1000))
    assert found == [b"house_data,node=h1 load_power=5.0 1000", b"house_data,node=h1 load_power=-7.25 2000"]


def test_a_line_has_the_fields_of_its_time_and_lines_are_in_order() -> None:
    found = lines(
        "m",
        {"a": column((1, 1.0), (2, 2.0), (3, 3.0)), "b": column((2, 0.1)), "c": column((4, 1e-5), (1, 9.0))},
    )
    assert list(found) == [b"m a=1.0,c=9.0 1", b"m a=2.0,b=0.1 2", b"m a=3.0 3", b"m c=1e-05 4"]


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_what_is_not_finite_is_left_out(bad: float) -> None:
    assert list(lines("m", {"a": column((1, bad), (2, 1.0)), "b": column((1, 2.0))})) == [
        b"m b=2.0 1",
        b"m a=1.0 2",
    ]
    assert list(lines("m", {"a": column((1, bad))})) == []
    assert line("m", {"a": bad}, {"s": "x"}, 3) == b'm s="x" 3'


def test_nothing_gives_no_line() -> None:
    assert list(lines("m", {})) == []
    assert list(lines("m", {"a": column()})) == []
    with pytest.raises(ValueError, match="at least one field"):
        line("m", {}, {}, 1)


def test_every_digit_survives() -> None:
    values = [0.1 + 0.2, 1 / 3, 1e16, 123456789.123456789, -0.0]
    found = lines("m", {"v": column(*enumerate(values))})
    assert [float(text.split(b"=")[1].split()[0]) for text in found] == values


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"node": "h1", "cluster": "g1"}, "m,cluster=g1,node=h1"),
        ({"node": "h1", "cluster": ""}, "m,node=h1"),
        ({"node": "a b,c=d"}, r"m,node=a\ b\,c\=d"),
        ({"node": "h1\n"}, "m,node=h1\\ "),
        ({"node": "h1\\"}, "m,node=h1"),
        ({"node": "\\"}, "m"),
        ({}, "m"),
    ],
)
def test_tags(tags: dict[str, str], expected: str) -> None:
    assert series_key("m", tags) == expected


def test_names_are_escaped() -> None:
    assert series_key("a b,c=d", {}) == r"a\ b\,c=d"
    assert list(lines("50%s", {"a b=c%": column((1, 1.0))})) == [b"50%s a\\ b\\=c%=1.0 1"]


def test_texts() -> None:
    assert line("m", {"x": 1}, {"t": 'say "\\" – ja'}, 5) == 'm x=1.0,t="say \\"\\\\\\" – ja" 5'.encode()
