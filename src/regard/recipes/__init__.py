"""The functions behind the commands, and what several of them share.

The rooms below do not import one another; a recipe opens data, builds and trains networks, observes them and passes
records to the report. Recipes do not import one another in a circle, and code that draws belongs into a room below.
"""
