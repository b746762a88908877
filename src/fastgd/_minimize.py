"""minimize and maximize: check, run, wrap."""

from dataclasses import replace

import numpy as np

from ._core.descent import run
from ._core.lanes import Sink, Source
from ._core.noise import GaussianNoise as CoreNoise
from ._core.update import LearningRates
from ._inputs import (
    LARGEST_COUNT,
    as_bounds,
    as_choice,
    as_flag,
    as_float,
    as_key,
    as_points,
    count_per_problem,
    per_problem,
    repeated,
    require_finite,
    with_suggestions,
)
from ._objective import as_objective
from ._observer import Observer
from ._unraisable import unraisable_as_error
from .result import Result, Status


@with_suggestions()
def minimize(fun, x0, args=(), *, method="gd", learning_rate=None, jac=None, bounds=None, vectorized=False,
             unpack=False, batch_args=(), maxiter=1000, gtol=1e-6, xtol=0.0, ftol=0.0, ftarget=None, maxfev=None,
             maxtime=None, keep_best=False, noise=None, rng=None, on_error="raise", callback=None, trace=0):
    """Minimize a function of one or more variables, from one starting point or from many.

    Parameters
    ----------
    fun : callable, Objective or compiled function
        The function to minimize: ``fun(x, *args, *batch_args) -> float`` with x of shape (n_dim,). If x0 is a scalar
        it gets a float. If `vectorized`, ``fun(X, ...) -> (n_points,)`` for X of shape (n_dim, n_points).
        An `Objective`, written in Cython, is used as it is; so are C functions, see `compiled`, for which only
        `batch_args` and `jac` can be given with it.
    x0 : float or array_like, shape (n_dim,) or (..., n_dim)
        Where to start. Rows are independent problems: (n_dim,) is one, (B, n_dim) are B, (H, W, n_dim) an image.
    args : tuple, optional
        Further arguments of `fun` and `jac`, the same for all problems.
    method : str or an instance of a class in `fastgd.methods`, default "gd"
        How to descend: "gd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "amsgrad", "adamw", "nadam". "gd"
        is `methods.GradientDescent`, whose steps adapt to the function and need no tuning.
    learning_rate : float, schedule, callable, "auto" or array_like of the batch's shape, optional
        Overrides that of the method. A function of the iteration k = 0, 1, ..., such as those in `fastgd.schedules`,
        is called once for each k of the run, some ahead of need, but none beyond `maxiter`; an array has a rate for
        every problem.
    jac : None, "3-point", Difference, callable or True
        How to get the gradient. By default by central differences; a `Difference` sets their step. A function
        ``jac(x, ...)`` returns the shape of its x; with True, `fun` returns a pair of value and gradient. That of a
        compiled function is one, too.
    bounds : (lower, upper) or scipy.optimize.Bounds, optional
        Each side broadcastable to the shape of x0 (or None for no limit); `fun` is never called outside.
    vectorized : bool or "rows", default False
        Whether `fun` (and `jac`) take many points in a call: X of shape (n_dim, n_points), or (n_points, n_dim) with
        "rows". X may be read-only and may contain points twice. A function whose values depend on the number of
        points (matrix products do, in the last bits) may give other last bits in another batch.
    unpack : bool, default False
        Call ``fun(*x)``, with Python floats, or with arrays if `vectorized`.
    batch_args : tuple of array_like, optional
        Arrays whose leading axes are the batch: ``fun`` gets the slice of its problem, after `args`. A vectorized
        `fun` gets those of its columns, last axis (with "rows": first axis) as long as that of X.
    maxiter : int or array_like of the batch's shape, default 1000
        The most iterations of a problem.
    gtol : float or array_like, default 1e-6
        Stop when no component of the gradient is larger, in units of f per unit of x; at a bound, those whose descent
        leads outside do not count.
    xtol : float or array_like, default 0 (off)
        Stop when a step changes no coordinate by more than ``xtol * max(1, abs(x))``; steps also become short where a
        schedule fades.
    ftol : float or array_like, default 0 (off)
        Stop when a step decreases f, and by no more than ``ftol * max(1, abs(f))``.
    ftarget : float or array_like, optional
        Stop when f is at most this (with `maximize`: at least).
    maxfev : int or array_like, optional
        The most points of a problem at which `fun` may be called; never exceeded.
    maxtime : float, optional
        Seconds after which no further call to `fun` begins (but those for the values at the answers). Problems not
        begun keep x0, with fun = nan.
    keep_best : bool, default False
        Return the best iterate instead of the last one; f is then evaluated in every iteration.
    noise : noise.GaussianNoise, optional
        Random numbers added to the gradients that the method uses; not to those of the tests for convergence, nor to
        ``result.jac``. For methods whose learning rate is not "auto".
    rng : None, int, or a SeedSequence, Generator or BitGenerator of numpy.random, optional
        The seed of the noise. By default it is another one in every call.
    on_error : {"raise", "record"}, default "raise"
        Whether an exception of `fun` is raised, with a note that names the problem and the iteration, or ends that
        problem with status ``EXCEPTION``.
    callback : callable, optional
        Called after every iteration of every problem, as in SciPy: ``callback(intermediate_result)``, by that name,
        with fields x, fun, jac, nit, nfev and problem; otherwise ``callback(x)``. StopIteration ends the problem.
    trace : int or (int, problems), default 0 (off)
        Record every k-th iteration: of all problems (at most 1,000), or of those named by their indices. Very long
        paths are thinned.

    Returns
    -------
    Result
        With x of the shape of x0, and fun, nit, nfev, status, success of the batch's shape.

    Raises
    ------
    TypeError, ValueError
        If an argument, or what `fun` returns, has the wrong type, shape or range.
    Exception
        Whatever `fun` raises, unless `on_error` is "record".

    See Also
    --------
    maximize, gradient, compiled

    Examples
    --------
    One problem:

    >>> import fastgd
    >>> result = fastgd.minimize(lambda x: (x[0] - 1)**2 + 10 * (x[1] + 2)**2, [0.0, 0.0])
    >>> result.x.round(6)
    array([ 1., -2.])
    >>> result.status
    <Status.GTOL: 0>

    A thousand at a time, each with its own data, by one NumPy function:

    >>> import numpy as np
    >>> centers = np.linspace(0.0, 1.0, 1000)
    >>> result = fastgd.minimize(lambda X, c: (X[0] - c)**2 + X[1]**2, np.ones((1000, 2)), vectorized=True,
    ...                          batch_args=(centers,))
    >>> bool(result.success.all()), bool(np.allclose(result.x[:, 0], centers, atol=1e-6))
    (True, True)
    """
    return _solve(fun, x0, args, False, method=method, learning_rate=learning_rate, jac=jac, bounds=bounds,
                  vectorized=vectorized, unpack=unpack, batch_args=batch_args, maxiter=maxiter, gtol=gtol, xtol=xtol,
                  ftol=ftol, ftarget=ftarget, maxfev=maxfev, maxtime=maxtime, keep_best=keep_best, noise=noise, rng=rng,
                  on_error=on_error, callback=callback, trace=trace)


