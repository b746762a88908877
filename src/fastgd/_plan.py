"""What is to be minimized and how: checked, and such that any range of the problems can be solved anywhere."""

import functools
import math
import pickle
import time
from _thread import RLock
from typing import Any, NamedTuple

import numpy as np

from ._core.descent import run
from ._core.lanes import Sink, Source
from ._core.noise import GaussianNoise
from ._core.update import LearningRates
from ._inputs import Points, as_batch_args, as_float, as_real_array
from ._objective import as_objective, is_jitted, recognize
from ._unraisable import unraisable_as_error
from .difference import Difference
from .result import Status

# Problems in a chunk. It depends on the kind of function, n_dim and the size of the batch, and never on the workers,
# because a NumPy function whose values depend on the number of points (matrix products do) would make the results
# depend on it.
LARGEST_POINTWISE_CHUNK = 256
POINTWISE_CHUNKS = 64  # of a smaller batch: the function may take seconds
LARGEST_CHUNK = 65_536
COMPILED_CHUNK = 4_096  # with fewer, the end of a chunk, where its lanes empty, takes a notable share
VECTORIZED_CHUNK_BYTES = 1 << 21  # of coordinates: four of the blocks that a function gets

# Points of one problem are sent out in groups, as many for each worker as make a group take about this long: Dask takes
# 10 ms to send one and to get it back.
SECONDS_OF_A_GROUP = 0.1
GROUPS_AT_FIRST = 4


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
    rates : Rates, optional
        The learning rates of any iterations, if they change.
    first : int
        The number of the first problem, where this is a range.
    """

    def __init__(self, *, first=0, **fields):
        self.first = first
        self.__dict__.update(fields)
        if "rates" not in fields:
            self.rates = as_rates(self.method)

    def but(self, **changes):
        """The same with other attributes."""
        return Plan(**{**self.__dict__, **changes})

    def flat(self):
        """The same with a single axis of problems; a problem without such an axis stays as it is."""
        points = self.points
        if len(points.shape) <= 1:
            return self
        return self.but(points=Points(points.rows, points.rows.shape, points.is_own),
                        batch_args=as_batch_args(self.batch_args, points))

    def part(self, start, stop):
        """A range of the problems of a flat plan, in memory of its own where that may change during the run."""
        if len(self.points.shape) <= 1:
            return self
        rows = np.array(self.points.rows[start:stop], np.float64)
        return self.but(
            batch_args=tuple(values[start:stop] for values in self.batch_args),
            points=Points(rows, rows.shape),
            bounds=tuple(side if side is None else side[start:stop] for side in self.bounds),
            numbers={name: values[start:stop] for name, values in self.numbers.items()},
            first=self.first + start,
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
            return min(max(VECTORIZED_CHUNK_BYTES // (8 * self.points.n_dim), COMPILED_CHUNK), LARGEST_CHUNK)
        return COMPILED_CHUNK

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
        rates = None if self.rates is None else LearningRates(self.rates)
        with unraisable_as_error(functions, difference):
            run(objective, difference, self.method.rule(), source, Sink(**answers), rates=rates, noise=noise,
                values=self.values, keep_best=self.keep_best, maxtime=maxtime, observer=observer, watched=watched)
        if self.maximize:
            answers["fun"] *= -1.0
            answers["jac"] *= -1.0

    def leave(self, answers, status):
        """Answers for problems that are not begun: x0 and nothing else."""
        answers["x"][...] = self.points.rows
        answers["jac"][...] = answers["fun"][...] = np.nan
        for name in ("nit", "nfev", "njev"):
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
            return self.function(np.arange(start, stop))
        with self.lock:
            for k in range(len(self.known), stop):
                self.known.append(as_float(self.function(k), f"learning_rate({k})"))
            return np.array(self.known[start:stop], np.float64)


def as_rates(method):
    return Rates(method.learning_rate) if callable(method.learning_rate) else None


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


# Other processes. The clocks of machines agree on the time of day alone, so that deadlines are seconds of time.time().


class Shipment:
    """A plan as bytes: the user's functions, which every worker unpacks once, and any part of the rest."""

    def __init__(self, plan):
        self.functions = pickled((plan.fun, plan.jac, plan.args, plan.method), "the objective")
        self.rest = plan.but(fun=None, jac=None, args=(), method=None, rates=None)

    def part(self, chunk):
        return pickled(self.rest.part(*chunk), "batch_args")


