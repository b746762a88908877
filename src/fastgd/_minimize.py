"""minimize and maximize: check, run, wrap."""

from dataclasses import replace

import numpy as np

from ._chunks import solve
from ._inputs import (
    LARGEST_COUNT,
    as_args,
    as_bounds,
    as_choice,
    as_count,
    as_flag,
    as_float,
    as_key,
    as_out,
    as_points,
    as_x_scale,
    count_per_problem,
    per_problem,
    refuse_unknown,
    repeated,
    require_finite,
    without_rest,
)
from ._objective import resolved
from ._plan import Plan, allocate, as_rates
from .difference import Difference
from .result import Result, Status


@without_rest
def minimize(fun, x0, args=(), *, method=None, learning_rate=None, jac=None, bounds=None, vectorized=False,
             unpack=False, batch_args=(), maxiter=1000, gtol=None, x_scale=None, xtol=0.0, ftol=0.0, ftarget=None,
             maxfev=None, maxtime=None, keep_best=False, noise=None, rng=None, workers=1, chunk_size=None,
             checkpoint=None, out=None, on_error="raise", callback=None, trace=0, progress=False,
             **unknown) -> Result:
    """Minimize a function of one or more variables, from one starting point or from many.

    Parameters
    ----------
    fun : callable, Objective, compiled or jitted function, or str
        The function to minimize: ``fun(x, *args, *batch_args) -> float`` with x of shape (n_dim,). If x0 is a scalar
        it gets a float. If `vectorized`, ``fun(X, ...) -> (n_points,)`` for X of shape (n_dim, n_points), or
        (n_points,) if x0 is a scalar.
        C functions (see `compiled`) and an `Objective`, written in Cython, are used as they are: `args`, `vectorized`
        and `unpack` do not go with them, nor with an `Objective` `batch_args`, a `jac` of its own, `maximize` and
        ``on_error="record"``. What `jit` makes has options of its own. Any of these, and
        `jac`, can be named instead, ``"package.module:name"``: it is then imported, by every process that calls it.
    x0 : float or array_like, shape (n_dim,) or (..., n_dim)
        Where to start. Rows are independent problems: (n_dim,) is one, (B, n_dim) are B, (H, W, n_dim) an image; B
        problems of one variable are (B, 1).
    args : tuple, optional
        Further arguments of `fun` and `jac`, the same for all problems.
    method : str or an instance of a class in `fastgd.methods`, optional
        How to descend: "bfgs", "lbfgs", "newton", "gd", "momentum", "nesterov", "adagrad", "rmsprop", "adam",
        "amsgrad", "adamw", "nadam". By default `methods.BFGS` up to 40 dimensions and `methods.LBFGS` for more, which
        need few evaluations and no tuning; with a `learning_rate`, "gd".
    learning_rate : float, schedule, callable, "auto" or array_like of the batch's shape, optional
        Overrides that of the method, which must have one: "bfgs", "lbfgs" and "newton" search for their steps. A
        function of the iteration k = 0, 1, ..., such as those in `fastgd.schedules`, is called once for each k of the
        run, some ahead of need, but none beyond `maxiter`; an array has a rate for every problem.
    jac : None, "2-point", "3-point", "5-point", "cs", Difference, callable, True or "exact"
        How to get the gradient. By default by central differences, whose steps are found for every coordinate of every
        problem, and checked: see `Difference`, which also sets a step, an order or the noise of `fun`. A function
        ``jac(x, ...)`` returns the shape of its x; with True, `fun` returns a pair of value and gradient; it is
        compared with the values once, at the first start, and a warning tells if it contradicts them. If `fun` is a
        compiled function, so must `jac` be. For a function made by `jit`, "exact" asks for exact derivatives.
    bounds : (lower, upper) or scipy.optimize.Bounds, optional
        Each side broadcastable to the shape of x0 (or None for no limit); `fun` is never called outside. Pairs
        (low, high) become that by ``tuple(zip(*pairs))``. x0 must be inside; ``numpy.clip`` moves it there.
    vectorized : bool or "rows", default False
        Whether `fun` (and `jac`) take many points in a call: X of shape (n_dim, n_points), or (n_points, n_dim) with
        "rows". X may be read-only and may contain points twice. A function whose values depend on the number of
        points (matrix products do, in the last bits) may give other last bits in another batch.
    unpack : bool, default False
        Call ``fun(*x)``, with Python floats, or with arrays if `vectorized`.
    batch_args : tuple of array_like, optional
        Arrays whose leading axes are the batch: ``fun`` gets the slice of its problem, after `args`. A vectorized
        `fun` gets those of its columns, last axis (with "rows": first axis) as long as that of X. They are not copied:
        what `fun` gets is read-only, and the arrays must not change during the run.
    maxiter : int or array_like of the batch's shape, default 1000
        The most iterations of a problem.
    gtol : float or array_like, optional
        Stop when no component of the gradient is larger, in units of f per unit of x (or of ``x / x_scale``); at a
        bound, those whose descent leads outside do not count. By default 1e-6 times the largest component at x0: for
        methods with a learning rate not more than 1e-6; others also want the last step to show that the gradient
        vanishes within 1e-8 of x. A gradient by differences is compared with another by longer steps before a problem
        ends so.
    x_scale : float, array_like that broadcasts to the shape of x0, or "start", optional
        The size of x: the run is that of ``x / x_scale``, in differences, the first step, `gtol` and `xtol`. "start" is
        ``abs(x0)``, and 1 where that is 0. Scales are rounded to powers of two, so that nothing else is. By default
        methods with a learning rate take 1; others find scales from the curvatures of f at x0, if they have
        differences, and a `gtol` that is given stays in units of x.
    xtol : float or array_like, default 0 (off)
        Stop when a step changes no coordinate by more than ``xtol * max(x_scale, abs(x))``; steps also become short
        where a schedule fades.
    ftol : float or array_like, default 0 (off)
        Stop when a step decreases f, and by no more than ``ftol * abs(f)``, or ftol times the smaller of 1 and
        ``abs(f)`` at x0.
    ftarget : float or array_like, optional
        Stop when f is at most this (with `maximize`: at least).
    maxfev : int or array_like, optional
        The most points of a problem at which `fun` may be called; never exceeded.
    maxtime : float, optional
        Seconds after which no further call to `fun` begins (but those for the values at the answers). Problems not
        begun keep x0, with fun = nan.
    keep_best : bool, default False
        Return the best iterate instead of the last one; f is then evaluated in every iteration. The status tells how
        the run ended, perhaps at another point. Methods that search return it anyway if they do not succeed.
    noise : noise.GaussianNoise, optional
        Random numbers added to the gradients that the method uses; not to those of the tests for convergence, nor to
        ``result.jac``. For methods with a learning rate that is not "auto".
    rng : None, int, or a SeedSequence, Generator or BitGenerator of numpy.random, optional
        The seed of the noise. By default it is another one in every call.
    workers : int, concurrent.futures.Executor or map-like callable, default 1
        Who solves the problems of a batch: so many threads (-1: as many as there are CPUs for this process), or the
        processes or machines behind an executor (of the standard library, Dask, mpi4py, loky), to which the functions
        are sent by pickle, or cloudpickle where it is installed, but not `callback` and `trace`; a map-like callable
        must keep the order of its arguments. The results are the same. Threads gain where `fun` is compiled (see `jit`,
        `compiled`) or lets go of the GIL; a Python function is called by several of them at once. If there are fewer
        problems than workers, and `fun` is a Python function of one point, the points of its differences are spread
        over the workers instead.
    chunk_size : int, optional
        How many problems are handed out at a time. By default it depends on the kind of function, on n_dim and on the
        number of problems, and not on `workers`.
    checkpoint : str or path, optional
        A file, ``.npz``, into which finished problems are written every few seconds. A call with the same arguments
        that finds it goes on from there; chunks that `maxtime` has cut off, or in which a problem was lost with its
        worker, begin again. All arguments are compared with those of that call, and so are the numbers and arrays that
        functions and objects hold; the code of functions, their attributes and global variables, lists, dictionaries
        and sets around them, and what pointers of C functions lead to are not: delete the file when you change those.
        Problems from the file have no trace. Noise needs `rng` then.
    out : dict, optional
        Arrays by field name ("x", "fun", "jac", "nit", "nfev", "njev", "status") into which the result is written,
        such as numpy.memmap, of the result's shapes; dtype float64, or intp for counts and status. That of "x" may be
        `x0` itself, but none may overlap `batch_args`.
    on_error : {"raise", "record"}, default "raise"
        Whether an exception of `fun` is raised, with a note that names the problem and the iteration, or ends that
        problem with status ``EXCEPTION``.
    callback : callable, optional
        Called after every iteration of every problem, as in SciPy: ``callback(intermediate_result)``, by that name,
        with fields x, fun, jac, nit, nfev and problem; otherwise ``callback(x)``. StopIteration ends the problem.
    trace : int or (int, problems), default 0 (off)
        Record the iterations 0, k, 2k and so on, and the last: of all problems (at most 1,000), or of those named by
        their indices. Very long paths are thinned.
    progress : bool or callable, default False
        Show the number of problems done and the share of them that converged, by tqdm if that is installed. A function
        is called with (done, total) after every chunk.

    Returns
    -------
    Result
        With x of the shape of x0, and fun, nit, nfev, status, success of the batch's shape.

    Raises
    ------
    TypeError, ValueError
        If an argument, or what `fun` returns, has the wrong type, shape or range.
    Exception
        Whatever `fun` raises, unless `on_error` is "record", or `fun` takes Python floats (x0 is one, or `unpack`) and
        this is their ZeroDivisionError or OverflowError, which stands for nan.
    IndexError
        If `trace` names a problem that the batch does not have.
    RuntimeError
        If a vectorized function writes into its argument, but did not in its first call; if a compiled function
        reports a failure or leaves an output unwritten.
    CheckpointError
        If `checkpoint` is a file of another kind, or damaged.

    See Also
    --------
    maximize, gradient, jit, compiled

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
    refuse_unknown(unknown, "minimize", minimize)
    return _solve(fun, x0, args, False, method=method, learning_rate=learning_rate, jac=jac, bounds=bounds,
                  vectorized=vectorized, unpack=unpack, batch_args=batch_args, maxiter=maxiter, gtol=gtol,
                  x_scale=x_scale, xtol=xtol, ftol=ftol, ftarget=ftarget, maxfev=maxfev, maxtime=maxtime,
                  keep_best=keep_best, noise=noise, rng=rng,
                  workers=workers, chunk_size=chunk_size, checkpoint=checkpoint, out=out, on_error=on_error,
                  callback=callback, trace=trace, progress=progress)


def maximize(fun, x0, args=(), **options) -> Result:
    """Maximize a function of one or more variables; the arguments are those of `minimize`.

    Parameters
    ----------
    fun : callable, compiled or jitted function, or str
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
    TypeError, ValueError, IndexError, RuntimeError, CheckpointError, Exception
        As `minimize`.

    Examples
    --------
    >>> import fastgd
    >>> result = fastgd.maximize(lambda x: 3.0 - (x - 2.0)**2, 0.0)
    >>> round(result.x, 6), round(result.fun, 6)
    (2.0, 3.0)
    """
    refuse_unknown(options, "maximize", minimize)
    return _solve(fun, x0, args, True, **((minimize.__kwdefaults__ or {}) | options))


def _solve(fun, x0, args, maximize, *, bounds, on_error, callback, trace, workers, chunk_size, checkpoint, progress,
           out, **options):
    points = as_points(x0, "x0")
    answers = allocate(points, None if out is None else as_out(out, points, options["batch_args"]))
    if len(points.shape) <= 1:
        require_finite(points, "x0")
    bounds = as_bounds(bounds, points, "x0")
    as_choice(on_error, "on_error", ("raise", "record"))
    method, learning_rates = _as_method(options["method"], options["learning_rate"], points)
    maxtime = options["maxtime"]
    maxtime = np.inf if maxtime is None else as_float(maxtime, "maxtime", open_below=True)
    chunk_size = None if chunk_size is None else as_count(chunk_size, "chunk_size")
    if checkpoint is not None and options["noise"] is not None and options["rng"] is None:
        raise ValueError("a checkpoint of a run with noise needs rng: no other call could go on from there")
    if checkpoint is not None and out and any(np.may_share_memory(x0, array) for array in answers.values()):
        raise ValueError("a checkpoint does not go with out where x0 is: no other call could go on from there")
    observer = None
    if callback is not None or type(trace) is not int or trace:
        from ._observer import Observer

        observer = Observer(points, callback, trace)
    plan = Plan(
        fun=resolved(fun), jac=resolved(options["jac"]), given=(fun, options["jac"]), args=as_args(args),
        vectorized=options["vectorized"], unpack=options["unpack"], batch_args=options["batch_args"], points=points,
        batch_shape=points.batch_shape, bounds=bounds, limits=_limits(points, learning_rates, options),
        x_scale=as_x_scale(options["x_scale"], points),
        finds_scale=options["x_scale"] is None and method.fixed_rate is None,
        method=method, rates=as_rates(method), noise=_as_core_noise(options["noise"], options["rng"], method),
        keep_best=as_flag(options["keep_best"], "keep_best"), maximize=maximize, record_errors=on_error == "record")
    n_before = 0
    if isinstance(options["jac"], Difference) and isinstance(options["jac"].noise, str):
        from ._differences import noise_at

        plan.limits["noise"], n_before = noise_at(options["jac"], plan.objective(), points, plan.x_scale)
    solve(plan, answers, workers=workers, chunk_size=chunk_size, maxtime=maxtime, observer=observer,
          progress=progress, checkpoint=checkpoint)
    if np.any(n_before):
        answers["nfev"] += n_before
    result = _as_result(points, answers, maximize, observer.traces() if observer else None)
    return result._with_origin(plan.hessians, None)


def _as_method(method, learning_rate, points):
    """An instance of a method, with the learning rate that overrides its own, and the rate of every problem."""
    from .methods import BY_NAME, FirstOrder, Method, default_method

    if method is None:
        method = default_method(points.n_dim) if learning_rate is None else BY_NAME["gd"]
    elif isinstance(method, str):
        method = BY_NAME[as_choice(method, "method", tuple(BY_NAME))]
    elif not isinstance(method, Method):
        got = f"the class {method.__name__}" if isinstance(method, type) else type(method).__name__
        raise TypeError(f"method must be a name or an instance of a class in fastgd.methods, got {got}")
    if points.n_dim > method.most_dimensions:
        raise ValueError(f"{type(method).__name__} takes at most {method.most_dimensions} dimensions, x0 has "
                         f"{points.n_dim}: use method='bfgs' or 'lbfgs'")
    rate = method.fixed_rate
    if learning_rate is not None:
        if not isinstance(method, FirstOrder):
            raise ValueError(f"{type(method).__name__} has no learning rate: it searches for its steps")
        # of numbers, perhaps an array, the method only has to know that they are: they come with the problems
        is_number = not callable(learning_rate) and not isinstance(learning_rate, str)
        method = replace(method, learning_rate=1.0 if is_number else learning_rate)
        rate = learning_rate if is_number else method.fixed_rate
    if rate is None or callable(rate):  # then these are not used
        rate = 1.0
    return method, per_problem(rate, "learning_rate", points, open_below=True)


def _as_core_noise(noise, rng, method):
    if noise is None:
        if rng is not None:
            raise ValueError("rng has no effect without noise")
        return None
    from .noise import GaussianNoise

    if not isinstance(noise, GaussianNoise):
        raise TypeError(f"noise must be None or a fastgd.noise.GaussianNoise, got {type(noise).__name__}")
    if method.fixed_rate is None:
        raise ValueError(f"noise does not go with {type(method).__name__} as given, which searches for its steps by "
                         "values: give a method with a learning rate, or learning_rate=0.01")
    return noise.scale, noise.decay, as_key(rng)


def _limits(points, learning_rates, options):
    """A number of each kind for every problem, as the core takes them."""
    ftarget, maxfev, jac = options["ftarget"], options["maxfev"], options["jac"]
    noise = jac.noise if isinstance(jac, Difference) and not isinstance(jac.noise, str) else None
    noise = repeated(0.0, np.float64, points) if noise is None else per_problem(noise, "noise", points)
    if ftarget is None:
        ftarget = repeated(-np.inf, np.float64, points)
    else:
        ftarget = per_problem(ftarget, "ftarget", points, minimum=-np.inf, open_below=True)
    return {
        "learning_rate": learning_rates,
        "gtol": (repeated(np.nan, np.float64, points) if options["gtol"] is None
                 else per_problem(options["gtol"], "gtol", points)),
        "xtol": per_problem(options["xtol"], "xtol", points),
        "ftol": per_problem(options["ftol"], "ftol", points),
        "ftarget": ftarget,
        "noise": noise,
        "maxiter": count_per_problem(options["maxiter"], "maxiter", points, minimum=0),
        "maxfev": count_per_problem(LARGEST_COUNT if maxfev is None else maxfev, "maxfev", points, minimum=1),
    }


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
