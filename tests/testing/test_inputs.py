import torch

from regard.testing.inputs import MANY, PLAIN, SIZES, amplify, features


def test_features_depend_on_their_arguments_only():
    torch.manual_seed(1)
    first = features(3, (4, 5))
    torch.manual_seed(2)
    assert torch.equal(features(3, (4, 5)), first)
    assert first.shape == (2, 3, 4, 5)
    assert not torch.equal(features(3, (4, 5), draw=1), first)
    assert not torch.equal(features(3, (4, 5), batch=3)[:2], first)


def test_features_do_not_move_the_global_generator():
    before = torch.get_rng_state()
    features()
    assert torch.equal(torch.get_rng_state(), before)


def test_sizes_include_single_odd_even_and_non_square():
    for dims, sizes in SIZES.items():
        assert all(len(size) == dims for size in (*sizes, PLAIN[dims], MANY[dims]))
        assert (1,) * dims in sizes
        flat = {n for size in sizes for n in size}
        assert any(n % 2 for n in flat - {1})
        assert any(n % 2 == 0 for n in flat)
        assert dims == 1 or any(len(set(size)) == dims for size in sizes)


def test_sums_of_squares_of_loud_features_leave_float16():
    for dims, size in MANY.items():
        x = amplify(features(8, size)).half()
        assert x.square().isfinite().all()
        assert x.float().square().sum(tuple(range(2, 2 + dims))).half().isinf().all()
