"""Mechanisms that weigh branches."""
