"""The daemon as a service of a Pi: placed, upgraded, switched back, removed."""
