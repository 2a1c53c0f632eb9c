"""Statistics of each channel over all positions."""
