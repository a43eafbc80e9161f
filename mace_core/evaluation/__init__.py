"""How well an erasure did: prompts, the judge, the paper's metrics."""
