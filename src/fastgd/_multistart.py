"""The global minimum: many starts in one batch, the hopeless of which are dropped early."""

from dataclasses import dataclass, replace
from functools import partial
from time import perf_counter

import numpy as np

from ._inputs import (
    as_args,
    as_box,
    as_choice,
    as_count,
    as_flag,
    as_float,
    as_real_array,
    check_rng,
    did_you_mean,
)
from ._minima import Minimum, distinct_minima
from ._minimize import minimize
from ._objective import is_jitted, recognize, resolved
from ._record import Record
from .difference import Difference
from .result import Result

#: Rounds before the last runs, after each of which the better half of the starts goes on, but not fewer than FEWEST.
N_ROUNDS = 5
ITERATIONS = 3
FEWEST = 8
#: The steps of differences in the first round, as a part of the distance of the bounds; half of that in the next one.
FIRST_STEP = 0.5
#: The scale of the rounds, as a part of that distance too: their first steps are about as long.
SCALE = 0.125

#: The longest table of minima that is shown.
LONGEST_TABLE = 10

#: What the rounds take of the options, and what goes to the last runs alone.
OPTIONS_OF_ROUNDS = ("learning_rate", "vectorized", "unpack", "workers", "chunk_size", "on_error")
OTHER_OPTIONS = ("jac", "maxiter", "gtol", "x_scale", "xtol", "ftol", "ftarget", "maxfev", "keep_best", "callback",
                 "trace", "progress")


@dataclass(frozen=True, eq=False, repr=False)
class MultistartResult(Record):
    """What `multistart` finds.

    All but `minima`, `best` and `runs` can also be had by key.

    Attributes
    ----------
    x, fun, jac, status, success, message
        Those of the best run.
    nfev : int
        Points at which the function was called, in all.
    minima : list of Minimum
        The distinct minima that were found, the best first, each with x, fun, the number of runs that ended there
        (`hits`), their `share` of all runs, the number of the start (`index`) and which coordinates are at a bound
        (`at_bound`).
    best : Result
        The best run: that of ``minima[0]``.
    runs : Result
        The last runs, as a batch; ``runs.save`` keeps them.
    starts : ndarray, shape (n_starts, n_dim)
        All starts.
    kept : ndarray of int, shape (n_runs,)
        The starts of the last runs, by their numbers.
    """

    nfev: int
    minima: list[Minimum]
    best: Result
    runs: Result
    starts: np.ndarray
    kept: np.ndarray

    @property
    def x(self):
        """Where the best run ended: (n_dim,), or a float."""
        return self.best.x

    @property
    def fun(self):
        """The value there."""
        return self.best.fun

    @property
    def jac(self):
        """The gradient there."""
        return self.best.jac

    @property
    def status(self):
        """Why that run ended."""
        return self.best.status

    @property
    def success(self):
        """Whether it converged."""
        return self.best.success

    @property
    def message(self):
        """Its status in words."""
        return self.best.message

    def keys(self):
        """The names of the fields."""
        return ["x", "fun", "jac", "nfev", "status", "success", "message", "starts", "kept"]

    def __repr__(self):
        with np.printoptions(precision=6, threshold=6, edgeitems=2, linewidth=80):
            lines = [
                f"message: {self.message}", f"success: {self.success}", f"    fun: {self.fun}", f"      x: {self.x}",
                f"   nfev: {self.nfev}", f" starts: {len(self.starts)}, of which {len(self.kept)} were run to the end",
                f" minima: {len(self.minima)}"]
            lines += [f"{minimum.fun:14.6g}  {minimum.hits:5d} hits  {minimum.share:6.1%}  at {minimum.x}"
                      for minimum in self.minima[:LONGEST_TABLE]]
        if len(self.minima) > LONGEST_TABLE:
            lines.append(f"{'...':>14}  {len(self.minima) - LONGEST_TABLE} more")
        return "\n".join(lines)


