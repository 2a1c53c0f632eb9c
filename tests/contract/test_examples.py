"""Every code block of the README, the docs and the other pages runs, in the order of its page."""

import re
import shlex

import pytest

from regard.attention import CATALOGUE, LOOKING, SEQUENTIAL
from regard.cli.commands import COMMANDS
from regard.cli.main import main
from tests.contract.examples import NOT_RUN, blocks, commands, lay_out_images, shorten, trains
from tests.contract.sources import PACKAGE, ROOT

PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *PACKAGE.rglob("*.md")])
LANGUAGES = {"python", "bash", "text", "yaml", "json", "csv", "bibtex"}


def parameters():
    for page in PAGES:
        if any(block.language in ("python", "bash") for block in blocks(page)):
            marks = [pytest.mark.example] if trains(page) else []
            yield pytest.param(page, marks=marks, id=str(page.relative_to(ROOT)))


@pytest.mark.parametrize("page", list(parameters()))
def test_a_page_runs_from_top_to_bottom(page, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    lay_out_images(tmp_path)
    names = {"__name__": "page"}
    for block in blocks(page):
        where = f"{page.relative_to(ROOT)}:{block.line}"
        if block.language == "python":
            exec(compile("\n" * block.line + block.text, where, "exec"), names)
        elif block.language == "bash":
            for command in commands(block):
                run(command, where, capsys)


def run(command, where, capsys):
    if command.startswith(tuple(NOT_RUN)):
        return
    assert f"{command} ".startswith("regard "), f"{where}: {command!r} is neither run nor listed in NOT_RUN"
    status = main(shorten(command))
    assert status == 0, f"{where}: {command!r} ended with {status}: {capsys.readouterr().err}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_block_says_its_language(page):
    unknown = [f"line {block.line}: {block.language!r}" for block in blocks(page) if block.language not in LANGUAGES]
    assert not unknown, f"{page.relative_to(ROOT)}: choose one of {sorted(LANGUAGES)} for {', '.join(unknown)}"


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_make_target_that_a_page_names_exists(page):
    targets = {
        line.split(":")[0] for line in (ROOT / "Makefile").read_text().splitlines() if ": " in line or ":" in line
    }
    for block in blocks(page):
        for command in commands(block) if block.language == "bash" else ():
            words = shlex.split(command)
            if words[0] == "make":
                assert all("=" in word or word in targets for word in words[1:]), command


def test_the_readme_names_every_mechanism_and_no_other():
    table = (ROOT / "README.md").read_text().partition("| attention to |")[2].partition("\n\n")[0]
    every = {mechanism.facts.name for mechanism in (*CATALOGUE, *LOOKING, *SEQUENTIAL)}
    assert set(re.findall(r"`(\w+)`", table)) == every


def test_every_command_is_named_in_the_readme():
    text = (ROOT / "README.md").read_text()
    assert [command.name for command in COMMANDS if f"`regard {command.name}`" not in text] == []
