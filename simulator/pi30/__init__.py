"""A pretended MPP inverter that speaks real PI30 bytes, written without the daemon that it judges."""
