"""A simulated neighbourhood: its physics, and twins of its devices that speak the wire contract."""
