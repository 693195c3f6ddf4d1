"""Settings that all tests share."""

from __future__ import annotations

import os

from hypothesis import settings

# A shared machine is slow at times, which is no failure. In CI the same inputs are tried every time, so that
# a failure is the change's own; at home every run looks at new ones.
settings.register_profile("microgrid", deadline=None, derandomize=os.environ.get("CI") == "true")
settings.load_profile("microgrid")
