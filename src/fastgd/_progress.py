"""How far a run is: by tqdm, by a line on stderr, or by the user's function."""

import sys
from contextlib import contextmanager
from time import monotonic

SECONDS_BETWEEN_LINES = 1.0


def as_progress(progress, n_problems, n_done):
    """What shows the progress of a run that begins with so many problems done."""
    if progress is True:
        return Display(n_problems, n_done)
    if not callable(progress):
        raise TypeError(f"progress must be True, False or a function (done, total), got {type(progress).__name__}")
    return Call(progress)


class Call:
    """A function of the user's: of the numbers of problems that are done, and of all."""

    def __init__(self, function):
        self.function = function

    def show(self, n_done, n_problems, status):
        self.function(n_done, n_problems)

    def close(self):
        pass


class Display:
    """A bar or a line, as long as somebody can see it: whoever reads stderr may go away in the midst of a run."""

    def __init__(self, n_problems, n_done):
        self.shown = None
        if sys.stderr is None:
            return
        try:
            from tqdm.auto import tqdm  # type: ignore[import-untyped, import-not-found]
        except ImportError:
            self.shown = Line()
        else:
            with self.while_it_can_be_seen():
                self.shown = Bar(tqdm(total=n_problems, initial=n_done, unit=" problems"))

    @contextmanager
    def while_it_can_be_seen(self):
        try:
            yield
        except (OSError, ValueError):  # a broken pipe, or a file that is closed
            self.shown = None

    def show(self, *numbers):
        if self.shown is not None:
            with self.while_it_can_be_seen():
                self.shown.show(*numbers)

    def close(self):
        if self.shown is not None:
            with self.while_it_can_be_seen():
                self.shown.close()


class Bar:
    def __init__(self, bar):
        self.bar = bar
        self.share = Share()

    def show(self, n_done, n_problems, status):
        self.bar.set_postfix_str(self.share.text(status), refresh=False)
        self.bar.update(n_done - self.bar.n)

    def close(self):
        self.bar.close()


class Line:
    """A line that is written over itself, without tqdm."""

    def __init__(self):
        self.share = Share()
        self.last = -SECONDS_BETWEEN_LINES
        self.width = 0

    def show(self, n_done, n_problems, status):
        text = self.share.text(status)
        if n_done == n_problems or monotonic() - self.last > SECONDS_BETWEEN_LINES:
            line = f"{n_done} of {n_problems} problems, {text}".ljust(self.width)
            print(f"\r{line}", end="", file=sys.stderr, flush=True)
            self.last, self.width = monotonic(), len(line.rstrip())

    def close(self):
        if self.share.n_ended:
            print(file=sys.stderr)


class Share:
    """Of the problems that have ended, those that converged."""

    def __init__(self):
        self.n_converged = self.n_ended = 0

    def text(self, status):
        self.n_converged += int((status >= 0).sum())
        self.n_ended += len(status)
        return f"{self.n_converged / self.n_ended:.0%} converged"
