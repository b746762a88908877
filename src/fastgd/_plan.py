"""What is to be minimized and how: checked, and such that any range of the problems can be solved anywhere."""

from _thread import RLock
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ._core.derivatives import hessian
from ._core.directions.noise import GaussianNoise
from ._core.evaluation.clock import Clock
from ._core.evaluation.evaluator import Evaluator
from ._core.loop import run
from ._core.memory.problems import Sink, Source
from ._core.objectives.objective import Objective
from ._core.searches.rates import LearningRates
from ._inputs import Points, as_batch_args, as_float, as_real_array
from ._objective import HESSIAN, as_objective, is_jitted, recognize
from ._unraisable import unraisable_as_error
from .result import ARRAYS

# Problems in a chunk. It depends on the kind of function, n_dim and the size of the batch, and never on the workers,
# because a NumPy function whose values depend on the number of points (matrix products do) would make the results
# depend on it.
LARGEST_POINTWISE_CHUNK = 256
POINTWISE_CHUNKS = 64  # of a smaller batch: the function may take seconds
SMALLEST_COMPILED_CHUNK = 4_096  # with far fewer, the end of a chunk, where its lanes empty, takes a notable share
COMPILED_CHUNKS = 64  # of a larger batch, and more of one whose chunks would have more problems than these:
LARGEST_COMPILED_CHUNK = 16_384
VECTORIZED_CHUNK_BYTES = 1 << 22  # of coordinates: some of the blocks that a function gets; within these limits,
SMALLEST_VECTORIZED_CHUNK = 4_096  # because NumPy's overhead per call weighs more on few columns
LARGEST_VECTORIZED_CHUNK = 65_536

# Of Hessians that are exact but for rounding, and of those by differences: relative, about.
EPS = 2.0**-52
ERROR_OF_DIFFERENCES = 2.0**-26


