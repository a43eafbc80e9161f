"""The only room that touches comfy.* beyond schema types."""
