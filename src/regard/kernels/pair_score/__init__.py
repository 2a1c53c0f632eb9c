"""The additive score of every query and every key."""
