"""The service's unit: as closed as promised, and in step with what the daemon does."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from microgrid_daemon import daemon, status
from microgrid_daemon.cli import build_parser
from microgrid_daemon.config import CREDENTIAL, GX_CREDENTIAL, POLL_CREDENTIAL
from microgrid_daemon.installation import service
from microgrid_daemon.transport.place import place_of

FOLDER = Path(service.__file__).parent / "files"
UNIT = FOLDER / "microgrid-daemon.service"


def _values(key: str) -> list[str]:
    return re.findall(rf"^{key}=(.*)$", UNIT.read_text(), re.MULTILINE)


def test_its_exposure_is_at_most_2() -> None:
    if (program := shutil.which("systemd-analyze")) is None:
        pytest.skip("systemd-analyze is missing: it comes with systemd")
    said = subprocess.run(
        [program, "security", "--offline=true", "--no-pager", "--threshold=20", UNIT],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"Overall exposure level for \S+: (\d+\.\d)", said.stdout)
    assert found is not None, said.stderr
    print(f"exposure {found[1]}")
    assert float(found[1]) <= 2.0


def test_it_calls_verbs_that_exist_and_waits_long_enough() -> None:
    for call in (*_values("ExecStart"), *_values("ExecStopPost")):
        build_parser().parse_args(call.split()[1:])
    assert float(_values("TimeoutStopSec")[0]) > daemon.RELEASE_S + 5.0
    handed_over = dict(value.split(":") for value in _values("LoadCredential"))
    assert set(handed_over) == {CREDENTIAL, GX_CREDENTIAL, POLL_CREDENTIAL}
    assert set(handed_over.values()) == {str(path) for path in service.SECRETS}, "or it would not start"
    assert Path("/run") / _values("RuntimeDirectory")[0] == status.RUN_FOLDER
    assert Path("/var/lib") / _values("StateDirectory")[0] == service.STATE
    assert all(call.split()[0] == str(service.LAUNCHER) for call in _values("ExecStart"))


def test_the_link_that_udev_makes_is_known_as_usb() -> None:
    rule = (FOLDER / "70-microgrid.rules").read_text()
    assert 'SYMLINK+="microgrid/mpp%n"' in rule
    assert 'MODE="0660"' in rule
    assert place_of("/dev/microgrid/mpp0").reply_s > place_of("/dev/ttyUSB0").reply_s
