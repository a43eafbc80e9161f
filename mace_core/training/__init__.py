"""One LoRA per concept (section 4.2, equations 3 to 5): by gradients, or in closed form."""
