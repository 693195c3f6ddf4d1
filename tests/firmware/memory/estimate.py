"""RAM of a house and a gateway part by part, in the ESP32's sizes, and what the stacks of our tasks need.

Compiles with the PC's compiler for a 32-bit machine that aligns as the ESP32 does, against the declarations
in tests/firmware/stubs: sizes of our objects are then those of the ESP32. How deep a stack gets is estimated
from the compiler's call graph: frames of the deepest chain, where a virtual call may lead to any function of
the classes that its task knows, LEVELS deep. Frames of ESP-IDF and of the C library are not in it.

    python tests/firmware/memory/estimate.py    # prints the tables of esphome/README.md
"""

from __future__ import annotations

import re
import struct
import subprocess
from collections import defaultdict
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[3]
COMPONENTS = ROOT / "esphome" / "components"
BUILD = ROOT / "build" / "memory"
MAX_HOUSES = 6

LOG_TASK = "_ZN7esphome9microgrid9LogWriter3runEv"
BUS_TASK = "_ZN7esphome9microgrid7BusNode3runEv"
MEDIUM_CLASSES = {"MediumDevice", "RamDevice", "SdMedium"}
"""Of the virtual functions the log's task calls only theirs, and the bus task all others."""
LEVELS = 3

_ENTRY = struct.Struct("<24s36sI")
_ESP32 = ("-DUSE_ESP32", "-m32", "-malign-double", f"-I{ROOT / 'tests/firmware/stubs'}")
_FLAGS = (
    "-std=gnu++20",
    "-Os",
    "-fno-exceptions",
    "-fno-rtti",
    f"-DMICROGRID_MAX_HOUSES={MAX_HOUSES}",
    f"-I{ROOT}",
)
_NOT_OF_A_BOARD = re.compile(r"_component\.cpp$|/udp_|/file_device|/environment|/mqtt_client|/posix_stream")
_NODE = re.compile(r'node: \{ title: "([^"]+)" label: "([^"]*)"')
_EDGE = re.compile(r'edge: \{ sourcename: "([^"]+)" targetname: "([^"]+)"')
_FRAME = re.compile(r"^(virtual )?.*?(?:esphome::microgrid::(\w+)::)?~?\w+\(.*\\n(\d+) bytes \(")
_INDIRECT = "__indirect_call"


def _headers_for_32_bits() -> tuple[str, ...]:
    """The compiler of a PC often has the headers of its own machine only; but for one, they serve both."""
    (BUILD / "include" / "gnu").mkdir(parents=True, exist_ok=True)
    (BUILD / "include" / "gnu" / "stubs-32.h").touch()
    asked = ("g++", "-dumpversion"), ("g++", "-print-multiarch")
    version, machine = (
        subprocess.run(a, capture_output=True, text=True, check=True).stdout.strip() for a in asked
    )
    folders = f"/usr/include/{machine}/c++/{version}", f"/usr/include/{machine}", str(BUILD / "include")
    return tuple(flag for folder in folders for flag in ("-isystem", folder))


