"""Silence holds inside and ends with it."""

import logging
import warnings

import pytest
from lightning.pytorch.utilities.rank_zero import rank_zero_info, rank_zero_warn

from regard.training.quiet import quiet


def test_lightning_is_silent_inside_and_talks_again_afterwards(caplog):
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    with quiet(), warnings.catch_warnings(record=True) as caught:
        warnings.filterwarnings("ignore", module=r"lightning\.")
        rank_zero_info("GPU available")
    assert not caught
    assert not caplog.records
    assert logger.level == level


def test_warnings_of_others_are_heard():
    with quiet(), pytest.warns(UserWarning, match="of a network"):
        warnings.warn("of a network", UserWarning, stacklevel=1)
    with pytest.warns(UserWarning, match="of Lightning"):
        rank_zero_warn("of Lightning")


def test_levels_come_back_after_an_error():
    level = logging.getLogger("lightning").level
    with pytest.raises(ZeroDivisionError), quiet():
        _ = 1 / 0
    assert logging.getLogger("lightning").level == level
