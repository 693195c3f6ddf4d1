"""UMG1, the log format of `contract/log.md`: reading and writing it with numpy, without Home Assistant."""
