"""The stories that the commands tell, and what several of them share: each brings rooms together.

The rooms below do not know one another; a recipe opens data, builds and trains networks, looks at them and hands
records to the report. No recipe imports another in a circle, and what draws belongs into a room below.
"""
