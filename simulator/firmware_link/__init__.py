"""Firmware in the loop: host programs of the houses' and gateways' firmware live on the simulated physics."""
