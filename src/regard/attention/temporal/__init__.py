"""Temporal mechanisms: weights for the steps of a sequence."""