@with_suggestions(minimize)
def maximize(fun, x0, args=(), **options):
    """Maximize a function of one or more variables; the arguments are those of `minimize`.

    Parameters
    ----------
    fun : callable
        The function to maximize.
    x0 : float or array_like, shape (n_dim,) or (..., n_dim)
        Where to start.
    args : tuple, optional
        Further arguments of `fun` and `jac`.
    **options
        The other arguments of `minimize`, with `jac` the gradient of `fun` itself.

    Returns
    -------
    Result
        All fields are those of `fun` itself, not of its negative.

    Raises
    ------
    TypeError, ValueError
        As `minimize`.

    Examples
    --------
    >>> import fastgd
    >>> result = fastgd.maximize(lambda x: 3.0 - (x - 2.0)**2, 0.0)
    >>> round(result.x, 6), round(result.fun, 6)
    (2.0, 3.0)
    """
    return _solve(fun, x0, args, True, **{**minimize.__wrapped__.__kwdefaults__, **options})


def _solve(fun, x0, args, maximized, *, bounds, on_error, callback, trace, **options):
    points = as_points(x0, "x0")
    if len(points.shape) <= 1:
        require_finite(points, "x0")
    bounds = as_bounds(bounds, points, "x0")
    as_choice(on_error, "on_error", ("raise", "record"))
    objective, difference, functions = as_objective(
        fun, points, args, options["jac"], options["vectorized"], options["unpack"], options["batch_args"], maximized,
        on_error == "record")
    sign = -1.0 if maximized else 1.0
    method, learning_rates = _as_method(options["method"], options["learning_rate"], points)
    source = _as_source(points, bounds, learning_rates, sign, options)
    maxtime = options["maxtime"]
    maxtime = np.inf if maxtime is None else as_float(maxtime, "maxtime", open_below=True)
    observer = Observer(points, callback, trace, sign) if callback is not None or trace else None
    numbers = _allocate(points)
    keep_best = as_flag(options["keep_best"], "keep_best")
    rates, noise = _as_schedule(method.learning_rate), _as_core_noise(options["noise"], options["rng"], method)
    with unraisable_as_error(functions, difference):
        run(objective, difference, method.rule(), source, Sink(**numbers), rates=rates, noise=noise,
            values=observer is not None or options["ftarget"] is not None or np.any(np.asarray(options["ftol"])),
            keep_best=keep_best, maxtime=maxtime, observer=observer,
            watched=None if observer is None else observer.watched)
    if maximized:
        numbers["fun"] *= -1.0
        numbers["jac"] *= -1.0
    return _as_result(points, numbers, maximized, observer.traces() if observer else None)


