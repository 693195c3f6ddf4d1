"""What happens in the neighbourhood, in SI units and simulated time; nothing here knows of messages."""