def multistart(fun, bounds, args=(), *, n_starts=256, method=None, sampling="sobol", halving=True, polish=True,
               rng=None, tol=1e-4, **options) -> MultistartResult:
    """Find the global minimum of a function within bounds, and other minima, from many starts.

    Parameters
    ----------
    fun : callable, Objective, compiled or jitted function, or str
        The function, as in `minimize`: ``fun(x, *args) -> float``, or vectorized.
    bounds : (lower, upper) or scipy.optimize.Bounds
        Between what the starts lie, finite, each of shape (n_dim,); `fun` is never called outside. Two numbers for a
        function of a float: x is one, then.
    args : tuple, optional
        Further arguments of `fun`.
    n_starts : int, default 256
        How many starts there are. Every doubling makes it more likely that the global minimum is among the answers.
    method : str or method, optional
        As in `minimize`.
    sampling : {"sobol", "latinhypercube", "random"} or array_like of shape (n_starts, n_dim), default "sobol"
        How starts are spread: as scrambled Sobol points, which need SciPy (without it Halton points, randomly shifted,
        take their place), as a Latin hypercube, or uniformly. An array has the starts themselves, whatever
        `n_starts` is.
    halving : bool, default True
        Whether to drop hopeless starts in 5 rounds of 3 iterations each: after a round those with the higher values are
        dropped, half of them, but 8 are always left. The differences of the rounds have long steps, from half of the
        distance of the bounds in the first round down to a 32nd of it in the last, so that they look over narrow
        valleys to the shape of the whole [1]_. Without halving all starts are run to the end, as one batch: then
        `hits` and `share` of the minima measure their basins.
    polish : bool, default True
        Whether the starts that are left after the rounds are run to the end. False goes only with halving.
    rng : None, int, or a SeedSequence, Generator or BitGenerator of numpy.random, optional
        The seed of the starts. By default they are others in every call.
    tol : float, default 1e-4
        Answers closer than this, in units of the distance of the bounds, are one minimum; see `Result.distinct`.
    **options
        Of `minimize`, for the runs to the end: `learning_rate`, `jac`, `vectorized`, `unpack`, `maxiter`, `gtol`,
        `x_scale`, `xtol`, `ftol`, `ftarget`, `maxfev`, `maxtime`, `keep_best`, `workers`, `chunk_size`, `on_error`,
        `callback`, `trace`, `progress`. `maxtime` holds for the whole call. With halving, all but `trace` are the same
        for all starts.

    Returns
    -------
    MultistartResult
        With x, fun and the like of the best run, and all `minima`.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range.
    Exception
        Whatever `fun` raises, as in `minimize`.

    See Also
    --------
    minimize, Result.distinct

    Notes
    -----
    That the best of the minima is the global one is likely, never certain.

    References
    ----------
    .. [1] P. Gilmore, C. T. Kelley, "An implicit filtering algorithm for optimization of functions with many local
       minima", SIAM Journal on Optimization 5, 1995, pp. 269-285.
    .. [2] K. Jamieson, A. Talwalkar, "Non-stochastic best arm identification and hyperparameter optimization",
       Proceedings of Machine Learning Research 51, 2016, pp. 240-248: successive halving.

    Examples
    --------
    >>> import fastgd
    >>> rastrigin = fastgd.functions.rastrigin
    >>> result = fastgd.multistart(rastrigin, ([-4, -5], [5, 4]), vectorized=True, rng=0)
    >>> bool(abs(result.x).max() < 1e-6)
    True

    All four minima of a function, and the parts of the square from which they are reached:

    >>> square = [-5, -5], [5, 5]
    >>> result = fastgd.multistart(fastgd.functions.himmelblau, square, vectorized=True, halving=False, rng=0)
    >>> len(result.minima), sum(minimum.hits for minimum in result.minima)
    (4, 256)
    """
    begin = perf_counter()
    lower, upper, is_scalar = as_box(bounds)
    widths = np.where(upper > lower, upper - lower, 1.0)
    halving, polish = as_flag(halving, "halving"), as_flag(polish, "polish")
    if not halving and not polish:
        raise ValueError("polish=False leaves the starts as they are without halving: nothing would be done")
    tol = as_float(tol, "tol", open_below=True)
    starts = sample(sampling, n_starts, lower, upper, rng)
    maxtime = options.pop("maxtime", None)
    maxtime = np.inf if maxtime is None else as_float(maxtime, "maxtime", open_below=True)
    options |= {"args": as_args(args), "method": method, "bounds": (lower, upper)}
    if is_scalar:
        fun, options = of_floats(fun, options)
    check_options(fun, len(lower), options, halving)
    points, kept, nfev = starts, np.arange(len(starts)), 0

    def run(problem, points, **some):
        seconds = max(begin + maxtime - perf_counter(), 1e-9)
        return minimize(problem, points, **some, maxtime=None if seconds == np.inf else seconds)

    if halving:
        some = {name: options[name] for name in (*OPTIONS_OF_ROUNDS, "args", "method", "bounds") if name in options}
        problem = value_of(fun, options.get("jac"))
        for k in range(N_ROUNDS):
            runs = run(problem, points, **some, maxiter=ITERATIONS, gtol=0.0, x_scale=SCALE * widths,
                       jac=Difference(step=FIRST_STEP * widths / 2**k))
            nfev += int(runs.nfev.sum())
            order = np.argsort(np.where(np.isnan(runs.fun), np.inf, runs.fun), kind="stable")
            order = order[:max(FEWEST, len(order) // 2)]
            runs, points, kept = runs[order], runs.x[order], kept[order]
    if polish:
        runs = run(fun, points, **options)
        nfev += int(runs.nfev.sum())
    minima = distinct_minima(runs, tol, widths, lower, upper, kept, is_scalar)
    best = runs[int(np.flatnonzero(kept == minima[0].index)[0])] if minima else runs.best
    if is_scalar:
        best = replace(best, x=best.x.item(), jac=best.jac.item())
    return MultistartResult(nfev, minima, best, runs, starts, kept)


def of_floats(fun, options):
    """The function of a float as one of points with a coordinate, and the options that go with it."""
    jitted = resolved(fun)
    if is_jitted(jitted):
        return type(jitted)(jitted.fun, jitted.vectorized, True, jitted.libm), options
    return fun, options | {"unpack": True}


def check_options(fun, n_dim, options, halving):
    """Raises what is wrong with the options before the first call of the function: as `minimize` would, if there were
    no problems."""
    known = (*OPTIONS_OF_ROUNDS, *OTHER_OPTIONS, "args", "method", "bounds")
    for name, value in options.items():
        if name not in known:
            own = ("maxtime", "n_starts", "sampling", "halving", "polish", "rng", "tol")
            raise TypeError(f"multistart() got an unexpected keyword argument {name!r}"
                            f"{did_you_mean(name, known + own)}")
        if halving and name not in ("args", "bounds", "trace", "x_scale") and np.ndim(value):
            raise ValueError(f"{name} must be the same for all starts, as halving drops most of them; got shape "
                             f"{np.shape(value)}")
    if halving:
        minimize(fun, np.empty((0, n_dim)), **{name: value for name, value in options.items() if name != "trace"})


def value_of(fun, jac):
    """The function alone, if it is one of Python that returns pairs of value and gradient."""
    thing = resolved(fun)
    return partial(first_of_pair, thing) if jac is True and not is_jitted(thing) and recognize(thing) is None else fun


def first_of_pair(fun, *args):
    """The value."""
    pair = fun(*args)
    if not isinstance(pair, tuple) or len(pair) != 2:
        raise TypeError(f"with jac=True fun must return a pair (value, gradient), got {type(pair).__name__}")
    return pair[0]


def sample(sampling, n_starts, lower, upper, rng):
    """Starts between the bounds, (n_starts, n_dim)."""
    if not isinstance(sampling, str):
        return given_starts(sampling, lower, upper)
    as_choice(sampling, "sampling", tuple(SAMPLERS))
    check_rng(rng)
    points = SAMPLERS[sampling](as_count(n_starts, "n_starts"), len(lower), np.random.default_rng(rng))
    return np.clip(lower + points * (upper - lower), lower, upper)


def given_starts(sampling, lower, upper):
    starts = as_real_array(sampling, "sampling").astype(np.float64)
    if starts.ndim != 2 or starts.shape[1] != len(lower) or not len(starts):
        raise ValueError(f"sampling must have a name, or the shape (n_starts, {len(lower)}), got {starts.shape}")
    wrong = ~((starts >= lower) & (starts <= upper))
    if wrong.any():
        row, column = np.argwhere(wrong)[0].tolist()
        raise ValueError(f"starts must be inside the bounds: at index ({row}, {column}) lower = {lower[column]}, "
                         f"upper = {upper[column]}, start = {starts[row, column]}")
    return starts


def sobol(n, n_dim, rng):
    """Scrambled Sobol points; Halton points, randomly shifted, where SciPy is not installed."""
    try:
        from scipy.stats import qmc  # type: ignore[import-untyped]
    except ImportError:
        return halton(n, n_dim, rng)
    # of a power of two they are balanced
    return qmc.Sobol(n_dim, rng=rng).random_base2((n - 1).bit_length())[:n]


def halton(n, n_dim, rng):
    """J. H. Halton, Numerische Mathematik 2, 1960; R. Cranley, T. N. L. Patterson, SIAM Journal on Numerical Analysis
    13, 1976, for the shift."""
    points = np.zeros((n, n_dim))
    for column, base in zip(points.T, first_primes(n_dim), strict=True):
        numbers, digit = np.arange(1, n + 1), 1.0
        while numbers.any():
            digit /= base
            column += digit * (numbers % base)
            numbers //= base
    return (points + rng.random(n_dim)) % 1.0


def first_primes(n):
    primes = []
    number = 2
    while len(primes) < n:
        if all(number % prime for prime in primes):
            primes.append(number)
        number += 1
    return primes


def latin_hypercube(n, n_dim, rng):
    """M. D. McKay, R. J. Beckman, W. J. Conover, Technometrics 21, 1979."""
    cells = rng.permuted(np.tile(np.arange(n), (n_dim, 1)), axis=1).T
    return (cells + rng.random((n, n_dim))) / n


def uniform(n, n_dim, rng):
    return rng.random((n, n_dim))


SAMPLERS = {"sobol": sobol, "latinhypercube": latin_hypercube, "random": uniform}
