"""Means along the axes of positions, and gates along them."""
