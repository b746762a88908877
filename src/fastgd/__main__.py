"""The command line: ``python -m fastgd``."""

import argparse
import os
import sys

from . import __version__


def demo():
    """Minimizes a batch and prints what came out and how long it took."""
    from ._demo import run  # only what the command needs

    run()


def main(arguments=None):
    """Runs a command; without one it says which there are."""
    parser = argparse.ArgumentParser(prog="python -m fastgd",
                                     description="Minimize functions you can call but not differentiate.")
    parser.add_argument("--version", action="version", version=f"fastgd {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="command")
    commands.add_parser("demo", help="minimize some hundred problems, by fastgd and by plain NumPy (some seconds)",
                        description="Minimizes some hundred problems by fastgd and by plain NumPy, checks that the "
                                    "answers agree, and prints the times.").set_defaults(run=demo)
    options = parser.parse_args(arguments)
    try:
        if hasattr(options, "run"):
            options.run()
        else:
            print(parser.format_help(), end="")  # argparse's own way swallows a broken pipe
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python writes at its end
        sys.exit(1)


if __name__ == "__main__":
    main()
