"""What every microgrid component shares; loaded by them (AUTO_LOAD), never configured: for now the log format UMG1."""

CODEOWNERS = ["@microgrid"]
