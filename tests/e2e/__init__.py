"""Real processes: broker, simulated neighbourhood, Home Assistant, browser; what a user would see."""
