"""A real ComfyUI: fetch it, start it, talk to it."""
