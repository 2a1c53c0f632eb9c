"""The entry point of the command line: find, parse and call a command, print its result or its error."""

import io
import os
import sys
import warnings
from collections.abc import Sequence
from typing import TextIO

from regard.cli.commands import COMMANDS, Command
from regard.cli.faults import sentence_of
from regard.cli.words import UsageError, nearest
from regard.recipes.console import out, say

USER_ERROR = 2
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs `regard` with `arguments` (default: those of the process) and returns the exit status.

    0: success. 2: an error that the user can fix; the message says how. 130: stopped by Ctrl-C. Any other error is a
    bug in regard and keeps its traceback.
    """
    warnings.showwarning = _warn
    _escape_unprintable()
    try:
        _run(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
    except KeyboardInterrupt as stopped:
        print(f"\n{str(stopped) or 'Stopped. Everything finished is kept.'}", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except UsageError as error:
        return _refuse(str(error))
    except Exception as error:
        from regard.core.errors import RegardError

        sentence = str(error) if isinstance(error, RegardError) else sentence_of(error)
        if sentence is None:
            raise
        return _refuse(sentence)
    return 0


def _run(arguments: list[str]) -> None:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        from regard.cli.pages import overview

        out.print(overview(COMMANDS))
        return
    if arguments[0] == "--version":
        from regard import __version__

        out.print(f"regard {__version__}", highlight=False)
        return
    command, rest = find_command(arguments)
    recipe = command.load()
    from regard.cli.parser import CommandParser

    parser = CommandParser(command.name, recipe, command.words)
    if any(word in ("-h", "--help") for word in rest):
        from regard.cli.pages import command_page

        out.print(command_page(parser, recipe))
        return
    keywords = parser.parse(rest)
    result = keywords if isinstance(keywords, str) else recipe(**keywords)
    if hasattr(result, "__rich__"):
        out.print(result)
    elif result is not None:
        print(result)


def find_command(arguments: Sequence[str]) -> tuple[Command, list[str]]:
    """Returns the command that `arguments` begin with, and the rest.

    Raises:
        UsageError: there is no such command; the message names the nearest.
    """
    for command in COMMANDS:
        words = command.name.split()
        if list(arguments[: len(words)]) == words:
            return command, list(arguments[len(words) :])
    first = arguments[0]
    longer = [c.name for c in COMMANDS if c.name.startswith(f"{first} ")]
    if longer:
        raise UsageError(f"`regard {first}` is not complete; there is: {', '.join(f'regard {n}' for n in longer)}.")
    names = [c.name for c in COMMANDS]
    raise UsageError(f"There is no command {first!r}.{nearest(first, names)} There are: {', '.join(names)}.")


def _escape_unprintable() -> None:
    """Escapes characters that the terminal's encoding lacks, and bytes of file names that are not characters."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _refuse(sentence: str) -> int:
    print(f"error: {sentence}", file=sys.stderr)
    return USER_ERROR


def _warn(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    """Prints a warning as one sentence, without the line of source that raised it."""
    say(f"warning: {message}", style="yellow")
