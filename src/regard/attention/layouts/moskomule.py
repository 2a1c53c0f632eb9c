"""The layout in which moskomule's senet.pytorch stores the parameters of each mechanism."""

from regard.core.layout import Layout

LAYOUTS: tuple[Layout, ...] = (
    Layout(
        library="moskomule",
        mechanism="se",
        twin="senet.se_module.SELayer",
        names={"reduce": "fc.0", "expand": "fc.2"},
        options={"bias": False, "gate": "sigmoid"},
    ),
)
