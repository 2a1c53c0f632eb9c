"""Mechanisms that rescale branches."""
