"""Remarks go to standard error as they are written."""

from regard.recipes.console import out, say


def test_remarks_go_to_standard_error_with_brackets(capsys):
    say("runs/[red]/a.json")
    captured = capsys.readouterr()
    assert captured.err == "runs/[red]/a.json\n"
    assert captured.out == ""


def test_a_result_goes_to_standard_output(capsys):
    out.print("x")
    assert capsys.readouterr().out == "x\n"


def test_long_remarks_in_a_file_are_one_line(capsys):
    say("x " * 200)
    assert capsys.readouterr().err.count("\n") == 1


def test_colons_make_no_emoji(capsys):
    say("sound:sound: 2 classes")
    assert "sound:sound: 2 classes" in capsys.readouterr().err
