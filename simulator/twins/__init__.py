"""Twins of the devices: what the physics knows, said on MQTT as the devices would say it."""