@dataclass(frozen=True, eq=False, repr=False)
class Plan:
    """A batch of problems, or a range of one."""

    # as the user gave them; fun and jac themselves, where they were given by name
    fun: Any
    jac: Any
    args: tuple
    vectorized: Any
    unpack: Any
    batch_args: tuple
    method: Any
    keep_best: bool
    maximize: bool
    record_errors: bool
    given: Any  # fun and jac, perhaps by name: so they are sent to other processes
    points: Points
    bounds: tuple  # lower and upper as rows, or None
    limits: dict  # by name: of every problem the learning rate, the tolerances and the most that it may take
    x_scale: Any  # powers of two as rows, or None: 1, or
    finds_scale: bool  # found at the start of each problem
    noise: tuple | None  # scale, decay and key
    rates: Any  # the learning rates of any iterations, a Rates, if they change
    batch_shape: tuple  # of the whole batch, also where this is a range,
    first: int = 0  # and then the number of its first problem

    def flat(self):
        """The same with a single axis of problems; a problem without such an axis stays as it is."""
        points = self.points
        if len(points.shape) <= 1:
            return self
        return replace(self, points=Points(points.rows, points.rows.shape),
                       batch_args=as_batch_args(self.batch_args, points))

    def part(self, start, stop):
        """A range of the problems of a flat plan."""
        return replace(self.chosen(slice(start, stop)), first=self.first + start)

    def sample(self, size):
        """A few problems of the first chunk of a flat plan: at their points jitted functions are checked."""
        first = self.points.rows[:size]
        return self.chosen(Points(first, first.shape).sample_rows())

    def chosen(self, problems):
        if len(self.points.shape) <= 1:
            return self
        rows = np.asarray(self.points.rows[problems], np.float64)
        return replace(
            self,
            batch_args=tuple(values[problems] for values in self.batch_args),
            points=Points(rows, rows.shape),
            bounds=tuple(side if side is None else side[problems] for side in self.bounds),
            x_scale=None if self.x_scale is None else self.x_scale[problems],
            limits={name: values[problems] for name, values in self.limits.items()},
        )

    @property
    def kind(self):
        """How its function is called: "pointwise" and "vectorized" ones are Python, others "compiled"."""
        if not callable(self.fun) or is_jitted(self.fun) or recognize(self.fun) is not None:
            return "compiled"
        return "vectorized" if self.vectorized else "pointwise"

    def chunk_size(self):
        """How many problems are in a chunk, if the user does not say it."""
        if self.kind == "pointwise":
            return min(max(self.points.n_problems // POINTWISE_CHUNKS, 1), LARGEST_POINTWISE_CHUNK)
        if self.kind == "vectorized":
            size = VECTORIZED_CHUNK_BYTES // (8 * self.points.n_dim)
            return min(max(size, SMALLEST_VECTORIZED_CHUNK), LARGEST_VECTORIZED_CHUNK)
        size = min(max(-(-self.points.n_problems // COMPILED_CHUNKS), SMALLEST_COMPILED_CHUNK), LARGEST_COMPILED_CHUNK)
        n_chunks = -(-self.points.n_problems // size)
        if n_chunks > 1:  # as many for each of 2 workers, or of 4 and 8
            shares = 2 if n_chunks <= 8 else 8
            n_chunks = -(-n_chunks // shares) * shares
        return -(-self.points.n_problems // max(n_chunks, 1)) or SMALLEST_COMPILED_CHUNK

    def data_size(self):
        """How many numbers are in its batch_args."""
        return sum(values.size for values in self.batch_args)

    def objective(self, hessians=False):
        """The core's objective for these problems, the stencil of its differences, and the C functions it calls."""
        return as_objective(self.fun, self.points, self.args, self.jac, self.vectorized, self.unpack, self.batch_args,
                            self.maximize, self.record_errors, self.bounds, hessians or self.method.uses_hessians)

    def solve(self, answers, maxtime=np.inf, observer=None, running=None, made=None):
        """Minimizes all problems and writes what comes out into the arrays `answers`.

        To the list `running` comes the clock of the run, which can cancel it. `made` is what `objective` has returned,
        if it was called.
        """
        objective, stencil, functions = made or self.objective()
        clock = Clock()
        if running is not None:
            running.append(clock)
        lower, upper = self.bounds
        source = Source(self.points.rows, self.limits, lower=lower, upper=upper, x_scale=self.x_scale,
                        first=self.first, batch_shape=self.batch_shape)
        watched = None if observer is None or observer.watched is None else observer.watched[
            self.first:self.first + self.points.n_problems]
        noise = None if self.noise is None else GaussianNoise(*self.noise)
        rates = None if self.rates is None else LearningRates(self.rates)
        evaluator = Evaluator(objective, stencil, clock, self.maximize)
        with unraisable_as_error(functions, clock):
            run(evaluator, self.method.rule(), source, Sink(**answers), rates=rates, noise=noise,
                keep_best=self.keep_best, finds_scale=self.finds_scale,
                gtol_is_absolute=not np.isnan(self.limits["gtol"][:1]).all(),
                checks_jac=self.jac is True or callable(self.jac), maxtime=maxtime, observer=observer, watched=watched)

    def hessians(self, numbers, x):
        """Hessians of what is minimized at the answers x (n, n_dim) of the problems with these numbers, or of all.

        With them come the coordinates that are at a bound there, what rounding may make of the diagonals, and how exact
        the formula is, relative to the Hessian.
        """
        if numbers is None:
            return replace(self, points=Points(x, self.points.shape)).hessians_at_points()
        if isinstance(self.fun, Objective) and len(numbers) > 1:  # it may look at the numbers
            parts = [self.hessians(numbers[k:k + 1], x[k:k + 1]) for k in range(len(numbers))]
            found, at_bound, rounding, _ = zip(*parts, strict=True)
            return *map(np.concatenate, (found, at_bound, rounding)), parts[0][3]
        part = replace(self.flat().chosen(numbers), first=int(numbers[0]) if len(numbers) else 0)
        return replace(part, points=Points(x, x.shape)).hessians_at_points()

    def hessians_at_points(self):
        rows, (lower, upper) = self.points.rows, self.bounds
        objective, stencil, functions = self.objective(hessians=True)
        clock = Clock()
        evaluator = Evaluator(objective, stencil, clock, self.maximize)
        rounding = np.zeros(rows.shape)
        with unraisable_as_error(functions, clock):
            found, _ = hessian(evaluator, rows, rows.shape, lower, upper, self.x_scale, self.first, rounding, True)
        at_bound = np.zeros(rows.shape, bool) if lower is None else (rows == lower) | (rows == upper)
        return found, at_bound, rounding, EPS if objective.supplies & HESSIAN else ERROR_OF_DIFFERENCES

    def leave(self, answers, status):
        """Answers for problems that are not begun: x0 and nothing else."""
        answers["x"][...] = self.points.rows
        answers["jac"][...] = answers["fun"][...] = np.nan
        answers["seen"][...] = answers["expected"][...] = np.nan
        for name in ("nit", "nfev", "njev", "reason"):
            answers[name][...] = 0
        answers["status"][...] = status


class Rates:
    """Learning rates by iteration. The user's function is called once for each, however many chunks and threads ask."""

    def __init__(self, function):
        self.function = function
        self.known = []
        self.lock = RLock()

    def __call__(self, start, stop):
        from .schedules import Schedule

        if isinstance(self.function, Schedule):
            rates = as_real_array(self.function(np.arange(start, stop)), "learning_rate").astype(np.float64)
            wrong = np.flatnonzero(~((rates >= 0.0) & (rates < np.inf)))
            if wrong.size:  # the schedule is one of the user's own
                as_rate(rates[wrong[0]], start + wrong[0])
            return rates
        with self.lock:
            for k in range(len(self.known), stop):
                rate = self.function(k)
                self.known.append(as_rate(rate[()] if isinstance(rate, np.ndarray) and rate.ndim == 0 else rate, k))
            return np.array(self.known[start:stop], np.float64)


def as_rate(rate, k):
    """Of iteration k, if it can be one."""
    return as_float(rate, f"learning_rate({k})")


def as_rates(method):
    return Rates(method.fixed_rate) if callable(method.fixed_rate) else None


def allocate(points, given=None):
    """Arrays for the answers: new ones, in the place of those that are not given."""
    given, shapes = given or {}, {True: points.rows.shape, False: points.n_problems}
    try:
        return {name: given[name] if name in given else np.empty(shapes[has_rows], dtype)
                for name, (has_rows, dtype) in ARRAYS.items()}
    except MemoryError:
        n_bytes = 8 * points.n_problems * sum(points.n_dim if has_rows else 1 for has_rows, _ in ARRAYS.values())
        raise MemoryError(f"the results of {points.n_problems} problems of {points.n_dim} dimensions need {n_bytes} "
                          "bytes") from None
