"""Statistics of each position over all channels."""
