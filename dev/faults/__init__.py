"""What the pack does when something fails around it, on real servers (`make faults`)."""
