"""Formats of recorded data: the log (UMG1) and, for exchange, those of other people."""
