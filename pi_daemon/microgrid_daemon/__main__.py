"""`python -m microgrid_daemon` is `microgrid-daemon`."""

import sys

from .cli import main

sys.exit(main())