def pickled(thing, what):
    try:
        import cloudpickle as pickler  # type: ignore[import-untyped, import-not-found]
    except ImportError:
        pickler = pickle
    try:
        return pickler.dumps(thing)
    except Exception as error:  # of any kind, from the user's objects
        advice = "" if pickler.__name__ == "cloudpickle" else " (with cloudpickle installed more can)"
        raise TypeError(f"{what} cannot be sent to other processes, because it cannot be pickled{advice}: {error}"
                        ) from error


@functools.lru_cache(maxsize=4)
def unpacked(functions):
    """Once in every worker: a jitted function is compiled there once, a schedule asked once for a rate."""
    fun, jac, args, method = pickle.loads(functions)
    return {"fun": fun, "jac": jac, "args": args, "method": method, "rates": as_rates(method)}


def solve_shipped(functions, task):
    """A part of a plan, to be solved in another process by some time of day: its answers."""
    part, deadline = task
    part = pickle.loads(part).but(**unpacked(functions))
    answers = allocate(part.points)
    seconds = deadline - time.time()
    if seconds <= 0.0:
        part.leave(answers, Status.MAXTIME)
        return answers
    try:
        part.solve(answers, seconds)
    except Exception as error:
        raise portable(error)  # noqa: B904  (it is the same one, or has it as its context)
    return answers


def values_shipped(functions, task):
    """The outcomes of some points, computed in another process, and the seconds that it took."""
    import traceback

    points, *how = task
    plan = unpacked(functions)
    outcomes, seconds = values_at(plan["fun"], plan["args"], pickle.loads(points), *how)
    return [outcome if outcome.error is None else Outcome(
        error=portable(outcome.error), traceback="".join(traceback.format_exception(outcome.error)))
        for outcome in outcomes], seconds


def portable(error):
    """The exception, or one that tells of it: what cannot be pickled breaks a pool of processes."""
    try:
        pickle.loads(pickle.dumps(error))
        return error
    except Exception:  # of any kind, from the user's class
        told = RuntimeError(f"{type(error).__name__}: {error}")
        for note in getattr(error, "__notes__", ()):
            told.add_note(note)
        return told


# One problem, whose points are evaluated side by side


class Outcome(NamedTuple):
    """Of a point: its value, or the function's exception, or a status that says why the function was not called."""

    value: float = math.nan
    error: Exception | None = None
    traceback: str = ""  # of an exception from another process
    status: Any = None


class RemoteTraceback(Exception):  # noqa: N818
    """The cause of an exception from another process."""


def values_at(fun, args, points, deadline, until_error):
    """The outcomes of some points, perhaps until the first exception, and the seconds that it took.

    A point is a tuple of floats or an array, and comes with the arguments of its problem.
    """
    begin = time.perf_counter()
    args = args if isinstance(args, tuple) else (args,)
    outcomes = []
    for point, data in points:
        if time.time() > deadline:
            outcome = Outcome(status=Status.MAXTIME)
        else:
            try:
                leading = point if isinstance(point, tuple) else (point,)
                outcome = Outcome(as_number(fun(*leading, *args, *data)))
            except Exception as error:
                outcome = Outcome(error=error)
                if isinstance(point, tuple) and isinstance(error, (OverflowError, ZeroDivisionError)):
                    outcome = Outcome()  # how Python's floats say inf or nan
        outcomes.append(outcome)
        if until_error and outcome.error is not None:
            break
    return outcomes, time.perf_counter() - begin


def as_number(value):
    if isinstance(value, (float, int)):
        return float(value)
    number = as_real_array(value, "what fun returns")
    if number.size != 1:
        raise ValueError(f"fun must return one number for one point, got an array of shape {number.shape}")
    return float(number.item())


