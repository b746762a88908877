"""The command line: ``fastgd``, or ``python -m fastgd``."""

import argparse
import os
import sys
from pathlib import Path

from . import __version__
from ._commands import WrongInputError, bench, demo, info, minimize
from ._inputs import did_you_mean

#: After what kind of end: argparse has 2 for wrong input, too, and shells have 128 + SIGINT for Ctrl-C.
FAILED, WRONG_INPUT, INTERRUPTED = 1, 2, 130


class Parser(argparse.ArgumentParser):
    """Errors are one line: argparse prints the usage before it, which hides what is wrong."""

    def error(self, message):
        self.exit(WRONG_INPUT, f"fastgd: error: {message} (see {self.prog} --help)\n")


def make_parser():
    prog = "python -m fastgd" if Path(sys.argv[0]).name == "__main__.py" else "fastgd"
    parser = Parser(
        prog=prog, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Minimize functions you can call but not differentiate.",
        epilog=f"'{prog} demo' is the quickest way to see what fastgd does; '{prog} minimize --help' has examples.\n"
               "Exit codes: 0 success, 1 the run did not succeed, 2 wrong input, 130 Ctrl-C.")
    parser.add_argument("--version", action="version", version=f"fastgd {__version__}")
    # print_help swallows a broken pipe
    parser.set_defaults(run=lambda options: print(parser.format_help(), end=""), parser=parser)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    for command in (demo, info, minimize, bench):
        command.add_to(commands)
    return parser


def main(arguments=None):
    """Runs a command and returns the exit code; without a command it says which there are."""
    options, unknown = make_parser().parse_known_args(
        minimize.with_joined_numbers(sys.argv[1:] if arguments is None else arguments))
    if unknown:  # the command says so: its help has the options
        hint = did_you_mean(unknown[0].partition("=")[0], options.parser._option_string_actions)
        options.parser.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
    try:
        code = options.run(options) or 0
        sys.stdout.flush()
    except WrongInputError as error:
        print(f"fastgd: error: {error}", file=sys.stderr)
        return WRONG_INPUT
    except KeyboardInterrupt:
        print("fastgd: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python writes at its end
        return FAILED
    return code


if __name__ == "__main__":
    sys.exit(main())
