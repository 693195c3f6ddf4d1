"""Labelled faults by seed: a cluster's physics with a defect in it, as its nodes measured and told it."""

from .library import AROUND, SCENARIOS, make
from .truth import OUTSIDE, Split, Truth

__all__ = ["AROUND", "OUTSIDE", "SCENARIOS", "Split", "Truth", "make"]
