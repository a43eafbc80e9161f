"""The user's Ray cluster: joined on request only; what it is asked to compute is not known here."""
