import torch

from regard.core.draws import Draws
from regard.core.look_record import LookRecord


def test_each_look_has_draws_of_its_own():
    record = LookRecord(Draws(1, torch.arange(2)))
    first = record.next_draws().uniform(3)
    record.steps += 1
    assert not torch.equal(first, record.next_draws().uniform(3))
    assert torch.equal(first, Draws(1, torch.arange(2)).at(step=0).uniform(3))
    assert LookRecord().next_draws() is None
