"""Exit statuses, and what is written to standard output and standard error."""

import os
import signal
import subprocess
import sys
import time

import pytest

from regard.cli import main as entry
from regard.cli.commands import Command
from regard.cli.main import main

RECIPES = '''
import errno, warnings
from regard.core import RunError

def refuse():
    """Refuses."""
    raise RunError("The run folder x is another's: choose another --out.")

def fill():
    """Fills the disk."""
    raise OSError(errno.ENOSPC, "No space left on device", "x.json")

def stop(*, text: str = ""):
    """Is stopped."""
    raise KeyboardInterrupt(*([text] if text else []))

def fail():
    """Has a bug."""
    raise IndexError("ours")

def warn():
    """Warns."""
    warnings.warn("be careful [here]", stacklevel=1)
    return "done"

def nothing():
    """Returns nothing."""
'''


@pytest.fixture(autouse=True)
def commands(tmp_path, monkeypatch):
    (tmp_path / "odd_recipes.py").write_text(RECIPES)
    monkeypatch.syspath_prepend(tmp_path)
    names = ("refuse", "fill", "stop", "fail", "warn", "nothing")
    extra = tuple(Command(name, f"odd_recipes:{name}") for name in names)
    monkeypatch.setattr(entry, "COMMANDS", (*entry.COMMANDS, *extra, Command("two words", "odd_recipes:warn")))
    yield
    sys.modules.pop("odd_recipes", None)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["refuse"], "error: The run folder x is another's: choose another --out.\n"),
        (["fill"], "error: The disk is full: x.json could not be written."),
        (["lits"], "error: There is no command 'lits'. Did you mean list?"),
        (["list", "--famly", "x"], "Did you mean --family?"),
        (["show", "cbma"], "Did you mean 'cbam'?"),
        (["two"], "error: `regard two` is not complete; there is: regard two words."),
    ],
)
def test_user_errors_are_one_sentence_and_status_2(capsys, arguments, said):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""


def test_a_bug_keeps_its_traceback():
    with pytest.raises(IndexError):
        main(["fail"])


def test_ctrl_c_is_one_line_and_status_130(capsys):
    assert main(["stop"]) == 130
    assert capsys.readouterr().err.strip() == "Stopped. Everything finished is kept."
    assert main(["stop", "--text", "Continue with: regard train --resume x"]) == 130
    assert capsys.readouterr().err.strip() == "Continue with: regard train --resume x"


def test_a_warning_is_one_line_beside_the_result(capsys):
    assert main(["two", "words"]) == 0
    captured = capsys.readouterr()
    assert captured.out == "done\n"
    assert captured.err == "warning: be careful [here]\n"


def test_a_recipe_that_returns_nothing_prints_nothing(capsys):
    assert main(["nothing"]) == 0
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"], ["help"]])
def test_regard_alone_lists_the_commands(capsys, arguments):
    assert main(arguments) == 0
    assert "regard COMMAND --help" in capsys.readouterr().out


def test_results_and_versions_go_to_standard_output(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("regard 0.")
    assert main(["cite", "se"]) == 0
    assert capsys.readouterr().out.startswith("@inproceedings{hu2018squeeze,")
    assert main(["list", "--print-config"]) == 0
    assert capsys.readouterr().out.startswith("family: null\nkind: null\n")
    assert main(["list", "--help"]) == 0
    assert "--family" in capsys.readouterr().out


def test_a_reader_that_goes_away_is_no_error():
    command = [sys.executable, "-c", "from regard.cli.main import main; raise SystemExit(main(['cite', 'se', 'cbam']))"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    errors = process.stderr.read()
    assert process.wait() == 0
    assert errors == b""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
def test_ctrl_c_ends_the_process_without_traceback():
    code = (
        "import time, regard.cli.main as m\n"
        "m._run = lambda arguments: (print('ready', flush=True), time.sleep(60))\n"
        "raise SystemExit(m.main([]))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in errors


def test_help_and_misspelt_commands_skip_pytorch():
    code = (
        "import sys; from regard.cli.main import main; main([]); main(['--version']); main(['lits']); "
        "sys.exit(any(name in sys.modules for name in ('torch', 'numpy', 'matplotlib')))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
