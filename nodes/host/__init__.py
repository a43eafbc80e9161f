"""The only place that touches comfy.* beyond schema types."""
