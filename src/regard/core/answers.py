"""A classifier's answers and their correctness: one definition for training, evaluation, ablation and reports."""

from torch import Tensor


def answers(logits: Tensor, *, multi_label: bool) -> Tensor:
    """Returns the predicted class, or classes, of each image from the logits (b, k).

    Returns:
        (b,) the class with the largest logit; with several labels (b, k) of 0 and 1, 1 where the logit is positive.
    """
    return (logits > 0).long() if multi_label else logits.argmax(1)


def is_right(logits: Tensor, labels: Tensor) -> Tensor:
    """Returns whether each whole answer is right, (b,) bool.

    With one class an image, the class with the largest logit is the label. With several, the classes with a positive
    logit are exactly those of the image (exact match): one wrong label of many makes the answer wrong.

    Args:
        logits: (b, k).
        labels: (b,) class numbers, or (b, k) of 0 and 1 where an image may have several classes.

    Example:
        >>> import torch
        >>> is_right(torch.tensor([[2.0, 1.0], [2.0, 1.0]]), torch.tensor([[1.0, 1.0], [1.0, 0.0]])).tolist()
        [True, False]
    """
    if labels.ndim == 1:
        return answers(logits, multi_label=False) == labels
    return (answers(logits, multi_label=True) == (labels > 0.5)).all(1)
