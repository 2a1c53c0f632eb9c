"""The weighted sum of branches."""
