"""Tests of the sources in a real Home Assistant with a mocked broker."""
