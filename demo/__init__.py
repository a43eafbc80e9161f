"""The main job from a shell: erase one concept with the template a user would open, and score it."""
