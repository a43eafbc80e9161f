"""The main job from a shell: erase one concept with the pack's command line, and score it."""
