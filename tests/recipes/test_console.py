"""Remarks go to standard error as they are written."""

from regard.recipes.console import out, say


def test_a_remark_goes_to_standard_error_with_its_brackets(capsys):
    say("runs/[red]/a.json")
    captured = capsys.readouterr()
    assert captured.err == "runs/[red]/a.json\n"
    assert captured.out == ""


def test_a_result_goes_to_standard_output(capsys):
    out.print("x")
    assert capsys.readouterr().out == "x\n"
