"""A pretended inverter on a terminal of its own: `python -m simulator.pi30` prints the path to open."""

from __future__ import annotations

import argparse
import asyncio
import contextlib

from .behaviour import Behaviour
from .device import Device
from .unit import Unit


async def run(serial_number: str) -> None:
    """Answer until interrupted."""
    device = Device(Unit(serial_number), Behaviour(byte_s=1 / 240))
    print(device.plug_into_terminal(), flush=True)
    await asyncio.Event().wait()


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(prog="python -m simulator.pi30", description=__doc__)
    parser.add_argument("--serial-number", default="92932105105315")
    parsed = parser.parse_args()
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(run(parsed.serial_number))


if __name__ == "__main__":
    main()
