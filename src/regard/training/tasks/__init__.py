"""What a network is trained to do: a task says its loss, its answers and their scores."""

from regard.training.tasks.task import LossParts, Task, judged_by

__all__ = ["LossParts", "Task", "judged_by"]
