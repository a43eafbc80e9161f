"""Work that several nodes share: generating, masking, training, scoring and their caches."""
