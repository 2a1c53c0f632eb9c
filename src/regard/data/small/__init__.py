"""The sets that ship with the package, and the program that made them."""
