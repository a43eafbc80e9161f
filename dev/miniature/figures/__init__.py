"""The figures of the model card, each measured from the shipped files: one module per question."""
