"""Line protocol as bytes.

Every number is written as a float: the first value of a field decides its type for ever, and a 5 that was
an integer would refuse 5.5. What is not finite is left out, and a tag without value too: servers refuse both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_KEY = str.maketrans({",": r"\,", "=": r"\=", " ": r"\ ", "\n": r"\ "})
_MEASUREMENT = str.maketrans({",": r"\,", " ": r"\ ", "\n": r"\ "})
_TEXT = str.maketrans({'"': r"\"", "\\": r"\\"})


@dataclass(frozen=True, slots=True)
class Column:
    """Values of one field at their times (any unit, the same for all columns of a series)."""

    times: Ints
    values: Floats


def series_key(measurement: str, tags: Mapping[str, str]) -> str:
    """Return measurement and tags, escaped; tags in the order of their names, as servers like them."""
    parts = [measurement.translate(_MEASUREMENT)]
    for name, value in sorted(tags.items()):
        # A trailing backslash would escape the separator behind it.
        if escaped := value.rstrip("\\").translate(_KEY):
            parts.append(f"{name.translate(_KEY)}={escaped}")
    return ",".join(parts)


def lines(key: str, columns: Mapping[str, Column], times_to_stamp: int = 1) -> Iterator[bytes]:
    """Yield one line for each time at which at least one field has a value.

    `times_to_stamp` multiplies times: 1000 makes milliseconds of seconds.
    """
    present = {name: column for name, column in columns.items() if len(column.times)}
    if not present:
        return
    times = np.unique(np.concatenate([column.times for column in present.values()]))
    matrix = np.full((len(present), len(times)), np.nan)
    for row, column in enumerate(present.values()):
        matrix[row, np.searchsorted(times, column.times)] = column.values
    filled = np.isfinite(matrix)
    names = [name.translate(_KEY).replace("%", "%%") for name in present]
    prefix = key.replace("%", "%%")
    # Channels are sampled at a few rates, so few combinations of fields occur: one template for each.
    patterns, which = np.unique(filled, axis=1, return_inverse=True)
    which = which.reshape(-1)
    templates = [_template(prefix, names, patterns[:, number]) for number in range(patterns.shape[1])]
    chosen = [np.flatnonzero(patterns[:, number]) for number in range(patterns.shape[1])]
    found: list[tuple[int, bytes]] = []
    for number, template in enumerate(templates):
        if not template:
            continue
        at = np.flatnonzero(which == number)
        rows = matrix[np.ix_(chosen[number], at)].T.tolist()
        stamps = (times[at] * times_to_stamp).tolist()
        found += [
            (stamp, (template % (*row, stamp)).encode()) for row, stamp in zip(rows, stamps, strict=True)
        ]
    if len(templates) > 1:
        found.sort()
    for _, line in found:
        yield line


def _template(prefix: str, names: Sequence[str], wanted: NDArray[np.bool_]) -> str:
    fields = ",".join(f"{name}=%r" for name, want in zip(names, wanted, strict=True) if want)
    return f"{prefix} {fields} %d" if fields else ""


def line(key: str, numbers: Mapping[str, float], texts: Mapping[str, str], stamp: int) -> bytes:
    """Return a single line with numbers and texts."""
    fields = [
        f"{name.translate(_KEY)}={float(value)!r}" for name, value in numbers.items() if np.isfinite(value)
    ]
    fields += [f'{name.translate(_KEY)}="{value.translate(_TEXT)}"' for name, value in texts.items()]
    if not fields:
        raise ValueError(f"{key} at {stamp}: a line needs at least one field")
    return f"{key} {','.join(fields)} {stamp}".encode()