def _as_method(method, learning_rate, points):
    """An instance of a method, with the learning rate that overrides its own, and the rate of every problem."""
    from .methods import BY_NAME, Method

    if isinstance(method, str):
        method = BY_NAME[as_choice(method, "method", tuple(BY_NAME))]
    elif not isinstance(method, Method):
        raise TypeError("method must be a name or an instance of a class in fastgd.methods, got "
                        f"{type(method).__name__}")
    if learning_rate is None:
        learning_rate = method.learning_rate
    elif callable(learning_rate) or isinstance(learning_rate, str):
        method = replace(method, learning_rate=learning_rate)
    else:  # perhaps an array: what a method knows of it is that it is a number
        method = replace(method, learning_rate=1.0)
    if callable(learning_rate) or isinstance(learning_rate, str):
        return method, repeated(np.nan, np.float64, points)
    return method, per_problem(learning_rate, "learning_rate", points, open_below=True)


def _as_schedule(learning_rate):
    """The rates of any iterations, if they change."""
    if not callable(learning_rate):
        return None
    from .schedules import Schedule

    if isinstance(learning_rate, Schedule):
        return LearningRates(lambda start, stop: learning_rate(np.arange(start, stop)))
    return LearningRates(lambda start, stop: np.array([as_float(learning_rate(k), f"learning_rate({k})")
                                                       for k in range(start, stop)]))


def _as_core_noise(noise, rng, method):
    if noise is None:
        if rng is not None:
            raise ValueError("rng has no effect without noise")
        return None
    from .noise import GaussianNoise

    if not isinstance(noise, GaussianNoise):
        raise TypeError(f"noise must be None or a fastgd.noise.GaussianNoise, got {type(noise).__name__}")
    if method.learning_rate == "auto":
        raise ValueError("noise does not go with learning_rate='auto', whose line search follows the gradient: give a "
                         "rate, such as 0.01")
    return CoreNoise(noise.scale, noise.decay, as_key(rng))


def _as_source(points, bounds, learning_rates, sign, options):
    """The problems as the core takes them: a row or a number for each."""
    ftarget = options["ftarget"]
    if ftarget is None:
        ftarget = repeated(-np.inf, np.float64, points)
    else:
        ftarget = sign * per_problem(ftarget, "ftarget", points, minimum=-np.inf, open_below=True)
    return Source(
        points.rows,
        learning_rate=learning_rates,
        gtol=per_problem(options["gtol"], "gtol", points),
        xtol=per_problem(options["xtol"], "xtol", points),
        ftol=per_problem(options["ftol"], "ftol", points),
        ftarget=ftarget,
        maxiter=count_per_problem(options["maxiter"], "maxiter", points, minimum=0),
        maxfev=count_per_problem(LARGEST_COUNT if options["maxfev"] is None else options["maxfev"], "maxfev", points,
                                 minimum=1),
        lower=bounds[0],
        upper=bounds[1],
    )


def _allocate(points):
    """Arrays for the answers."""
    try:
        return {
            "x": np.empty(points.rows.shape),
            "jac": np.empty(points.rows.shape),
            "fun": np.empty(points.n_problems),
        } | {name: np.empty(points.n_problems, dtype=np.intp) for name in ("nit", "nfev", "njev", "status")}
    except MemoryError:
        n_bytes = 8 * points.n_problems * (2 * points.n_dim + 5)
        raise MemoryError(f"the results of {points.n_problems} problems of {points.n_dim} dimensions need "
                          f"{n_bytes} bytes") from None


def _as_result(points, numbers, maximized, trace):
    if len(points.shape) <= 1:
        single = {name: value[0] if name in ("x", "jac") else value.item() for name, value in numbers.items()}
        if points.shape == ():
            single["x"], single["jac"] = single["x"].item(), single["jac"].item()
        single["status"] = Status(single["status"])
        return Result(**single, trace=trace, maximized=maximized)
    batch = {name: value.reshape(points.shape if name in ("x", "jac") else points.batch_shape)
             for name, value in numbers.items()}
    return Result(**batch, trace=trace, maximized=maximized)
