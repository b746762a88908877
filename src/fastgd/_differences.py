"""Differences in NumPy: of functions of several values, and what noise they have to deal with; what they need of the
core."""

from contextlib import suppress
from math import factorial

import numpy as np

from ._core import derivatives
from ._core.evaluation.clock import Clock
from ._core.evaluation.evaluator import Evaluator
from ._core.loop import index_of
from ._inputs import Points, as_batch_args, as_calling_form, as_real_array, per_problem
from ._objective import recognize, resolved
from ._unraisable import unraisable_as_error

EPS = 2.0**-52

# Points, besides x0, at which noise is measured, and how far each is from the next at first, relative to x.
NOISE_POINTS = 6
NOISE_STEP = 2.0**-30


def at_points(function, points, made, *bounds):
    """What a function of the core finds at the points, by what `as_objective` has made."""
    objective, stencil, functions = made
    clock = Clock()
    evaluator = Evaluator(objective, stencil, clock)
    if not functions:  # a context that does nothing would take a twentieth of the time
        return function(evaluator, points.rows, points.shape, *bounds)
    with unraisable_as_error(functions, clock):
        return function(evaluator, points.rows, points.shape, *bounds)


def values_of(made, points):
    """A function of points, and of the numbers of the problems that they belong to, for NumPy. A function of batches
    gets all problems at a time."""
    def values_at(rows, problems):
        found = np.empty(len(rows))
        rank = np.zeros(len(rows), np.intp)  # of a point among those of its problem
        seen = {}
        for j, problem in enumerate(problems.tolist()):
            rank[j] = seen[problem] = seen.get(problem, -1) + 1
        for k in range(rank.max(initial=-1) + 1):
            chosen = np.flatnonzero(rank == k)
            full = points.rows.copy()
            full[problems[chosen]] = rows[chosen]
            found[chosen] = at_points(derivatives.values, Points(full, points.shape), made)[0].reshape(-1)[
                problems[chosen]]
        return found

    return values_at


def units_of(points, scales):
    sizes = np.maximum(np.abs(points.rows), 1.0 if scales is None else scales)
    return 2.0 ** np.round(np.log2(np.where(np.isfinite(sizes), sizes, 1.0)))


def noise_at(difference, made, points, scales):
    """How much of the values is noise, for every problem, and how many evaluations it took to find out."""
    if not isinstance(difference.noise, str):
        return np.ascontiguousarray(per_problem(difference.noise, "noise", points)), 0
    middle = at_points(derivatives.values, points, made)[0].reshape(-1)
    return noise_level(values_of(made, points), points.rows, middle, units_of(points, scales))


def noise_level(values_at, rows, middle, units):
    """The noise of a function at rows of points: the standard deviation of its values, by the differences of those at
    a few points in a row. 0 where none is seen. With it comes how many values each took.

    J. J. More, S. M. Wild, "Estimating computational noise", SIAM Journal on Scientific Computing 33, 2011, ECnoise.
    """
    n, n_dim = rows.shape
    way = np.random.default_rng(0).choice([-1.0, 1.0], n_dim) * units  # any direction will do
    noise, nfev, h = np.zeros(n), np.ones(n, np.intp), np.full(n, NOISE_STEP)
    waiting = np.arange(n)
    for _ in range(3):
        places = np.arange(1, NOISE_POINTS + 1)
        points = rows[waiting, None] + (h[waiting, None] * places)[..., None] * way[waiting, None]
        values = values_at(points.reshape(-1, n_dim), np.repeat(waiting, NOISE_POINTS)).reshape(len(waiting), -1)
        values = np.column_stack([middle[waiting], values])
        nfev[waiting] += NOISE_POINTS
        again = []
        for j, problem in enumerate(waiting):
            if not np.isfinite(values[j]).all():
                continue
            level, change = noise_of(values[j])
            if level is None:
                h[problem] *= change
                again.append(problem)
            else:
                noise[problem] = level
        waiting = np.array(again, np.intp)
        if not len(waiting):
            break
    return noise, nfev


def noise_of(values):
    """From values at points in a row: their noise, or None and by how much to change the distance of the points."""
    spread = np.ptp(values)
    if spread > 0.1 * np.abs(values).max():
        return None, 0.01
    differences, levels, signs = values, [], []
    for k in range(1, len(values)):
        differences = np.diff(differences)
        if k == 1 and 2 * np.count_nonzero(differences == 0.0) >= len(differences):
            return None, 100.0  # the points are too close
        levels.append(np.sqrt(factorial(k) ** 2 / factorial(2 * k) * np.mean(differences**2)))
        signs.append(differences.min() * differences.max() < 0.0)
    for k in range(len(levels) - 2):
        three = levels[k:k + 3]
        if max(three) <= 4.0 * min(three) and signs[k]:
            return levels[k], 1.0
    return None, 0.01  # differences are those of the function itself


