"""PI30, the protocol of MPP/Voltronic inverters: bytes to values and back, without any device at hand."""