def _compile(source: Path, to: Path, *flags: str) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    command = ["g++", *_FLAGS, *flags, "-c", str(source), "-o", str(to)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{source} does not compile for the table of memory:\n{done.stderr[-2000:]}")


def sizes(*, esp32: bool) -> dict[str, dict[str, int]]:
    """Bytes by node and part; of a PC (`esp32` false) an upper bound, as its pointers are longer."""
    stem = BUILD / ("esp32" if esp32 else "pc")
    flags = (*_ESP32, *_headers_for_32_bits()) if esp32 else ()
    _compile(Path(__file__).with_name("sizes.cpp"), stem.with_suffix(".o"), *flags)
    table = stem.with_suffix(".bin")
    section = ("--only-section=.memory", "--set-section-flags", ".memory=alloc")
    subprocess.run(["objcopy", "-O", "binary", *section, stem.with_suffix(".o"), table], check=True)
    found: dict[str, dict[str, int]] = defaultdict(dict)
    for node, part, count in _ENTRY.iter_unpack(table.read_bytes()):
        found[node.rstrip(b"\0").decode()][part.rstrip(b"\0").decode()] = count
    return dict(found)


@dataclass(slots=True)
class CallGraph:
    """Frames and calls of all our sources, by the mangled names of functions."""

    frames: dict[str, int] = field(default_factory=dict)
    calls: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    virtuals: dict[str, str] = field(default_factory=dict)
    """The class that implements it."""

    def read(self, text: str) -> None:
        """Take in what the compiler wrote about one source."""
        for title, label in _NODE.findall(text):
            frame = _FRAME.match(label)
            if frame is None:
                continue
            name = title.rpartition(":")[2]
            self.frames[name] = max(self.frames.get(name, 0), int(frame[3]))
            if frame[1] and frame[2]:
                self.virtuals[name] = frame[2]
        for caller, callee in _EDGE.findall(text):
            self.calls[caller.rpartition(":")[2]].add(callee.rpartition(":")[2])

    def depth(self, task: str) -> int:
        """Bytes of the deepest chain of calls from the body of a task."""
        of_medium = task == LOG_TASK
        targets = [name for name, owner in self.virtuals.items() if (owner in MEDIUM_CLASSES) == of_medium]

        @cache
        def below(name: str, levels: int) -> int:
            deepest = 0
            for callee in self.calls.get(name, ()):
                if callee != _INDIRECT:
                    deepest = max(deepest, below(callee, levels))
                elif levels > 0:
                    deepest = max([deepest, *(below(target, levels - 1) for target in targets)])
            return self.frames.get(name, 0) + deepest

        if task not in self.frames:
            raise RuntimeError(f"{task} is not in the call graph: was the body of its task renamed?")
        return below(task, LEVELS)


def call_graph() -> CallGraph:
    """Of everything that a board runs."""
    graph = CallGraph()
    flags = (*_ESP32, *_headers_for_32_bits(), "-fcallgraph-info=su")
    for source in sorted(COMPONENTS.glob("microgrid_*/*.cpp")):
        if _NOT_OF_A_BOARD.search(str(source)):
            continue
        to = BUILD / source.parent.name / f"{source.stem}.o"
        _compile(source, to, *flags)
        graph.read(to.with_suffix(".ci").read_text())
    return graph


def memory_table(esp32: dict[str, dict[str, int]], pc: dict[str, dict[str, int]]) -> str:
    """The table of esphome/README.md."""
    parts = list(dict.fromkeys([*esp32["house"], *esp32["gateway"]]))
    lines = ["| bytes | house | gateway |", "|---|---:|---:|"]
    for part in parts:
        cells = (f"{esp32[node][part]:,}" if part in esp32[node] else "–" for node in ("house", "gateway"))
        lines.append(f"| {part} | {' | '.join(cells)} |")
    for name, table in (("**all, on an ESP32**", esp32), ("all, with pointers of 64 bits", pc)):
        totals = (f"{sum(table[node].values()):,}" for node in ("house", "gateway"))
        lines.append(f"| {name} | {' | '.join(totals)} |")
    fallback = sum(esp32["house with fallback"].values()) - sum(esp32["house"].values())
    lines.append(f"| `ram_fallback`, more | {fallback:,} | {fallback:,} |")
    return "\n".join(lines)


def stack_table(graph: CallGraph, given: dict[str, int]) -> str:
    """Likewise, of the stacks."""
    lines = ["| bytes of stack | our frames, at most | given |", "|---|---:|---:|"]
    for name, task in (("bus", BUS_TASK), ("log", LOG_TASK)):
        lines.append(f"| {name} | {graph.depth(task):,} | {given[name]:,} |")
    return "\n".join(lines)


def given_stacks(esp32: dict[str, dict[str, int]]) -> dict[str, int]:
    """What task_stacks.h gives, as the table has it."""
    house = esp32["house"]
    return {"bus": house["stack of the bus task"], "log": house["stack of the log's task"]}


def main() -> None:
    """Print both tables."""
    esp32 = sizes(esp32=True)
    print(memory_table(esp32, sizes(esp32=False)), end="\n\n")
    print(stack_table(call_graph(), given_stacks(esp32)))


if __name__ == "__main__":
    main()
