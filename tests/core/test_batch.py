import torch

from regard.core import ImageBatch, TextBatch
from regard.core.batch import CaptionBatch


def batch():
    return ImageBatch(torch.zeros(2, 3, 4, 4), torch.tensor([0, 1]), torch.tensor([7, 9]))


def test_its_length_is_the_number_of_images():
    assert len(batch()) == 2


def test_every_tensor_is_moved():
    moved = batch().to("meta")
    assert {tensor.device.type for tensor in (moved.images, moved.labels, moved.indices)} == {"meta"}


def test_without_inputs_labels_and_indices_stay():
    bare = batch().without_inputs()
    assert (len(bare), bare.images.numel()) == (2, 0)
    assert (bare.labels.tolist(), bare.indices.tolist()) == ([0, 1], [7, 9])
    assert bare.images.untyped_storage().nbytes() == 0


def test_a_batch_of_texts_keeps_its_lengths_here():
    numbers = torch.zeros(2, 3, dtype=torch.int64)
    texts = TextBatch(numbers, torch.tensor([3, 2]), numbers, (("a",), ("b", "c")), torch.tensor([4, 5]))
    moved, bare = texts.to("meta"), texts.without_inputs()
    assert (moved.source.device.type, moved.target.device.type, moved.lengths.device.type) == ("meta", "meta", "cpu")
    assert (len(bare), bare.source.numel(), bare.target.numel()) == (2, 0, 0)
    assert bare.references == texts.references


def test_a_batch_of_captions_knows_its_parts():
    batch = CaptionBatch(torch.zeros(2, 1, 4, 4), torch.ones(2, 3).long(), (("a",), ("b", "c")), torch.arange(2))
    assert len(batch.to("cpu")) == 2
    assert batch.network_inputs()[0].shape == (2, 1, 4, 4)
    bare = batch.without_inputs()
    assert (bare.images.shape, bare.target.shape, bare.references) == ((2, 0), (2, 0), batch.references)
