"""Victron GX: the table of its paths, the tree of what it says, the ways to reach it, and guarded writes."""
