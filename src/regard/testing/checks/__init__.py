"""The checks, a module for each group; each is a function of the subject that returns, fails or skips."""
