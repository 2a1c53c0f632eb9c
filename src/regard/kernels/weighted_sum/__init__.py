"""Weighted sums over channels and over positions."""
