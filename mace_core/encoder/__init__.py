"""What a text encoder is asked, and which of its tokens belong together."""
