"""The nodes: one file per step of the graph. They know the host's schema; the mathematics is in mace_core."""
