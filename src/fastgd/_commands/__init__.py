"""The subcommands of the command line, a module each: `add_to` describes one, its `run` does it.

A run returns the exit code, or None for 0. What only some commands need is imported when they run, so that `--help`
comes at once.
"""

from argparse import RawDescriptionHelpFormatter


class WrongInputError(Exception):
    """The command cannot do what it was asked to: the message is one line, and the exit code 2."""


def add_command(commands, name, run, summary, description, epilog=None):
    """The parser of a subcommand, whose texts keep their lines."""
    parser = commands.add_parser(name, help=summary, description=description, epilog=epilog, allow_abbrev=False,
                                 formatter_class=RawDescriptionHelpFormatter)
    parser.set_defaults(run=run, parser=parser)
    return parser
