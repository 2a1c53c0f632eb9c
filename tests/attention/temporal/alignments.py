"""What the tests of temporal mechanisms share: sequences of mixed lengths, and NumPy's softmax over what is allowed."""

import numpy as np
import torch

from tests.attention.drawn import features

LENGTHS = (7, 4, 0)
"""Steps of the three sequences; the last has none."""


def sequences(query_size=3, key_size=4, queries=5, seed=1):
    """Queries, keys and values of three sequences filled up to one length, with their mask, in float64."""
    longest = max(LENGTHS)
    query = features(3, queries, query_size, seed=seed)
    keys, values = features(3, longest, key_size, seed=seed + 1), features(3, longest, 2, seed=seed + 2)
    return query, keys, values, torch.arange(longest) < torch.tensor(LENGTHS)[:, None]


def shares(scores):
    """The softmax of scores {key: number}, as a dictionary."""
    peak = max(scores.values(), default=0.0)
    parts = {key: np.exp(score - peak) for key, score in scores.items()}
    return {key: part / sum(parts.values()) for key, part in parts.items()}


def aligned_by(score, query, keys, values, mask):
    """Weights and contexts, one query and one key at a time: `score` gives a number of a query and a key."""
    weights = np.zeros((*query.shape[:2], keys.shape[1]))
    for b in range(query.shape[0]):
        for i in range(query.shape[1]):
            scores = {j: score(query[b, i], keys[b, j]) for j in range(keys.shape[1]) if mask[b, j]}
            for j, share in shares(scores).items():
                weights[b, i, j] = share
    return weights, weights @ np.where(mask[..., None], values, 0)
