"""Workflows: described in code, written as templates, read back as API prompts."""
