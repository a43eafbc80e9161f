"""Files that appear whole or not at all, and what is kept in them."""
