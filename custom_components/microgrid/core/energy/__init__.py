"""Energy: tariffs, forecasts, plans of batteries, what they save, who pays whom. `advice` is the door."""
