"""Tables of text."""

from regard.surgery.tables import table


def test_numbers_stand_on_the_right():
    lines = table(("a", "n"), [("x", 1000), ("yy", 7)]).splitlines()
    assert lines == ["a       n", "x   1,000", "yy      7"]


def test_a_table_without_rows_is_its_head():
    assert table(("a", "b"), []) == "a  b"
