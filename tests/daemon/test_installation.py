"""The service placed, upgraded, switched back, removed: real wheels, installers and daemons, no systemd."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from microgrid_daemon import status
from microgrid_daemon.cli import main
from microgrid_daemon.installation import service
from microgrid_daemon.installation.release import CURRENT, PREVIOUS, release_at
from microgrid_daemon.installation.service import Patience
from microgrid_daemon.installation.system import InstallationError, System
from microgrid_daemon.status import RUN_FOLDER, STATUS, Condition, look
from tests.daemon import wheels
from tests.mosquitto import free_port

_ROOT = Path(__file__).parents[2]
QUICK = Patience(start_s=8.0, settle_s=0.4, look_s=0.1)
BROKEN = """\
import os, sqlite3
with sqlite3.connect(os.environ["TEST_STORE"]) as store:
    store.execute("PRAGMA user_version = 99")
raise RuntimeError("broken on purpose")
"""


@dataclass(slots=True)
class Shop:
    """Wheels, and the Python that takes them."""

    folder: Path
    wheel: Path
    newer: Path
    broken: Path
    python: str


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Three releases; the third takes the store along and breaks."""
    python = wheels.python_of_a_pi()
    folder = tmp_path_factory.mktemp("shelf")
    wheel = wheels.shelf(folder)
    return Shop(
        folder,
        wheel,
        wheels.changed(wheel, "7.2.0", {}),
        wheels.changed(wheel, "7.3.0", {"microgrid_daemon/daemon.py": BROKEN + "\n"}),
        python,
    )


