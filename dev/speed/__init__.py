"""`make bench`: every stage against a straight implementation of the same equations: CPU time and memory."""
