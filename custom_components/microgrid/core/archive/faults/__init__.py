"""Faults and all that is known of them: events, snapshots, analyses, annotations. Nothing is ever deleted."""
