import pytest
import torch
from torch import nn

from regard.core import DataError, ImageBatch, OptionError, ShapeError
from regard.explanation.batches import ImageSet, right_answers
from tests.explanation.nets import invent


def test_indices_count_through_the_set():
    batches = [ImageBatch(b.images, b.labels, b.indices + 100) for b in invent(10, batch=4)]
    chosen = ImageSet(batches, "evaluation")
    assert [list(indices) for indices, _ in chosen] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert len(chosen) == 10
    assert len(list(chosen)) == 3


def test_a_function_may_make_the_batches():
    chosen = ImageSet(lambda: iter(invent(10, batch=4)), "evaluation")
    assert len(list(chosen)) == len(list(chosen)) == 3


def test_different_order_in_second_pass_is_error():
    orders = iter([[0, 1, 2], [0, 2, 1]])
    batches = invent(12, batch=4)
    chosen = ImageSet(lambda: (batches[i] for i in next(orders)), "training")
    list(chosen)
    with pytest.raises(DataError, match=r"training images came in another order .*batch 1.*shuffle=False"):
        list(chosen)


def test_more_images_in_second_pass_are_error():
    batches = invent(12, batch=4)
    sizes = iter([2, 3])
    chosen = ImageSet(lambda: batches[: next(sizes)], "training")
    list(chosen)
    with pytest.raises(DataError, match="another order"):
        list(chosen)


def test_an_iterator_is_refused():
    with pytest.raises(OptionError, match="only once"):
        ImageSet(iter(invent(4)), "evaluation")


def test_no_images_are_an_error():
    with pytest.raises(DataError, match="no evaluation images"):
        list(ImageSet([], "evaluation"))


def test_right_answers_of_one_and_of_several_classes():
    images = torch.zeros(2, 3)
    net = nn.Linear(3, 3)
    nn.init.zeros_(net.weight)
    with torch.no_grad():
        net.bias.copy_(torch.tensor([-1.0, 2.0, 1.0]))
    assert right_answers(net, ImageBatch(images, torch.tensor([1, 2]), torch.arange(2))).tolist() == [1.0, 0.0]
    several = torch.tensor([[0.0, 1.0, 1.0], [1.0, 1.0, 0.0]])
    assert right_answers(net, ImageBatch(images, several, torch.arange(2))).tolist() == [1.0, 0.0]


def test_outputs_that_are_no_scores_are_an_error():
    batch = ImageBatch(torch.zeros(2, 3, 4), torch.zeros(2).long(), torch.arange(2))
    with pytest.raises(ShapeError, match=r"returned \(2, 3, 4\) for 2 images"):
        right_answers(nn.Identity(), batch)
