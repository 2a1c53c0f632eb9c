"""The account of a source: its counts add up, and it says what is left out and why."""

import json

import pytest

from regard.data.account import HIDDEN, Account, LeftOut, Tally, printable


def account(**changes):
    given = {
        "found": 8,
        "used": {"train": 3, "val": 1},
        "left_out": (
            LeftOut("a.png", "it is empty"),
            LeftOut("b.png", "it is empty"),
            LeftOut("c/", HIDDEN, bad=False),
        ),
        "unknown": ("notes.txt",),
    }
    return Account(**(given | changes))


def test_inconsistent_counts_are_a_bug():
    with pytest.raises(AssertionError, match="9 files were found, but 8 are accounted for"):
        account(found=9)


def test_prints_counts_and_reasons_by_frequency():
    first, *rest = str(account()).split("\n")
    assert first == "8 files: 4 used (train 3, val 1), 3 left out, 1 not understood"
    assert rest[0] == "  2 left out, it is empty: a.png, b.png"
    assert rest[2] == "  1 not understood, as the name is not that of an image: notes.txt"
    assert list(account().lines(most=1))[-1] == "  and 2 more reasons"


def test_it_goes_into_json_whole():
    record = json.loads(json.dumps(account().to_json()))
    assert record["found"] == sum(record["used"].values()) + len(record["left_out"]) + len(record["not_understood"])
    assert record["left_out"][0] == {"path": "a.png", "reason": "it is empty", "bad": True}


def test_what_is_hidden_leaves_it_complete():
    assert not account().complete
    assert Account(2, {"train": 1}, (LeftOut(".x", HIDDEN, bad=False),)).complete


def test_a_tally_becomes_an_account():
    tally, other = Tally(3), Tally(2)
    other.unknown.append("x.txt")
    tally.add(other)
    tally.leave_out(["y.png"], "not wanted")
    settled = tally.settle({"train": 3})
    assert (settled.found, settled.bad, settled.unknown) == (5, (), ("x.txt",))


@pytest.mark.parametrize(("name", "shown"), [("caf\udce9", r"caf\xe9"), ("猫", "猫"), ("a b", "a b")])
def test_any_name_can_be_printed(name, shown):
    assert printable(name) == shown
    printable(name).encode("utf-8")
