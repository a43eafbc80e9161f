"""Workflows: described in code, written as templates, converted to API prompts."""
