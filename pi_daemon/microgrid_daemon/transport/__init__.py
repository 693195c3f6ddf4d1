"""How bytes reach an inverter: USB reports, serial lines, and one request at a time over either."""
