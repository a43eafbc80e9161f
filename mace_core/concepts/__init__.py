"""What to erase: concepts, the prompts they are erased in, lists and captions from files."""
