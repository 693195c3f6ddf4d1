"""What the Pi daemon costs: two inverters every 10 s, one battery on its schedule, as a process of its own.

    PYTHONPATH=pi_daemon .venv/bin/python -m tests.bench.bench_daemon [--seconds 150] [--python PATH] \\
        [--write docs/performance.md]

Pretended inverters answer at the speed of 2400 baud from processes of their own, through terminals; the
broker is a real Mosquitto, and somebody there acknowledges the log. The daemon is compiled before, as an
installed release is. Memory is what the kernel counts: RSS with everything that is shared (its
peak), PSS with the share of it. The bounds are 40 MB and 1 % of a core.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from microgrid_core.contract import topics
from microgrid_core.contract.encode import schedule_payload
from microgrid_core.contract.messages import ScheduleMode
from microgrid_core.contract.schedule import Interval, Schedule
from microgrid_daemon.status import STATUS, look
from tests.daemon.home import Home, at_home
from tests.mosquitto import running

BEGIN, END = "<!-- daemon -->", "<!-- end of daemon -->"
ROOT = Path(__file__).resolve().parents[2]
RSS_BUDGET_MB, CPU_BUDGET_PERCENT = 40.0, 1.0
SETTLE_S = 45.0
"""Until everything was asked once, and the slow questions too."""
_PATIENCE_S = 60.0
_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
_COMPILED = (ROOT / "pi_daemon", ROOT / "custom_components" / "microgrid" / "core")
"""Installed releases are."""
_CONFIG = """\
swarm = "village"
data = "{folder}"
clock_marker = ""
textfile = "{folder}/microgrid.prom"
[broker]
host = "127.0.0.1"
port = {port}
[[inverters]]
node = "mpp-1"
device = "{first}"
interval_s = 10
writes = ["output_source_priority", "charger_source_priority", "max_ac_charging_current"]
[[inverters]]
node = "mpp-2"
device = "{second}"
interval_s = 10
[[batteries]]
node = "battery-1"
inverter = "mpp-1"
max_charge_w = 3000
max_discharge_w = 3000
empty_v = 46
full_v = 56
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """What was measured."""

    python: str
    seconds: float
    peak_rss_mb: float
    rss_mb: float
    pss_mb: float | None
    threads: int
    cpu_percent: float
    rounds_failed: int


@contextlib.contextmanager
def inverter(serial_number: str) -> Iterator[str]:
    """A pretended inverter in another process; gives the path of its terminal."""
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator.pi30", "--serial-number", serial_number],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def daemon(python: str, folder: Path, text: str) -> Iterator[int]:
    """The daemon; gives the number of its process."""
    config = folder / "daemon.toml"
    config.write_text(text)
    subprocess.run([python, "-m", "compileall", "-q", *_COMPILED], check=True)
    with (folder / "log.jsonl").open("wb") as log:
        process = subprocess.Popen(
            [python, "-m", "microgrid_daemon", "run", "--config", config],
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": f"{ROOT}:{ROOT / 'pi_daemon'}",
                "MALLOC_ARENA_MAX": "1",  # as in the unit
            },
            stderr=log,
        )
    try:
        yield process.pid
    finally:
        process.terminate()
        process.wait()


def send_schedule(port: int) -> None:
    """Have a day of charging kept at the broker for the battery.

    One mode all day: a setting may be written every five minutes, and half-hours change when they want.
    """
    now = datetime.now(UTC)
    start = now.replace(minute=now.minute // 30 * 30, second=0, microsecond=0)
    intervals = tuple(
        Interval(number, start + timedelta(minutes=30 * number), ScheduleMode.CHARGE, 1200.0)
        for number in range(48)
    )
    plan = Schedule("bench", 1, now, start + timedelta(days=1), ScheduleMode.IDLE, intervals)
    client = Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    topic = str(topics.Topic("village", "battery-1", topics.SCHEDULE_SET))
    client.publish(topic, schedule_payload(plan), qos=1, retain=True).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def wait_until_all_is_well(folder: Path) -> None:
    """Return when both inverters were read and the battery does what is planned; raises TimeoutError."""
    end = time.monotonic() + _PATIENCE_S
    while True:
        document = look(folder / STATUS).document
        bases = [one["basis"] for one in document.get("batteries", ())]
        if bases == ["interval"] and not document["troubles"]:
            return
        if time.monotonic() > end:
            raise TimeoutError(f"not everything runs: {document}")
        time.sleep(0.5)


def wait_for_logs(home: Home) -> None:
    """Return when something of every log arrived; raises TimeoutError."""
    end = time.monotonic() + _PATIENCE_S
    while missing := {"mpp-1", "mpp-2", "battery-1"} - home.frames.keys():
        if time.monotonic() > end:
            raise TimeoutError(f"nothing of the logs of {', '.join(sorted(missing))} came")
        time.sleep(0.5)


def memory_mb(pid: int, name: str, file: str = "status") -> float | None:
    """Return a figure of the kernel in MB (10⁶ bytes); None where it does not tell."""
    try:
        text = Path(f"/proc/{pid}/{file}").read_text()
    except OSError:
        return None
    found = re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)
    return None if found is None else int(found[1]) * 1024 / 1e6


