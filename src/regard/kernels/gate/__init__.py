"""The application of a map to features."""
