import torch

from regard.data import ArrayClips


def clips():
    lengths = torch.tensor([2, 3, 1, 4])
    return ArrayClips.of(torch.arange(20.0).reshape(10, 2), lengths, torch.tensor([0, 1, 0, 1]), "x_train")


def test_clips_are_cut_out_of_their_frames():
    assert clips().read(1).tolist() == [[4, 6, 8], [5, 7, 9]]
    assert clips().read(1, torch.tensor([0, 2])).tolist() == [[4, 8], [5, 9]]


def test_taken_clips_keep_name_and_content():
    some = clips().take(torch.tensor([3, 1]))
    assert [some.names(i) for i in range(2)] == ["x_train[3]", "x_train[1]"]
    assert torch.equal(some.read(1), clips().read(1))
    assert some.contents() == (clips().contents()[3], clips().contents()[1])
    assert some.values.data_ptr() == some.take(torch.tensor([0])).values.data_ptr()


def test_joined_clips_follow_one_another():
    both = clips().take(torch.tensor([3])).join(clips().take(torch.tensor([0, 2])))
    assert [both.names(i) for i in range(3)] == ["x_train[3]", "x_train[0]", "x_train[2]"]
    assert torch.equal(both.read(2), clips().read(2))
    assert both.lengths.tolist() == [4, 2, 1]


def test_subsets_have_every_class():
    assert clips().subset(2, seed=0).labels.sort().values.tolist() == [0, 1]
    assert clips().sizes().shape == (4, 0)
    assert clips().files() == 4
