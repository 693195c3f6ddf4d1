"""What exists: nodes, their metrics, and the live swarm."""
