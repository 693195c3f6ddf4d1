"""What the product knows, without Home Assistant; also shipped as the package `microgrid_core`."""
