"""A log in the formats of other people: tables, measurement files, disturbance records, bus traces."""
