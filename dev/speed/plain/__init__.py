"""The equations of the paper (arXiv 2403.06135) as one would write them first: layer by layer, float32, one
concept at a time."""
