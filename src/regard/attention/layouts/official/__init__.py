"""The layout in which the authors' own code stores the parameters of each mechanism: a file a family."""

from regard.attention.layouts.official import branch, channel, mixed, spatial
from regard.core.layout import Layout

LAYOUTS: tuple[Layout, ...] = (*channel.LAYOUTS, *spatial.LAYOUTS, *mixed.LAYOUTS, *branch.LAYOUTS)
