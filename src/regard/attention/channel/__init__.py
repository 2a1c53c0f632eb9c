"""Mechanisms that rescale channels."""
