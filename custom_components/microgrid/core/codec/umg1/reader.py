"""Reading a log: frames in order, schemas, gaps, and channels as arrays, chunk by chunk."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from .frame import Frame, Kind
from .samples import Samples, TooManySamples, decode_samples
from .schema import Schema
from .wire import Malformed

CHUNK_SAMPLES = 1 << 22
CHUNK_FRAMES = 2048  # about six hours of fast frames: large enough for numpy, 60 MB at most


@dataclass(frozen=True, slots=True)
class Gap:
    """Missing frames of one boot: seq `first` … `last`, both included."""

    boot_id: int
    first: int
    last: int

    @property
    def count(self) -> int:
        """Number of missing frames."""
        return self.last - self.first + 1


class Sequence:
    """Watches the order of frames: repetitions and gaps."""

    def __init__(self) -> None:
        """Start with nothing seen."""
        self._seen: dict[int, list[list[int]]] = {}
        self.duplicates = 0

    def take(self, frame: Frame) -> bool:
        """Remember a frame; False when it was there before."""
        ranges = self._seen.setdefault(frame.boot_id, [])
        seq = frame.seq
        if ranges and ranges[-1][1] + 1 == seq:  # the usual case
            ranges[-1][1] = seq
            return True
        low, high = 0, len(ranges)
        while low < high:
            middle = (low + high) // 2
            if ranges[middle][1] < seq:
                low = middle + 1
            else:
                high = middle
        if low < len(ranges) and ranges[low][0] <= seq:
            self.duplicates += 1
            return False
        joins_left = low > 0 and ranges[low - 1][1] + 1 == seq
        joins_right = low < len(ranges) and ranges[low][0] == seq + 1
        if joins_left and joins_right:
            ranges[low - 1][1] = ranges[low][1]
            del ranges[low]
        elif joins_left:
            ranges[low - 1][1] = seq
        elif joins_right:
            ranges[low][0] = seq
        else:
            ranges.insert(low, [seq, seq])
        return True

    def ranges(self) -> Mapping[int, tuple[tuple[int, int], ...]]:
        """Return what is there: ranges of seq, both ends included, by boot."""
        return {boot: tuple((first, last) for first, last in found) for boot, found in self._seen.items()}

    def gaps(self) -> list[Gap]:
        """Return what is missing between the first and the last frame of every boot."""
        return [
            Gap(boot, left[1] + 1, right[0] - 1)
            for boot, found in self._seen.items()
            for left, right in itertools.pairwise(found)
        ]


@dataclass(slots=True)
class SampleReader:
    """Turns frames into arrays; knows the schemas it has met."""

    schemas: dict[int, Schema] = field(default_factory=dict)
    malformed: list[tuple[Frame, str]] = field(default_factory=list)
    """Frames with a good CRC whose payload breaks the format, with the reason."""
    unknown_schema: int = 0
    """Sample frames whose schema was not among the frames before them."""

    def learn(self, frame: Frame) -> None:
        """Take the schema of a schema frame."""
        try:
            schema = Schema.parse(frame.payload)
        except Malformed as error:
            self.malformed.append((frame, str(error)))
            return
        self.schemas[schema.hash] = schema

    def chunks(
        self,
        frames: Iterable[Frame],
        kinds: Iterable[int] = (Kind.FAST, Kind.SLOW),
        chunk_frames: int = CHUNK_FRAMES,
    ) -> Iterator[tuple[Schema, dict[int, Samples]]]:
        """Yield samples by channel id, `chunk_frames` frames at a time, each group of one schema and kind."""
        wanted = frozenset(int(kind) for kind in kinds)
        waiting: dict[tuple[int, int], list[Frame]] = {}
        for frame in frames:
            if frame.kind == Kind.SCHEMA:
                self.learn(frame)
            elif frame.kind in wanted:
                group = waiting.setdefault((frame.schema_hash, frame.kind), [])
                group.append(frame)
                if len(group) >= chunk_frames:
                    yield from self._decode(frame.schema_hash, group)
                    group.clear()
        for (schema_hash, _), group in waiting.items():
            yield from self._decode(schema_hash, group)

    def _decode(self, schema_hash: int, frames: list[Frame]) -> Iterator[tuple[Schema, dict[int, Samples]]]:
        schema = self.schemas.get(schema_hash)
        if schema is None:
            self.unknown_schema += len(frames)
        elif frames:
            try:
                samples, malformed = decode_samples(frames, schema, CHUNK_SAMPLES)
            except TooManySamples:
                half = len(frames) // 2
                yield from self._decode(schema_hash, frames[:half])
                yield from self._decode(schema_hash, frames[half:])
                return
            self.malformed += malformed
            yield schema, samples
