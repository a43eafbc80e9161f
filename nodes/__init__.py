"""The nodes, one file per node. They use the host's schema; the mathematics is in mace_core."""
