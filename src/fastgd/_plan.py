"""What is to be minimized and how: checked, and such that any range of the problems can be solved anywhere."""

import numpy as np

from ._core.descent import run
from ._core.lanes import Sink, Source
from ._core.noise import GaussianNoise
from ._core.update import LearningRates
from ._inputs import Points, as_batch_args, as_float
from ._objective import as_objective
from ._unraisable import unraisable_as_error


class Plan:
    """A batch of problems, or a range of one.

    Attributes
    ----------
    fun, args, jac, vectorized, unpack, batch_args, method, keep_best, maximize, record_errors
        As the user gave them.
    points : Points
    bounds : tuple
        Lower and upper as rows, or None.
    numbers : dict
        By name: of every problem the learning rate, tolerances and limits.
    noise : tuple, optional
        Scale, decay and key.
    values : bool
        Whether f is wanted at every iterate.
    first : int
        The number of the first problem, where this is a range.
    """

    def __init__(self, *, first=0, **fields):
        self.first = first
        self.__dict__.update(fields)

    def but(self, **changes):
        """The same with other attributes."""
        return Plan(**{**self.__dict__, **changes})

    def part(self, start, stop):
        """A range of the problems, in memory of its own where that may change during the run."""
        rows = np.array(self.points.rows[start:stop], np.float64)
        return self.but(
            batch_args=tuple(array[start:stop] for array in as_batch_args(self.batch_args, self.points)),
            points=Points(rows, rows.shape),
            bounds=tuple(side if side is None else side[start:stop] for side in self.bounds),
            numbers={name: values[start:stop] for name, values in self.numbers.items()},
            first=self.first + start,
        )

    def objective(self):
        """The core's objective for these problems, how its differences are taken, and the C functions it calls."""
        return as_objective(self.fun, self.points, self.args, self.jac, self.vectorized, self.unpack, self.batch_args,
                            self.maximize, self.record_errors)

    def solve(self, answers, maxtime=np.inf, observer=None, running=None):
        """Minimizes all problems and writes what comes out into the arrays `answers`.

        To the list `running` comes what can end the run: a difference, whose deadline may be set to 0.
        """
        objective, difference, functions = self.objective()
        if running is not None:
            running.append(difference)
        lower, upper = self.bounds
        source = Source(self.points.rows, **self.numbers, lower=lower, upper=upper, first=self.first)
        watched = None if observer is None or observer.watched is None else observer.watched[
            self.first:self.first + self.points.n_problems]
        noise = None if self.noise is None else GaussianNoise(*self.noise)
        with unraisable_as_error(functions, difference):
            run(objective, difference, self.method.rule(), source, Sink(**answers), rates=self.rates(), noise=noise,
                values=self.values, keep_best=self.keep_best, maxtime=maxtime, observer=observer, watched=watched)
        if self.maximize:
            answers["fun"] *= -1.0
            answers["jac"] *= -1.0

    def rates(self):
        """The rates of any iterations, if they change."""
        rate = self.method.learning_rate
        if not callable(rate):
            return None
        from .schedules import Schedule

        if isinstance(rate, Schedule):
            return LearningRates(lambda start, stop: rate(np.arange(start, stop)))
        return LearningRates(lambda start, stop: np.array([as_float(rate(k), f"learning_rate({k})")
                                                           for k in range(start, stop)]))

    def leave(self, answers, status):
        """Answers for problems that are not begun: x0 and nothing else."""
        answers["x"][...] = self.points.rows
        answers["jac"][...] = answers["fun"][...] = np.nan
        for name in ("nit", "nfev", "njev"):
            answers[name][...] = 0
        answers["status"][...] = status


def allocate(points, given=None):
    """Arrays for the answers: new ones, in the place of those that are not given."""
    n, rows = points.n_problems, points.rows.shape
    wanted = {"x": (rows, float), "jac": (rows, float), "fun": (n, float), "nit": (n, np.intp), "nfev": (n, np.intp),
              "njev": (n, np.intp), "status": (n, np.intp)}
    given = given or {}
    try:
        return {name: given[name] if name in given else np.empty(*how) for name, how in wanted.items()}
    except MemoryError:
        n_bytes = 8 * n * (2 * points.n_dim + 5)
        raise MemoryError(f"the results of {n} problems of {points.n_dim} dimensions need {n_bytes} bytes") from None
