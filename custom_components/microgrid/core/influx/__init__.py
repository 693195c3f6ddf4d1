"""InfluxDB as a sink: line protocol from archived readings; servers of the generations 1.x, 2.x and 3.x."""
