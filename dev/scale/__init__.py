"""Ten thousand concepts on many GPUs, on paper: what is measured, and what follows from it."""
