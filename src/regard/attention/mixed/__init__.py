"""Mechanisms that rescale channels and positions; they may compose those of the channel and spatial families."""
