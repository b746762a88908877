"""Times that can be compared, and the table that shows them."""

from time import perf_counter


def timed(*functions, rounds):
    """What each function returns, and its best time in seconds.

    They take turns: what disturbs the machine for a while disturbs all of them.
    """
    seconds = [[] for _ in functions]
    for _ in range(rounds):
        answers = []
        for function, times in zip(functions, seconds, strict=True):
            begin = perf_counter()
            answers.append(function())
            times.append(perf_counter() - begin)
    return answers, [min(times) for times in seconds]


def print_times(rows, unit="ms", factor=1e3):
    """A line for each way, (name, seconds); the first is the one that the others are compared with."""
    print(f"{'':<44}{unit:>12}{'ratio':>9}")
    for name, seconds in rows:
        print(f"{name:<44}{factor * seconds:>12.1f}{seconds / rows[0][1]:>9.2f}")
