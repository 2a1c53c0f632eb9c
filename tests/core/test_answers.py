import torch

from regard.core.answers import answers, is_right

LOGITS = torch.tensor([[3.0, -1.0, 2.0], [-1.0, 0.5, -2.0]])


def test_one_class_is_the_largest_logit():
    assert answers(LOGITS, multi_label=False).tolist() == [0, 1]
    assert is_right(LOGITS, torch.tensor([0, 2])).tolist() == [True, False]


def test_several_labels_must_all_match():
    assert answers(LOGITS, multi_label=True).tolist() == [[1, 0, 1], [0, 1, 0]]
    assert is_right(LOGITS, torch.tensor([[1.0, 0, 1], [0, 1, 1]])).tolist() == [True, False]


def test_no_label_is_an_answer_too():
    assert is_right(-LOGITS.abs(), torch.zeros(2, 3)).tolist() == [True, True]
