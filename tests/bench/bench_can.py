"""How fast bus traffic is decoded, beside cantools, both from the same DBC and to the same values.

    .venv/bin/python -m tests.bench.bench_can [--seconds 600] [--houses 4]

Traffic is that of a cluster by the cycle times of the messages, in any order and with any bits. Speeds are
compared with one another in the same run.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path

import cantools
import numpy as np
from cantools.database.can import Database
from numpy.typing import NDArray

from microgrid_core.codec.can_dbc import MESSAGES, decode, frames_per_second, gather

ROOT = Path(__file__).resolve().parents[2]
PEER_FRAMES = 20_000
RUNS = 5

Traffic = tuple[NDArray[np.uint32], NDArray[np.uint8], NDArray[np.uint8]]


def traffic(seconds: int, houses: int) -> Traffic:
    """Identifiers, lengths and data of all cyclic frames."""
    dice = np.random.default_rng(1)
    identifiers, lengths = [], []
    for message in MESSAGES.values():
        if not message.cycle_ms:
            continue
        count = round(seconds * 1000 / message.cycle_ms * message.senders(houses))
        nodes = dice.integers(message.by_house, 1 + message.by_house * houses, count)
        identifiers.append((message.identifier | nodes).astype(np.uint32))
        lengths.append(np.full(count, message.length, np.uint8))
    order = dice.permutation(sum(map(len, lengths)))
    data = dice.integers(0, 256, (len(order), 8), np.uint8)
    for message in MESSAGES.values():  # only groups that exist
        if message.selector is not None:
            groups = sorted({one.group for one in message.signals if one.group is not None})
            data[:, 0] = data[:, 0] & 0xF0 | dice.choice(groups, len(data)).astype(np.uint8)
    return np.concatenate(identifiers)[order], np.concatenate(lengths)[order], data


def best(run: Callable[[], object]) -> float:
    """Shortest of some runs, in seconds."""
    times = []
    for _ in range(RUNS):
        start = time.perf_counter()
        run()
        times.append(time.perf_counter() - start)
    return min(times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=int, default=600)
    parser.add_argument("--houses", type=int, default=4)
    options = parser.parse_args()
    identifiers, lengths, data = traffic(options.seconds, options.houses)

    def ours() -> None:
        for batch in gather(identifiers, lengths, data):
            decode(batch.message, batch.words)

    peer = cantools.database.load_file(ROOT / "contract" / "microgrid.dbc", frame_id_mask=0x7F0)
    assert isinstance(peer, Database)
    rows = [
        (int(identifier), bytes(row[:length]))
        for identifier, length, row in zip(
            identifiers[:PEER_FRAMES], lengths[:PEER_FRAMES], data[:PEER_FRAMES], strict=True
        )
    ]

    def theirs() -> None:
        for identifier, frame in rows:
            peer.get_message_by_frame_id(identifier).decode(frame, decode_choices=False)

    speed, peer_speed = len(identifiers) / best(ours), len(rows) / best(theirs)
    share = frames_per_second(options.houses) / speed
    print(f"{len(identifiers):,} frames: {options.houses} houses and a gateway, {options.seconds} s")
    print(f"  core/codec/can_dbc   {speed / 1e6:6.2f} M frames/s")
    print(f"  cantools             {peer_speed / 1e6:6.2f} M frames/s")
    print(
        f"  {speed / peer_speed:.0f} times as fast; live traffic of the cluster takes {share:.4%} of one core"
    )


if __name__ == "__main__":
    main()
