"""What the command line says to scripts."""

FINE, FAILED, UNUSABLE, NOT_RUNNING = 0, 1, 2, 3
