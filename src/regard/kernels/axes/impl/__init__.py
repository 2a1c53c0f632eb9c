"""The ways to compute it; they never import one another."""
