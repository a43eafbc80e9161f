"""Attempts to bring an erased concept back."""