def cpu_s(pid: int) -> float:
    """Return the CPU time of all threads so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


def measure(seconds: float, settle_s: float = SETTLE_S, python: str = sys.executable) -> Figures:
    """Run everything and measure for so long."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="microgrid-bench-")))
        broker = stack.enter_context(running(folder))
        first = stack.enter_context(inverter("92932105105315"))
        second = stack.enter_context(inverter("92932105105316"))
        home = stack.enter_context(at_home(broker.port))
        send_schedule(broker.port)
        text = _CONFIG.format(folder=folder, port=broker.port, first=first, second=second)
        pid = stack.enter_context(daemon(python, folder, text))
        wait_until_all_is_well(folder)
        time.sleep(settle_s)
        began, began_s = cpu_s(pid), time.monotonic()
        time.sleep(seconds)
        used, took_s = cpu_s(pid) - began, time.monotonic() - began_s
        wait_until_all_is_well(folder)
        wait_for_logs(home)
        peak, rss = memory_mb(pid, "VmHWM"), memory_mb(pid, "VmRSS")
        assert peak is not None and rss is not None
        inverters = look(folder / STATUS).document["inverters"]
        return Figures(
            python=subprocess.run([python, "-V"], capture_output=True, text=True, check=True).stdout.strip(),
            seconds=took_s,
            peak_rss_mb=peak,
            rss_mb=rss,
            pss_mb=memory_mb(pid, "Pss", "smaps_rollup"),
            threads=len(list(Path(f"/proc/{pid}/task").iterdir())),
            cpu_percent=100.0 * used / took_s,
            rounds_failed=sum(one["poll_errors"] for one in inverters),
        )


def report(figures: Figures, load: float) -> str:
    """Return the table."""
    rows = (
        ("memory, peak of RSS, MB", figures.peak_rss_mb, RSS_BUDGET_MB, ".1f"),
        ("CPU, % of a core", figures.cpu_percent, CPU_BUDGET_PERCENT, ".2f"),
    )
    pss = "" if figures.pss_mb is None else f", {figures.pss_mb:.1f} MB of it its own share (PSS)"
    machine = f"{os.cpu_count()}-core {platform.machine().replace('_', '-')}, {platform.system()}"
    return "\n".join(
        [
            f"{figures.seconds:.0f} s, {machine}, {figures.python}; "
            f"load of the machine before the run {load:.1f}.",
            "",
            "| | measured | at most | ratio | |",
            "|---|---:|---:|---:|---|",
            *(
                f"| {name} | {value:{form}} | {bound:g} | {value / bound:.2f} | "
                f"{'kept' if value <= bound else 'NOT KEPT'} |"
                for name, value, bound, form in rows
            ),
            "",
            f"- At the end {figures.rss_mb:.1f} MB{pss}; {figures.threads} threads;"
            f" {figures.rounds_failed} questions without an answer.",
        ]
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=150.0)
    parser.add_argument("--python", default=sys.executable, help="that the daemon runs on")
    parser.add_argument(
        "--write", type=Path, help=f"also replace what stands between {BEGIN} and {END} in a file"
    )
    chosen = parser.parse_args()
    load = os.getloadavg()[0]
    found = report(measure(chosen.seconds, python=chosen.python), load)
    print(found)
    if chosen.write is not None:
        before, _, rest = chosen.write.read_text().partition(BEGIN)
        _, _, after = rest.partition(END)
        chosen.write.write_text(f"{before}{BEGIN}\n{found}\n{END}{after}")


if __name__ == "__main__":
    main()
