"""Full-size models with random weights through the whole pack: shapes, memory, time, file formats."""
