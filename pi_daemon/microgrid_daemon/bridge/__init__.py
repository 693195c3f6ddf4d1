"""What is no device of ours: bare numbers of the house on `house/#`, and of the weather on `weather/#`."""
