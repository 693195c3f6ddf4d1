"""Settings that all tests share."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Generator

import pytest
from hypothesis import settings

_TOOL_MISSING = re.compile(r"is missing|not installed|could not import")

# A shared machine is slow at times, which is no failure. In CI the same inputs are tried every time, so that
# a failure is the change's own; at home every run looks at new ones.
settings.register_profile("microgrid", deadline=None, derandomize=os.environ.get("CI") == "true")
settings.load_profile("microgrid")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI a tool that a test misses is a failure: a skipped check would look like a passed one.

    Not in the small environment of the oldest Python, which has no tools on purpose.
    """
    report = yield
    if report.skipped and os.environ.get("CI") == "true" and sys.version_info >= (3, 14):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if _TOOL_MISSING.search(reason):
            report.outcome = "failed"
            report.longrepr = f"{reason}\nscript/bootstrap installs what the tests need"
    return report
