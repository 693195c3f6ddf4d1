"""What stops a laboratory, told so that a person can go on."""

from __future__ import annotations


class LabError(Exception):
    """Something did not work: what, why and the remedy."""

    def __init__(self, what: str, why: str, remedy: str) -> None:
        """Put the three into one text."""
        super().__init__(f"{what}: {why}\n  remedy: {remedy}")
