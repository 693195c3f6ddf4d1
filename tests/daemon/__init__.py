"""Tests of the daemon of a Raspberry Pi, without Home Assistant."""
