"""Closed-form cross-attention refinement (section 4.1, equations 1 and 2)."""
