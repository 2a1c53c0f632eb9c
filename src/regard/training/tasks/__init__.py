"""The tasks that a network is trained for: each defines its loss, its outputs and their scores."""

from regard.training.tasks.task import LossParts, Task, judged_by

__all__ = ["LossParts", "Task", "judged_by"]
