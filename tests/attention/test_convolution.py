import pytest
from torch import nn

from regard.attention.convolution import convolution
from regard.core import OptionError


def test_there_is_one_for_each_number_of_axes():
    assert [convolution("sk", d) for d in (1, 2, 3)] == [nn.Conv1d, nn.Conv2d, nn.Conv3d]


def test_another_number_is_refused_in_the_owners_name():
    with pytest.raises(OptionError, match="sk: dims=4 is not allowed; choose one of 1, 2, 3"):
        convolution("sk", 4)
