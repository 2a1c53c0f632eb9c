import torch

from regard.core import Answer, Attended, Memory, Sample


def test_records_are_tuples_with_named_fields():
    keys = torch.zeros(2, 5, 3)
    assert Memory(keys, keys, None)._fields == ("keys", "values", "mask")
    assert Attended(keys, None, None)._fields == ("context", "weights", "state")
    assert Sample(keys, None, None)._fields == ("value", "log_prob", "entropy")
    answer = Answer(torch.zeros(2, 10), (Sample(keys, torch.zeros(2), None),))
    logits, samples = answer
    assert logits.shape == (2, 10)
    assert samples[0].log_prob.shape == (2,)


def test_records_pass_through_a_compiled_function():
    attend = torch.compile(lambda keys: Attended(keys.sum(1), None, None), backend="eager", fullgraph=True)
    assert attend(torch.ones(2, 5, 3)).context.tolist() == [[5.0] * 3] * 2
