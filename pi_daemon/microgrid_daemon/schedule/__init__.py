"""Schedules on the Pi: kept on disk, executed on the half-hour grid, acknowledged through the outbox."""
