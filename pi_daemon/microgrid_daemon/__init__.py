"""The daemon of a Raspberry Pi: MPP inverters over USB or serial, and batteries that keep their schedule."""
