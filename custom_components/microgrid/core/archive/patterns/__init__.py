"""Pattern queries: what an operator asks the whole archive, answered from it alone (docs/operator.md)."""
