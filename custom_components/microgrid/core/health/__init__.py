"""Rules that judge readings: limits, guards, and what they make of a device."""
