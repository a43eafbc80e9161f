"""The figures of the model card, measured on the shipped files: one module per question."""
