"""The command `regard`: parse, call a recipe, print what it returns."""
