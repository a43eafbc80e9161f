"""The only folder that imports comfy.*, except for schema types."""
