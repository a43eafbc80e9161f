"""Closed-form fusion (section 4.3, equations 6 and 7), its result, its file and its exports."""
