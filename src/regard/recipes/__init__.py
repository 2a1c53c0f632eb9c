"""The stories that the commands tell: each brings rooms together that do not know one another.

A recipe opens data, builds and trains networks, looks at them and hands records to the report. No recipe imports
another in a circle, and what draws belongs into a room below.
"""
