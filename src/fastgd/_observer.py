"""Looking at a run: the user's callback, and recorded paths."""

from _thread import RLock
from typing import NamedTuple

import numpy as np

from ._core.loop import index_of
from .trace import Iterate, Trace

#: A path that grows longer than this is thinned to every second of its points.
LONGEST_TRACE = 10_000
#: The largest batch of which every problem is traced without being named.
MOST_TRACED = 1_000


class Observer:
    """Called by the loop at every iterate of the problems it watches; returns true to end a problem."""

    def __init__(self, points, callback, trace):
        self.shape = points.shape
        self.batch_shape = points.batch_shape
        self.callback = callback
        self.wants_state = callback is not None and takes_intermediate_result(callback)
        self.every, traced = read_trace(trace, points)
        self.paths = {problem: Path(self.every) for problem in traced}
        self.watched = None
        self.lock = RLock()  # the runs of several threads; a callback may minimize something, too
        if callback is None:
            self.watched = np.zeros(points.n_problems, dtype=np.uint8)
            self.watched[traced] = 1

    def __call__(self, problem, nit, nfev, x, fun, jac, rate):
        with self.lock:
            return self.observe(problem, nit, nfev, x, fun, jac, rate)

    def observe(self, problem, nit, nfev, x, fun, jac, rate):
        """Records the iterate and calls the user; whether the problem is to end."""
        path = self.paths.get(problem)
        if path is not None:
            path.add(nit, nfev, x.copy(), fun, jac.copy(), rate)  # a callback may change its own
        if self.shape == ():
            x, jac = x.item(), jac.item()
        if self.callback is None or nit == 0:
            return False
        try:
            if self.wants_state:
                self.callback(intermediate_result=Iterate(x, fun, jac, nit, nfev, index_of(problem, self.batch_shape)))
            else:
                self.callback(x)
        except StopIteration:
            return True
        return False

    def traces(self):
        """What was recorded, as the result shows it."""
        if not self.every:
            return None
        if len(self.shape) <= 1:
            return self.paths[0].as_trace(self.shape) if self.paths else None
        return {index_of(problem, self.batch_shape): path.as_trace(self.shape[-1:])
                for problem, path in self.paths.items()}


class Point(NamedTuple):
    """Of a path."""

    nit: int
    nfev: int
    x: np.ndarray
    fun: float
    jac: np.ndarray
    step: float  # its distance from the iterate before
    learning_rate: float


class Path:
    """Points of one problem, thinned so that the memory stays bounded; the last one is always among them."""

    def __init__(self, every):
        self.every = every
        self.points = []
        self.last = None

    def add(self, nit, nfev, x, fun, jac, rate):
        step = rate_of_step = np.nan
        if self.last is not None:
            with np.errstate(all="ignore"):
                step = np.linalg.norm(x - self.last.x)
                rate_of_step = step / np.linalg.norm(self.last.jac) if np.isnan(rate) else rate
        self.last = Point(nit, nfev, x, fun, jac, step, rate_of_step)
        if nit % self.every == 0:
            self.points.append(self.last)
            if len(self.points) > LONGEST_TRACE:
                self.every *= 2
                self.points = [point for point in self.points if point.nit % self.every == 0]

    def as_trace(self, shape):
        """The path of a problem whose x has that shape."""
        points = self.points if self.last is None or self.points[-1] is self.last else [*self.points, self.last]
        columns = dict(zip(Point._fields, zip(*points, strict=True) if points else [()] * len(Point._fields),
                           strict=True))
        for name, values in columns.items():
            numbers = np.array(values, np.intp if name in ("nit", "nfev") else np.float64)
            columns[name] = numbers.reshape(len(points), *shape) if name in ("x", "jac") else numbers
        return Trace(**columns)


def takes_intermediate_result(callback):
    """SciPy's convention: a callback whose only parameter has that name gets the state, any other gets x."""
    from inspect import signature

    if not callable(callback):
        raise TypeError(f"callback must be callable, got {type(callback).__name__}")
    try:
        return set(signature(callback).parameters) == {"intermediate_result"}
    except ValueError:  # a builtin without a signature
        return False


def read_trace(trace, points):
    """How many iterations lie between recorded points (0: none are), and of which problems."""
    every, problems = trace if isinstance(trace, tuple) and len(trace) == 2 else (trace, None)
    if isinstance(every, bool) or not isinstance(every, (int, np.integer)):
        raise TypeError(f"trace must be an integer or a pair (integer, problems), got {trace!r}")
    if every < 0:
        raise ValueError(f"trace must not be negative, got {every}")
    if not every:
        return 0, []
    if problems is None:
        if points.n_problems > MOST_TRACED:
            raise ValueError(f"tracing {points.n_problems} problems needs much memory: name those you want to see, "
                             f"trace=({every}, [0, 1, 2])")
        return int(every), range(points.n_problems)
    numbers = np.arange(points.n_problems).reshape(points.batch_shape)
    try:
        named = np.atleast_1d(problems)
    except ValueError:
        raise TypeError(f"trace must name all problems alike, as numbers or as indices, got {problems!r}") from None
    if named.dtype == bool:
        if named.shape != points.batch_shape:
            raise IndexError(f"the mask of trace has shape {named.shape}, the batch {points.batch_shape}")
        named = np.argwhere(named)
    try:
        chosen = [numbers[tuple(p) if isinstance(p, list) else p] for p in named.tolist()]
    except IndexError:
        raise IndexError(f"trace names a problem that is not in the batch of shape {points.batch_shape}: "
                         f"{problems!r}") from None
    return int(every), np.array(chosen, dtype=np.intp).ravel().tolist()
