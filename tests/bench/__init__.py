"""Measurements against a peer, a bound or a baseline in the same run; they print tables and never fail."""
