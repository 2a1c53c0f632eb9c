import math

import torch

from regard.kernels.pair_score.impl import reference


def test_a_case_computed_by_hand():
    half = math.atanh(0.5)
    query, keys = torch.tensor([[[half, 0.0]]]), torch.tensor([[[0.0, half], [-half, 0.0]]])
    scores = reference.score_pairs(query, keys, torch.tensor([1.0, 3.0]))
    torch.testing.assert_close(scores, torch.tensor([[[0.5 + 1.5, 0.0]]]))
