"""Timings that can be compared: the sides take turns, in one process, and the best round of each counts,
or the median of their ratios.

Also how a benchmark of several comparisons is run and what it prints.
"""

import argparse
import gc
import statistics
import subprocess
import sys
import time

# So long do the rounds go on from which the best is taken, however short they are: in fewer the machine may not have
# been undisturbed once.
LEAST_SECONDS = 5.0


def best_seconds(*functions, rounds=7):
    """The shortest time of each function, all of them called in turn in every round: in as many as are asked for, and
    in more if they are short. (A single round is one to check the answers.)"""
    return [min(seconds) for seconds in zip(*timed_rounds(functions, rounds, LEAST_SECONDS if rounds > 1 else 0.0),
                                            strict=True)]


def median_ratios(*functions, rounds=15):
    """The median over the rounds of the time of each function by that of the last.

    For work on several cores beside work on one: best rounds do not compare, because one core is free more often than
    all are at the same time.
    """
    ratios = [[first / seconds[-1] for first in seconds[:-1]] for seconds in timed_rounds(functions, rounds, 0.0)]
    return [statistics.median(of_one) for of_one in zip(*ratios, strict=True)]


def timed_rounds(functions, rounds, least_seconds):
    """The seconds of each function in each round."""
    gc.collect()
    gc.disable()
    try:
        begin, timed = time.perf_counter(), []
        while len(timed) < rounds or time.perf_counter() < begin + least_seconds:
            timed.append([seconds_of(function) for function in functions])
        return timed
    finally:
        gc.enable()


def seconds_of(function):
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


def report(what, figure, goal=None):
    """A line with a ratio or another figure, and the goal that it should not exceed.

    Goals are for a shared machine with AVX2: whether one is met depends on the machine, as no check of answers does."""
    verdict = "" if goal is None else f"   goal {goal:.2f}   {'ok' if figure <= goal else 'MISSED'}"
    print(f"{what:<66} {figure:8.3f}{verdict}", flush=True)


def run_comparisons(module, doc, comparisons):
    """The command line of a module: each comparison (a function of `quick`) in a process of its own."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=doc.split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="comparison", choices=[*comparisons, []],
                        help=", ".join(comparisons))
    parser.add_argument("--quick", action="store_true", help="check the answers only")
    options = parser.parse_args()
    if len(options.names) == 1:
        comparisons[options.names[0]](options.quick)
        return
    for name in options.names or comparisons:
        command = [sys.executable, "-m", module, name, *(["--quick"] if options.quick else [])]
        subprocess.run(command, check=True)
