"""The archive: log frames on disk, index, roll-ups, retention and cursors. `archive.Archive` is the door."""
