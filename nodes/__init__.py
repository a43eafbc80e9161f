"""The nodes, one file each. They know the host's schema; the mathematics is in mace_core."""
