"""A real ComfyUI: fetched, started, talked to."""