def quotients(first, second, middle, h, other):
    """Slopes from the values at x + h and x + other, and at x where these are on one side of it; 0 where h is."""
    with np.errstate(all="ignore"):
        changes = np.where(other == -h, first - second, 4.0 * first - second - 3.0 * middle)
        return np.where(h == 0.0, 0.0, changes / (2.0 * h))


def slopes_of(function, rows, problems, coordinates, h, other):
    """Differences of all values of a function, each at a point, in a coordinate, with offsets h and `other`."""
    pairs = np.arange(len(problems))
    moved = rows[np.concatenate([problems, problems])]
    moved[pairs, coordinates] += h
    moved[len(pairs) + pairs, coordinates] += other
    one_sided = np.flatnonzero(other != -h)
    centers, center_of = np.unique(problems[one_sided], return_inverse=True)
    values = function(np.concatenate([moved, rows[centers]]), np.concatenate([problems, problems, centers]))
    first, second, at_centers = np.split(values, [len(pairs), 2 * len(pairs)])
    middle = np.zeros_like(first)
    middle[one_sided] = at_centers[center_of]
    return quotients(first, second, middle, h[:, None], other[:, None])


def differences_of_values(points, made, bounds, middle, times):
    """Differences with steps so many times as long as usual, and the errors that rounding of f makes in them."""
    h, other = made[1].offsets(points.rows, *bounds, times=times)
    first, second = np.empty_like(h), np.empty_like(h)
    for i in range(points.n_dim):
        for values, offsets in ((first, h), (second, other)):
            moved = points.rows.copy()
            moved[:, i] += offsets[:, i]
            found, _ = at_points(derivatives.values, Points(moved, points.shape), made)
            values[:, i] = found.reshape(-1)
    with np.errstate(all="ignore"):
        rounding = EPS * np.maximum(abs(first), abs(second)) / abs(h)
    stays = points.rows + h == points.rows
    return quotients(first, second, middle, h, other), np.where(stays, np.inf, rounding)


class VectorFunction:
    """A Python function of several values, as one of rows of points."""

    def __init__(self, fun, points, args, vectorized, unpack, batch_args):
        self.fun = resolved(fun)
        if recognize(self.fun) is not None:
            raise TypeError("fun is a compiled function, which has one value at a point: fastgd.gradient takes it")
        if not callable(self.fun):
            raise TypeError(f"fun must be callable, got {type(self.fun).__name__}")
        self.unpack = as_calling_form(vectorized, unpack) or not points.shape
        self.vectorized = vectorized
        self.args = args
        self.batch_args = as_batch_args(batch_args, points)
        self.batch_shape = points.batch_shape
        self.n_values = None  # not known yet

    def __call__(self, rows, problems):
        """Its values as rows, too, each at a point with the data of a problem."""
        if self.vectorized:
            return self.of_block(rows, problems)
        return np.array([self.of_point(x, problem) for x, problem in zip(rows, problems.tolist(), strict=True)])

    def of_point(self, x, problem):
        try:
            returned = self.fun(*(x.tolist() if self.unpack else (x.copy(),)), *self.args,
                                *(values[problem] for values in self.batch_args))
        except Exception as error:
            with suppress(Exception):  # some take no notes
                error.add_note(f"fastgd: raised for problem {index_of(problem, self.batch_shape)}")
            raise
        values = as_real_array(returned, "what fun returns")
        if values.ndim != 1 or self.n_values not in (None, len(values)):
            hint = ", whose derivative is fastgd.gradient" if values.ndim == 0 else ""
            raise ValueError(f"fun must return its values at a point: expected shape ({self.n_values or 'm'},), got "
                             f"{values.shape}{hint}")
        self.n_values = len(values)
        return values.astype(np.float64)  # a copy: the function may use its memory again

    def of_block(self, rows, problems):
        """The values never depend on what else is in the block: it has columns for full vector registers, and is no
        square, in which axes could be mistaken for each other."""
        by_rows = self.vectorized == "rows"
        width = -(-len(rows) // 8) * 8
        width += 8 * (width == rows.shape[1])
        chosen = np.zeros(width, np.intp)
        chosen[:len(rows)] = np.arange(len(rows))
        X, *data = (values if by_rows else np.ascontiguousarray(np.moveaxis(values, 0, -1)) for values in (
            rows[chosen], *(values[problems[chosen]] for values in self.batch_args)))
        returned = self.fun(*(X if self.unpack else (X,)), *self.args, *data)
        values = as_real_array(returned, "what fun returns")
        at_points = values if by_rows else values.T
        if values.ndim != 2 or len(at_points) != width or self.n_values not in (None, at_points.shape[1]):
            m = self.n_values or "m"
            raise ValueError("fun must return its values at every point: expected shape "
                             f"{f'({width}, {m})' if by_rows else f'({m}, {width})'}, got {values.shape}")
        self.n_values = at_points.shape[1]
        return at_points[:len(rows)].astype(np.float64)
