import json

import pytest

from regard.core import UnknownNameError
from regard.explanation import Ablation, Drop, Row


def row(mode, lost=(), gained=(), renormalised=False):
    drop = Drop(5.0, 4.0, 6.0) if lost else None
    draws = (0.75,) * max(len(lost), 1)
    return Row(mode=mode, renormalised=renormalised, draws=draws, drop=drop, lost=lost, gained=gained)


def ablation(*rows):
    return Ablation(rows=(row("trained"), *rows), images=100, training_images=50, taps=(("a.gate", "gate"),), seed=1)


@pytest.mark.parametrize(
    ("rows", "shown"),
    [
        ([row("mean", (9,), (1,)), row("swapped", (20, 18), (2, 3))], True),
        ([row("mean", (3,), (1,)), row("swapped", (20, 18), (2, 3))], False),  # constant maps do as well
        ([row("mean", (9,), (1,)), row("swapped", (20, 4), (2, 3))], False),  # one draw loses nothing
        ([row("mean", (1,), (9,)), row("swapped", (20,), (2,))], False),  # gains are no loss
        ([row("mean", (9,), (1,)), row("swapped", (20,), (2,)), row("swapped", (2,), (2,), True)], False),
        ([row("swapped", (20,), (2,))], None),
        ([row("mean", (9,), (1,)), row("permuted", (90,), (0,)), row("neutral", (90,), (0,))], None),
        ([row("mean", (0,), (0,)), row("swapped", (0,), (0,)), row("permuted", (90,), (0,))], False),
    ],
)
def test_only_frozen_and_swapped_maps_show_dependence(rows, shown):
    assert ablation(*rows).depends_on_input is shown


def test_verdict_has_conclusion_and_numbers():
    shown = ablation(row("mean", (9,), (1,)), row("swapped", (20,), (2,)))
    assert shown.verdict().startswith("The accuracy depends on")
    assert "frozen at their mean 5.0 [4.0, 6.0]; taken from another image 5.0 [4.0, 6.0]" in shown.verdict()
    assert "constants may do as well" not in shown.verdict()
    swapped = ablation(row("mean", (0,), (0,)), row("swapped", (9,), (0,))).verdict()
    assert swapped.startswith("It is not shown that")
    assert swapped.endswith("constants may do as well.")
    assert "not examined" in ablation(row("neutral", (9,), (0,))).verdict()


def test_the_record_survives_json():
    one = ablation(row("mean", (9,), (1,)), row("swapped", (20, 18), (2, 3), True))
    text = json.dumps(one.to_json())
    assert Ablation.from_json(json.loads(text)) == one
    assert json.loads(text)["depends_on_input"] is True


def test_rows_are_found_by_mode():
    one = ablation(row("mean", (9,), (1,)))
    assert one.row("mean").accuracy == 0.75
    with pytest.raises(UnknownNameError, match=r"no row 'mean, renormalised'; it has: trained, mean"):
        one.row("mean", renormalised=True)


def test_the_text_has_a_line_a_row():
    lines = str(ablation(row("mean", (9,), (1,)))).splitlines()
    assert lines[1].split() == ["trained", "75.0"]
    assert lines[2].split() == ["mean", "75.0", "5.0", "[4.0,", "6.0]"]
