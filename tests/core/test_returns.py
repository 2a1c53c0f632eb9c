import torch

from regard.core import Answer, Attended, Memory, Sample, logits_of


def test_records_are_tuples_with_named_fields():
    keys = torch.zeros(2, 5, 3)
    assert Memory(keys, keys, None)._fields == ("keys", "values", "mask")
    assert Attended(keys, None, None)._fields == ("context", "weights", "state")
    assert Sample(keys, None, None)._fields == ("value", "log_prob", "entropy", "score")
    answer = Answer(torch.zeros(2, 10), (Sample(keys, torch.zeros(2), None),))
    logits, samples, *others = answer
    assert others == [None] * 3
    assert logits.shape == (2, 10)
    assert samples[0].log_prob.shape == (2,)


def test_records_pass_through_a_compiled_function():
    attend = torch.compile(lambda keys: Attended(keys.sum(1), None, None), backend="eager", fullgraph=True)
    assert attend(torch.ones(2, 5, 3)).context.tolist() == [[5.0] * 3] * 2


def test_logits_are_those_of_an_answer():
    logits = torch.zeros(2, 10)
    assert logits_of(Answer(logits, ())) is logits
    assert logits_of(logits) is logits