@pytest.fixture(autouse=True)
def _offline(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for key, value in wheels.offline(shop.folder).items():
        monkeypatch.setenv(key, value)


def _version(shop: Shop) -> str:
    return shop.wheel.name.split("-")[1]


def _program(shop: Shop, root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run what the launcher would run, were this root the root."""
    return subprocess.run(
        [shop.python, "-Ps", "-m", "microgrid_daemon", *words],
        env={"PYTHONPATH": str(root / CURRENT.relative_to("/")), "PATH": os.environ["PATH"]},
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )


def _tree(root: Path) -> dict[str, int]:
    """Every file outside the releases, and who may do what with it."""
    return {
        f"/{path.relative_to(root)}": path.lstat().st_mode & 0o777
        for path in sorted(root.rglob("*"))
        if (path.is_file() or path.is_symlink()) and "releases" not in path.parts
    }


# ------------------------------------------------------------------------------------------------- an image


def test_an_image_gets_all_that_the_service_needs(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["install", str(shop.wheel), "--root", str(tmp_path), "--python", shop.python]) == 0
    said = capsys.readouterr().out
    assert "1. Say where your broker and your inverters are: sudo nano /etc/microgrid/daemon.toml" in said
    assert "run     " not in said, "nothing of this system is touched"
    assert _tree(tmp_path) == {
        "/etc/microgrid/daemon.toml": 0o644,
        "/etc/microgrid/gx_password": 0o600,
        "/etc/microgrid/mqtt_password": 0o600,
        "/etc/microgrid/schedule_token": 0o600,
        "/etc/systemd/system/microgrid-daemon.service": 0o644,
        "/etc/systemd/system/multi-user.target.wants/microgrid-daemon.service": 0o777,
        "/etc/sysusers.d/microgrid.conf": 0o644,
        "/etc/udev/rules.d/70-microgrid.rules": 0o644,
        "/opt/microgrid-daemon/current": 0o777,
        "/usr/local/bin/microgrid-daemon": 0o755,
    }
    wanted = tmp_path / "etc/systemd/system/multi-user.target.wants/microgrid-daemon.service"
    assert wanted.resolve() == (tmp_path / "etc/systemd/system/microgrid-daemon.service").resolve()
    launcher = (tmp_path / "usr/local/bin/microgrid-daemon").read_text()
    assert (
        f'PYTHONPATH=/opt/microgrid-daemon/current exec "{shop.python}" -Ps -m microgrid_daemon "$@"'
        in launcher
    )
    checked = _program(shop, tmp_path, "check", "--config", str(tmp_path / "etc/microgrid/daemon.toml"))
    assert checked.returncode == 0, checked.stderr
    assert "mpp-1: inverter at USB, asked every 10 s, may write nothing" in checked.stdout


def test_systemd_makes_the_user(shop: Shop, tmp_path: Path) -> None:
    if (program := shutil.which("systemd-sysusers")) is None or os.geteuid() != 0:
        pytest.skip("systemd-sysusers and root are needed to make a user in a folder")
    assert main(["install", str(shop.wheel), "--root", str(tmp_path), "--python", shop.python]) == 0
    done = subprocess.run(
        [program, f"--root={tmp_path}", service.SYSUSERS.name], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    users = (tmp_path / "etc/passwd").read_text()
    assert "microgrid:" in users
    assert "/var/lib/microgrid:" in users
    assert "microgrid:" in (tmp_path / "etc/group").read_text()


def test_doing_it_again_changes_nothing_and_keeps_what_was_edited(
    shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["install", str(shop.wheel), "--root", str(tmp_path), "--python", shop.python]
    assert main(arguments) == 0
    config = tmp_path / "etc/microgrid/daemon.toml"
    config.write_text(config.read_text().replace("mpp-1", "mpp-south"))
    (tmp_path / "etc/microgrid/mqtt_password").write_text("geheim")
    (tmp_path / "etc/udev/rules.d/70-microgrid.rules").write_text("# somebody was here")
    before = _tree(tmp_path)
    capsys.readouterr()
    assert main(arguments) == 0
    said = capsys.readouterr().out
    assert _tree(tmp_path) == before | {"/opt/microgrid-daemon/previous": 0o777}
    assert "mpp-south" in config.read_text()
    assert (tmp_path / "etc/microgrid/mqtt_password").read_text() == "geheim"
    assert "geheim" not in said
    written = [line for line in said.splitlines() if line.startswith("write")]
    assert written == ["write   /etc/udev/rules.d/70-microgrid.rules (0644)"]


def test_a_dry_run_only_says_what_it_would_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["install", "x.whl"], ["uninstall", "--purge"]):
        assert main([*words, "--dry-run", "--root", str(tmp_path)]) == 0
    assert list(tmp_path.iterdir()) == []
    said = capsys.readouterr().out
    assert "would make a release from x.whl" in said
    assert "would write /etc/systemd/system/microgrid-daemon.service (0644)" in said
    assert main(["install", "x.whl", "--dry-run"]) == 0, "for this system it may be asked by anybody"
    assert "would run systemctl daemon-reload" in capsys.readouterr().out


def test_without_root_it_refuses(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    for words in (["install", "x.whl"], ["upgrade", "x.whl"], ["rollback"], ["uninstall"]):
        assert main(words) == 1
        assert "needs root: put sudo before it" in capsys.readouterr().err


def test_what_is_no_daemon_is_refused(shop: Shop, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def refused(source: object, python: str = shop.python) -> str:
        assert main(["install", str(source), "--root", str(tmp_path), "--python", python]) == 1
        assert _tree(tmp_path) == {}
        return capsys.readouterr().err

    assert "is no microgrid-daemon" in refused(next(shop.folder.glob("voluptuous-*")))
    assert "nothing was changed" in refused(tmp_path / "no-such.whl")
    assert main(["upgrade", str(shop.wheel), "--root", str(tmp_path)]) == 1
    assert "nothing is installed" in capsys.readouterr().err
    assert main(["rollback", "--root", str(tmp_path)]) == 1
    assert "no earlier release" in capsys.readouterr().err


def test_uv_is_taken_where_there_is_no_pip(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which("uv") is None:
        pytest.skip("uv is missing: script/bootstrap brings it")
    without = tmp_path / "without"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", without], check=True)
    monkeypatch.setattr(sys, "executable", str(without / "bin/python"))
    root = tmp_path / "root"
    python = str(without / "bin/python")
    assert main(["install", str(shop.wheel), "--root", str(root), "--python", python]) == 0
    assert _program(shop, root, "--help").stdout.startswith("usage: microgrid-daemon")


# -------------------------------------------------------------------------------------------- a live system


@dataclass
class Services:
    """What systemd does here: one daemon started and stopped, and every order remembered."""

    root: Path
    python: str
    orders: list[str] = field(default_factory=list)
    daemon: subprocess.Popen[bytes] | None = None

    def __call__(self, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        self.orders.append(" ".join(words))
        good = True
        if tuple(words[:2]) == ("systemctl", "start"):
            good = self.start()
        elif tuple(words[:2]) == ("systemctl", "stop"):
            self.stop()
        return subprocess.CompletedProcess(words, 0 if good else 1, "", "" if good else "Job failed")

    def start(self) -> bool:
        """Start the daemon and, as with Type=notify, wait until it is there or has ended."""
        folder = self.root / RUN_FOLDER.relative_to("/")
        folder.mkdir(parents=True, exist_ok=True)
        environment = {
            "PYTHONPATH": str(self.root / CURRENT.relative_to("/")),
            "RUNTIME_DIRECTORY": str(folder),
            "TEST_STORE": str(self.root / service.STORE.relative_to("/")),
            "PATH": os.environ["PATH"],
        }
        config = self.root / service.CONFIG.relative_to("/")
        self.daemon = subprocess.Popen(
            [self.python, "-Ps", "-m", "microgrid_daemon", "run", "--config", config],
            env=environment,
            stderr=subprocess.DEVNULL,
            cwd=self.root,
        )
        while self.daemon.poll() is None:
            if look(folder / STATUS).pid == self.daemon.pid:
                return True
            time.sleep(0.05)
        return False

    def stop(self) -> None:
        if self.daemon is not None:
            self.daemon.terminate()
            self.daemon.wait(30)
        shutil.rmtree(self.root / RUN_FOLDER.relative_to("/"), ignore_errors=True)


@pytest.fixture
def services(shop: Shop, tmp_path: Path) -> Iterator[Services]:
    """A system without a broker or an inverter: the daemon waits for both, and lives."""
    state = tmp_path / service.STATE.relative_to("/")
    config = tmp_path / service.CONFIG.relative_to("/")
    for folder in (state, config.parent):
        folder.mkdir(parents=True)
    config.write_text(
        f'swarm = "village"\ndata = "{state}"\n[broker]\nhost = "127.0.0.1"\nport = {free_port()}\n'
        f'[[inverters]]\nnode = "mpp-1"\ndevice = "/dev/no-such-port"\n'
    )
    made = Services(tmp_path, shop.python)
    yield made
    made.stop()


def test_a_release_that_does_not_come_up_gives_way_to_the_one_before(shop: Shop, services: Services) -> None:
    said: list[str] = []
    system = System(services.root, run=services, say=said.append)
    seen = services.root / RUN_FOLDER.relative_to("/") / STATUS
    store = services.root / service.STORE.relative_to("/")

    def runs() -> str | None:
        state = look(seen)
        return state.version if state.condition is Condition.RUNS else None

    def form() -> int:
        with closing(sqlite3.connect(store)) as connection:
            return int(connection.execute("PRAGMA user_version").fetchone()[0])

    service.install(system, str(shop.wheel), shop.python)
    assert "systemd-sysusers /etc/sysusers.d/microgrid.conf" in services.orders
    assert not any("systemctl start" in order for order in services.orders), "that is for the installer to do"
    assert services.start()
    assert service.stays_up(seen, _version(shop), QUICK) is None
    first = form()

    (done,) = service.upgrade(system, str(shop.newer), shop.python, QUICK)
    assert done == f"7.2.0 runs; {_version(shop)} is kept: sudo microgrid-daemon rollback"
    assert runs() == "7.2.0"

    with pytest.raises(InstallationError, match=r"7\.3\.0 did not come up: .*Job failed; 7\.2\.0 runs again"):
        service.upgrade(system, str(shop.broken), shop.python, QUICK)
    assert runs() == "7.2.0"
    assert form() == first, "the file is as the older release knows it"
    assert not list(store.parent.glob("*.before-upgrade*"))
    releases = {path.name for path in (services.root / "opt/microgrid-daemon/releases").iterdir()}
    assert releases == {_version(shop), "7.2.0"}, "what failed is gone, what could be gone back to is there"

    service.rollback(system, shop.python, QUICK)
    assert runs() == _version(shop)
    current, previous = release_at(system, CURRENT), release_at(system, PREVIOUS)
    assert current is not None and current.version == _version(shop)
    assert previous is not None and previous.version == "7.2.0"

    config = services.root / service.CONFIG.relative_to("/")
    config.write_text(config.read_text() + "unknown = 1\n")
    with pytest.raises(InstallationError, match="does not accept the configuration") as refused:
        service.upgrade(system, str(shop.newer), shop.python, QUICK)
    assert "unknown: there is no such key here" in str(refused.value)
    assert runs() == _version(shop), "it was never stopped"

    kept = service.uninstall(system)
    assert kept == ("/etc/microgrid and /var/lib/microgrid are kept; --purge removes them too",)
    assert runs() is None
    left = {name for name in _tree(services.root) if not name.startswith("/var/lib/microgrid/")}
    assert left == {"/etc/microgrid/daemon.toml", *map(str, service.SECRETS)}
    service.uninstall(system, purge=True)
    assert _tree(services.root) == {}
    service.uninstall(system, purge=True)


def test_a_step_that_fails_names_itself(shop: Shop, tmp_path: Path) -> None:
    def run(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(words, 1, "", "no such unit")

    system = System(tmp_path, run=run, say=lambda _: None)
    with pytest.raises(InstallationError, match=r"systemd-sysusers /etc/\S+: no such unit"):
        service.install(system, str(shop.wheel), shop.python)


def test_an_old_python_is_refused(shop: Shop, tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\necho 3 9\nexit 1\n")
    old.chmod(0o755)
    system = System(tmp_path, run=lambda words: subprocess.CompletedProcess(words, 0, "", ""))
    with pytest.raises(InstallationError, match=r"Python 3.11 or newer is needed, found 3.9"):
        service.install(system, str(shop.wheel), str(old))


def test_a_service_that_nobody_started_is_not_started(shop: Shop, services: Services) -> None:
    def run(words: Sequence[str]) -> subprocess.CompletedProcess[str]:
        done = services(words)
        return subprocess.CompletedProcess(words, 3, "", "") if "is-active" in words else done

    system = System(services.root, run=run, say=lambda _: None)
    service.install(system, str(shop.wheel), shop.python)
    service.upgrade(system, str(shop.newer), shop.python, QUICK)
    assert services.daemon is None
    current = release_at(system, CURRENT)
    assert current is not None and current.version == "7.2.0"


def test_a_release_that_stops_soon_has_not_come_up(tmp_path: Path) -> None:
    brief = Patience(start_s=0.1, settle_s=5.0, look_s=0.0)
    assert service.stays_up(tmp_path / STATUS, "1", brief) == "no sign of life of 1 within 0.1 s"
    status.write(tmp_path, {"version": "1"})

    def gone(_: float) -> None:
        (tmp_path / STATUS).unlink(missing_ok=True)

    assert service.stays_up(tmp_path / STATUS, "1", brief, gone) == "it stopped within 5 s"
    status.write(tmp_path, {"version": "2"})
    assert "no sign of life of 1" in str(service.stays_up(tmp_path / STATUS, "1", brief)), (
        "the old one runs on"
    )