class Spread:
    """A vectorized function for the loop, which has its points evaluated by `evaluate(groups, deadline)`.

    That returns for every group of points their outcomes, fewer where an exception made the others pointless, and the
    seconds that they took.
    """

    def __init__(self, plan, evaluate, n_workers, deadline):
        self.plan = plan
        self.evaluate = evaluate
        self.n_workers = n_workers
        self.deadline = deadline
        self.seconds = None  # of a point
        self.floats = plan.unpack or not plan.points.shape
        self.data = as_batch_args(plan.batch_args, plan.points)
        self.n_calls = np.zeros(plan.points.n_problems, dtype=np.intp)
        self.ended = {}  # by problem: the status of those that the loop takes for NONFINITE
        self.strayed = set()  # problems that were at a point that is not finite, where no function is called
        self.failed = {}  # outcomes of the block where the function raised: the loop asks which point it was
        self.traceback = None

    @staticmethod
    def is_for(plan):
        """Whether the points are worth being sent out one by one: those of a Python function, by values."""
        return plan.kind == "pointwise" and (plan.jac is None or isinstance(plan.jac, (str, Difference)))

    def solve(self, answers, observer):
        plan, points = self.plan, self.plan.points
        numbers = np.arange(points.n_problems).reshape(points.batch_shape)
        if not points.shape:
            points = Points(points.rows, (1,))
        plan.but(fun=self, args=(), vectorized=True, unpack=False, batch_args=(numbers,), points=points).solve(
            answers, self.deadline - time.time(), observer)
        for problem in self.strayed.union(self.ended):
            answers["nfev"][problem] = self.n_calls[problem]
        for problem in self.strayed:
            answers["njev"][problem] -= 1
        for problem, status in self.ended.items():
            own = {name: values[problem:problem + 1] for name, values in answers.items()}
            own["status"][...] = status
            if status == Status.WORKER_LOST:
                plan.part(problem, problem + 1).leave(own, status)

    def __call__(self, block, problems):
        keys = list(zip(problems.tolist(), (column.tobytes() for column in block.T), strict=True))
        columns = {}
        for j, key in enumerate(keys):
            columns.setdefault(key, j)  # blocks are filled up with copies
        outcomes = self.failed
        if not outcomes.keys() >= columns.keys():
            self.failed, outcomes = {}, self.outcomes(block, columns)
        error = next((outcome.error for key, outcome in outcomes.items() if key in columns
                      and outcome.error is not None), None)
        if error is not None:
            if not self.failed:
                self.failed, self.traceback = outcomes, error.__traceback__
            raise error.with_traceback(self.traceback)
        return np.array([outcomes[key].value for key in keys])

    def outcomes(self, block, columns):
        """By key, those of the lowest problem first."""
        points = {}
        keys = sorted(columns, key=lambda key: key[0])
        for key in keys:
            point = block[:, columns[key]]
            if not np.isfinite(point).all():
                self.strayed.add(key[0])
            elif self.ended.get(key[0]) != Status.WORKER_LOST:
                data = tuple(values[key[0]] for values in self.data)
                points[key] = tuple(point.tolist()) if self.floats else point.copy(), data
        found = dict(zip(points, self.evaluated(list(points.values())), strict=True))
        for (problem, _), outcome in found.items():
            if outcome is None:
                continue
            if outcome.traceback:
                outcome.error.__cause__ = RemoteTraceback(outcome.traceback)
            if outcome.status is None:
                self.n_calls[problem] += 1
            else:
                self.ended[problem] = outcome.status
        return {key: found.get(key) or Outcome() for key in keys}

    def evaluated(self, points):
        """The outcomes of all points, in order."""
        if not points:
            return []
        share = -(-len(points) // self.n_workers)
        n_groups = GROUPS_AT_FIRST if self.seconds is None else round(share * self.seconds / SECONDS_OF_A_GROUP)
        size = -(-share // max(n_groups, 1))
        groups = [points[start:start + size] for start in range(0, len(points), size)]
        # when the time is over the loop asks for the values at the answers, and for nothing else
        deadline = self.deadline if time.time() < self.deadline else math.inf
        found, total = [], 0.0
        for group, (outcomes, seconds) in zip(groups, self.evaluate(groups, deadline), strict=True):
            found += outcomes + [None] * (len(group) - len(outcomes))
            total += seconds
        self.seconds = total / len(points)
        return found
