"""Models of real size through the whole pack, on random weights: shapes, memory, seconds, file formats."""
