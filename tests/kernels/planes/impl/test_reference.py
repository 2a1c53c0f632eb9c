import torch

from regard.kernels.planes.impl.reference import convolve_planes


def test_a_single_weight_in_the_middle_scales():
    x, weight = torch.randn(2, 1, 4, 5), torch.zeros(1, 1, 3, 3)
    weight[0, 0, 1, 1] = 2
    torch.testing.assert_close(convolve_planes(x, weight), 2 * x)
