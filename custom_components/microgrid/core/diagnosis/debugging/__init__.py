"""The four questions of somebody who looks for a fault, answered with numbers: pure functions over arrays."""
