"""The nodes, one file each. They use the host's schema; the mathematics is in mace_core."""
