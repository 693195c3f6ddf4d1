"""Wheels without a package index: the daemon's, versions of it that do not exist yet, and what it needs."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from importlib.metadata import distribution
from pathlib import Path

import pytest

_PROJECT = Path(__file__).parents[2] / "pi_daemon"
NEEDED = ("paho-mqtt", "voluptuous")


def shelf(folder: Path, *more: str) -> Path:
    """Fill a folder with everything that an installation takes; returns the daemon's wheel."""
    pytest.importorskip("hatchling", reason="hatchling is missing: wheels are not built here")
    for name in (*NEEDED, *more):
        _pack_installed(name, folder)
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=_PROJECT,
        capture_output=True,
        check=True,
    )
    (wheel,) = folder.glob("microgrid_daemon-*.whl")
    return wheel


def python_of_a_pi() -> str:
    """The Python that a service would get; it has pip, or uv is beside it on PATH."""
    for python in ("/usr/bin/python3", sys.executable):
        new_enough = [python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        if Path(python).exists() and subprocess.run(new_enough, check=False).returncode == 0:
            break
    else:
        raise AssertionError("these tests run on a Python that is older than 3.11")
    has_pip = subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False)
    if has_pip.returncode != 0 and shutil.which("uv", path=installers()) is None:
        pytest.skip("uv is missing: script/bootstrap brings it")
    return python


def installers() -> str:
    """PATH with the places where uv is of a checkout."""
    places = (Path(sys.executable).parent, _PROJECT.parent / ".tools/uv/bin")
    return os.pathsep.join([os.environ["PATH"], *map(str, places)])


def offline(folder: Path) -> Mapping[str, str]:
    """The environment in which pip and uv are found, and know only that folder."""
    return {
        "PATH": installers(),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(folder),
        "UV_OFFLINE": "1",
        "UV_NO_INDEX": "1",
        "UV_FIND_LINKS": str(folder),
    }


def _pack_installed(name: str, folder: Path) -> None:
    """Make the wheel again that a distribution was installed from."""
    found = distribution(name)
    contents = {
        str(path): Path(str(found.locate_file(path))).read_bytes()
        for path in found.files or ()
        if ".." not in path.parts and path.suffix != ".pyc"
    }
    stem = found.metadata["Name"].replace("-", "_")
    _write(folder / f"{stem}-{found.version}-py3-none-any.whl", contents)


def changed(wheel: Path, version: str, changes: Mapping[str, str]) -> Path:
    """The same daemon with another version, and with files that say something else at their beginning."""
    with zipfile.ZipFile(wheel) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    old = wheel.name.split("-")[1]
    for name, text in changes.items():
        contents[name] = text.encode() + contents[name]
    renamed = {
        name.replace(f"-{old}.dist-info", f"-{version}.dist-info"): (
            content.replace(f"Version: {old}".encode(), f"Version: {version}".encode(), 1)
            if name.endswith("METADATA")
            else content
        )
        for name, content in contents.items()
    }
    made = wheel.with_name(f"microgrid_daemon-{version}-py3-none-any.whl")
    _write(made, renamed)
    return made


def _write(path: Path, contents: Mapping[str, bytes]) -> None:
    record = next(name for name in contents if name.endswith(".dist-info/RECORD"))
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            if name != record:
                archive.writestr(name, content)
        archive.writestr(record, "".join(f"{name},,\n" for name in contents))
