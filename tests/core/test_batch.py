import torch

from regard.core import Batch


def test_a_batch_unpacks_in_the_order_a_training_step_reads_it():
    images, labels, indices = Batch(torch.zeros(2, 3, 4, 4), torch.tensor([0, 1]), torch.tensor([7, 9]))
    assert images.shape == (2, 3, 4, 4)
    assert (labels.tolist(), indices.tolist()) == ([0, 1], [7, 9])


def test_a_batch_is_collated_and_moved_like_any_tuple():
    rows = [Batch(torch.zeros(1, 2, 2), torch.tensor(n), torch.tensor(n)) for n in range(3)]
    batch = torch.utils.data.default_collate(rows)
    assert isinstance(batch, Batch)
    assert batch.labels.tolist() == [0, 1, 2]
