"""Mechanisms that rescale positions."""
