"""A laboratory for demo and tests: real broker, real Home Assistant, simulated neighbourhood, browser."""
