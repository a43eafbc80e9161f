"""The workshop: fetching, starting and talking to a real ComfyUI. Nothing in here is shipped."""
