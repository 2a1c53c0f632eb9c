"""Mechanisms that weigh channels and positions; they may compose those of the channel and spatial families."""
