"""Derivatives by themselves: gradients, Hessians, Jacobians, and the check of a gradient."""

import numpy as np

from ._core import derivatives
from ._differences import VectorFunction, at_points, differences_of_values, noise_at, slopes_of
from ._inputs import (
    FLOAT64,
    LARGE,
    Points,
    as_args,
    as_bounds,
    as_choice,
    as_flag,
    as_points,
    as_x_scale,
    refuse_unknown,
    require_finite,
    without_rest,
)
from ._objective import DEFAULT_DIFFERENCE, GRADIENT, as_objective, resolved, split_jac
from .difference import ORDERS, Difference
from .result import GradientCheck

# A difference is compared with one of steps so many times as long. That feels so much less of the rounding and noise of
# f, so that the distance of the two is about the error that these make in the first.
LONGER_STEPS = 64.0
TOLERANCE = 2.0**-26  # of what a gradient may err by itself, relative to its size
TRUSTED = 1e-3  # the largest relative error of a difference that says something about a gradient
MOST_NUMBERS = 1 << 16  # about half of those in the points that a function of several values gets in a call


@without_rest
def gradient(fun, x, args=(), *, method="3-point", step=None, x_scale=None, bounds=None, vectorized=False, unpack=False,
             batch_args=(), workers=1, full_output=False, **unknown):
    """Gradient of a function by differences, at one point or at many.

    Parameters
    ----------
    fun : callable, Objective, compiled or jitted function, or str
        The function, as in `minimize`: ``fun(x, *args, *batch_args) -> float``, or vectorized.
    x : float or array_like, shape (n_dim,) or (..., n_dim)
        Where to take the gradient; rows are points.
    args : tuple, optional
        Further arguments of `fun`.
    method : {"3-point", "2-point", "5-point", "cs", "exact"} or Difference, default "3-point"
        The formula, see `Difference`; "exact" for the derivatives of a function made by `jit`.
    step : float or array_like of shape (n_dim,), optional
        The absolute step h, in units of x: the textbook formula. By default it is found, see `Difference`.
    x_scale : float, array_like or "start", optional
        The size of x, by which steps begin, as in `minimize`; 1 by default.
    bounds : (lower, upper) or scipy.optimize.Bounds, optional
        `fun` is never called outside; near a bound the formula is one-sided. Between equal bounds the slope is 0.
    vectorized : bool or "rows", default False
        As in `minimize`.
    unpack : bool, default False
        Call ``fun(*x)``.
    batch_args : tuple of array_like, optional
        Arrays whose leading axes are those of `x` without the last.
    workers : int, Executor or map-like callable, default 1
        Who evaluates the points, as in `minimize`.
    full_output : bool, default False
        Whether to return errors and numbers of evaluations, too.

    Returns
    -------
    gradient : float or ndarray
        Of the shape of `x`. It is not finite where `fun` is not, and nan at rows of `x` that are not finite.
    error : float or ndarray, of the shape of `x`
        With `full_output`: an estimate of the error of each component, from a second step; nan for formulas that are
        taken as they are, and with `workers`.
    nfev : int or ndarray
        With `full_output`: evaluations at each point.

    Raises
    ------
    TypeError, ValueError
        If an argument or what `fun` returns has the wrong type or shape, or if ``x + step == x``.
    Exception
        Whatever `fun` raises, as in `minimize`.

    References
    ----------
    .. [1] W. H. Press, S. A. Teukolsky, W. T. Vetterling, B. P. Flannery, "Numerical Recipes", 3rd edition,
       Cambridge University Press, 2007, section 5.7.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.gradient(lambda x: x[0]**2 + x[0] * x[1], [3.0, 4.0]).round(8)
    array([10.,  3.])

    With what is known of its error:

    >>> import numpy as np
    >>> slope, error, nfev = fastgd.gradient(lambda x: np.exp(x[0]), [1.0], full_output=True)
    >>> bool(abs(slope[0] - np.e) <= error[0] < 1e-9), nfev
    (True, 5)
    """
    if unknown:
        refuse_unknown(unknown, "gradient", gradient)
    full_output = full_output is not False and as_flag(full_output, "full_output")
    difference = as_difference(method, step)
    if type(workers) is not int or workers != 1:
        return by_workers(fun, x, args, difference, x_scale, bounds, vectorized, unpack, batch_args, workers,
                          full_output)
    points = as_points(x, "x")
    if len(points.shape) != 1 or points.rows.dtype is not FLOAT64 or points.n_dim > LARGE or full_output:
        points = points.copied("x")  # of a single point nothing is read once `fun` has been called
    lower, upper = as_bounds(bounds, points, "x")
    made = as_objective(fun, points, as_args(args), difference, vectorized, unpack, batch_args, bounds=(lower, upper))
    scales = None if x_scale is None else as_x_scale(x_scale, points)
    errors = np.empty(points.rows.shape) if full_output else None
    nfev = np.empty(points.n_problems, np.intp) if full_output else None
    noise, nfev_of_noise = None, 0
    if type(difference) is Difference and difference.noise is not None:
        noise, nfev_of_noise = noise_at(difference, made, points, scales)
    slopes, vanished = at_points(derivatives.gradient, points, made, lower, upper, scales, errors, nfev, noise)
    if vanished != -1:
        refuse(points, vanished, step)
    if not full_output:
        return slopes if points.shape else slopes.item()
    nfev += nfev_of_noise
    errors, nfev = errors.reshape(points.shape), nfev.reshape(points.batch_shape)
    if not points.shape:
        slopes, errors = slopes.item(), errors.item()
    return slopes, errors, nfev if points.batch_shape else nfev.item()


def as_difference(method, step):
    """A Difference, or "exact"."""
    if isinstance(method, Difference):
        if step is not None:
            raise ValueError("method is a Difference: give it the step")
        return method
    if isinstance(method, str) and method == "3-point":
        return DEFAULT_DIFFERENCE if step is None else Difference(step=step)
    as_choice(method, "method", ("exact", *ORDERS))
    if method == "exact":
        if step is not None:
            raise ValueError("exact derivatives have no step")
        return method
    return Difference(method, step=step)


def by_workers(fun, x, args, difference, x_scale, bounds, vectorized, unpack, batch_args, workers, full_output):
    """The first gradient of a run, whose points are evaluated by the workers."""
    from ._minimize import minimize

    result = minimize(fun, x, args, jac=difference, learning_rate=1.0, maxiter=0, x_scale=x_scale, bounds=bounds,
                      vectorized=vectorized, unpack=unpack, batch_args=batch_args, workers=workers)
    if not full_output:
        return result.jac
    return result.jac, np.nan * result.jac, result.nfev


@without_rest
def hessian(fun, x, args=(), *, jac=None, x_scale=None, bounds=None, vectorized=False, unpack=False, batch_args=(),
            **unknown):
    """Hessian of a function, at one point or at many.

    Parameters
    ----------
    fun : callable, Objective, compiled or jitted function, or str
        The function, as in `minimize`: ``fun(x, *args, *batch_args) -> float``, or vectorized.
    x : float or array_like, shape (n_dim,) or (..., n_dim)
        Where to take the Hessian; rows are points.
    args : tuple, optional
        Further arguments of `fun` and `jac`.
    jac : None, callable, True or "exact"
        The gradient, as in `minimize`, if there is one: differences are then taken of that. For a function made by
        `jit` Hessians are exact if it can be traced, whatever `jac` is; where they would take too long to compile,
        "exact" asks for differences of exact gradients.
    x_scale : float, array_like or "start", optional
        The size of x, by which the steps of differences are chosen, as in `minimize`; 1 by default.
    bounds : (lower, upper) or scipy.optimize.Bounds, optional
        `fun` is never called outside; near a bound the formula is one-sided. By differences the rows and columns of
        coordinates between equal bounds are 0.
    vectorized : bool or "rows", default False
        As in `minimize`.
    unpack : bool, default False
        Call ``fun(*x)``.
    batch_args : tuple of array_like, optional
        Arrays whose leading axes are those of `x` without the last.

    Returns
    -------
    float or ndarray, shape (..., n_dim, n_dim)
        The Hessian, which is symmetric; the second derivative if x is a scalar. It is not finite where `fun` is not,
        and nan at rows of `x` that are not finite.

    Raises
    ------
    TypeError, ValueError
        If an argument or what `fun` returns has the wrong type or shape, or if the bounds leave no room for a step.
    Exception
        Whatever `fun` raises, as in `minimize`.

    Notes
    -----
    From values it takes ``n_dim * (n_dim + 1) + 1`` of them, with steps of about 1e-4 ``max(1, abs(x))`` [1]_: for
    smooth functions of the size of 1 expect errors of about 1e-7, and 1e-4 where a bound is near. From gradients it
    takes ``n_dim + 1`` of them, with steps of about 1e-8 ``max(1, abs(x))`` and errors of about that.

    References
    ----------
    .. [1] J. E. Dennis, R. B. Schnabel, "Numerical Methods for Unconstrained Optimization and Nonlinear Equations",
       Prentice-Hall, 1983, section 5.6.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.hessian(lambda x: x[0]**2 + x[0] * x[1]**3, [3.0, 2.0]).round(4)
    array([[ 2., 12.],
           [12., 36.]])
    """
    if unknown:
        refuse_unknown(unknown, "hessian", hessian)
    points = as_points(x, "x").copied("x")
    lower, upper = as_bounds(bounds, points, "x")
    made = as_objective(fun, points, as_args(args), resolved(jac), vectorized, unpack, batch_args,
                        bounds=(lower, upper), uses_hessians=True)
    scales = None if x_scale is None else as_x_scale(x_scale, points)
    found, vanished = at_points(derivatives.hessian, points, made, lower, upper, scales)
    if vanished != -1:
        refuse(points, vanished)
    return found if points.shape else found.item()


@without_rest
def jacobian(fun, x, args=(), *, method="3-point", step=None, x_scale=None, bounds=None, vectorized=False, unpack=False,
             batch_args=(), **unknown):
    """Jacobian of a function of several values by central differences, at one point or at many.

    Parameters
    ----------
    fun : callable or str
        The function, in Python: ``fun(x, *args, *batch_args) -> (m,)`` with x of shape (n_dim,). If `vectorized`,
        ``fun(X, ...) -> (m, n_points)`` for X of shape (n_dim, n_points); with "rows" (n_points, m) for
        (n_points, n_dim).
    x : float or array_like, shape (n_dim,) or (..., n_dim)
        Where to take the Jacobian; rows are points.
    args : tuple, optional
        Further arguments of `fun`.
    method : {"3-point"}
        The formula, ``(f(x + h) - f(x - h)) / (2h)``.
    step : float, optional
        The absolute step h, in units of x. By default the power of two nearest to
        ``eps**(1/3) * max(x_scale, abs(x))``.
    x_scale : float, array_like or "start", optional
        The size of x, as in `minimize`; 1 by default.
    bounds : (lower, upper) or scipy.optimize.Bounds, optional
        `fun` is never called outside; near a bound the formula is one-sided. Between equal bounds the slopes are 0.
    vectorized : bool or "rows", default False
        Whether `fun` takes many points in a call, as in `minimize`.
    unpack : bool, default False
        Call ``fun(*x)``.
    batch_args : tuple of array_like, optional
        Arrays whose leading axes are those of `x` without the last.

    Returns
    -------
    ndarray, shape (..., m, n_dim)
        The Jacobian; of shape (m,) if x is a scalar. It is not finite where `fun` is not, and nan at rows of `x` that
        are not finite; if all are such, m is 0.

    Raises
    ------
    TypeError, ValueError
        If an argument or what `fun` returns has the wrong type or shape, or if ``x + step == x``.
    Exception
        Whatever `fun` raises.

    References
    ----------
    .. [1] W. H. Press, S. A. Teukolsky, W. T. Vetterling, B. P. Flannery, "Numerical Recipes", 3rd edition,
       Cambridge University Press, 2007, section 5.7.

    Examples
    --------
    >>> import fastgd
    >>> fastgd.jacobian(lambda x: [x[0]**2, x[0] * x[1], x[1]], [3.0, 4.0]).round(8)
    array([[6., 0.],
           [4., 3.],
           [0., 1.]])
    """
    if unknown:
        refuse_unknown(unknown, "jacobian", jacobian)
    if method != "3-point":
        as_choice(method, "method", ("3-point",))
    points = as_points(x, "x").copied("x")
    if len(points.shape) <= 1:
        require_finite(points, "x")
    lower, upper = as_bounds(bounds, points, "x")
    function = VectorFunction(fun, points, as_args(args), vectorized, unpack, batch_args)
    _, stencil = split_jac(DEFAULT_DIFFERENCE if step is None else Difference(step=step), points.n_dim)
    h, other = stencil.offsets(points.rows, lower, upper, None if x_scale is None else as_x_scale(x_scale, points))
    finite = np.isfinite(points.rows).all(axis=1)
    with np.errstate(invalid="ignore"):
        stays = ((points.rows + h == points.rows) | (points.rows + other == points.rows)) & finite[:, None]
    if lower is not None:
        stays &= lower < upper
    if stays.any():
        refuse(points, int(stays.any(axis=1).argmax()), step)
    problems, coordinates = np.nonzero(np.broadcast_to(finite[:, None], h.shape))
    found = np.full((*points.rows.shape, 0), np.nan)
    size = max(MOST_NUMBERS // points.n_dim, 1)
    for start in range(0, len(problems), size):
        at = problems[start:start + size], coordinates[start:start + size]
        slopes = slopes_of(function, points.rows, *at, h[at], other[at])
        if not start:
            found = np.full((*points.rows.shape, slopes.shape[1]), np.nan)
        found[at] = slopes
    found = found.swapaxes(1, 2)
    return found.reshape(*points.shape[:-1], *found.shape[1:]) if points.shape else found.reshape(-1)


@without_rest
def check_gradient(fun, jac, x, args=(), *, bounds=None, vectorized=False, unpack=False, batch_args=(),
                   **unknown) -> GradientCheck:
    """Compare a gradient with central differences, at one point or at many.

    Parameters
    ----------
    fun : callable, Objective, compiled or jitted function, or str
        The function, as in `minimize`.
    jac : callable, compiled function, str, True, "exact" or None
        Its gradient, as in `minimize`: with True, `fun` returns a pair of value and gradient. None for an `Objective`
        with gradients of its own.
    x : float or array_like, shape (n_dim,) or (..., n_dim)
        Where to compare them; rows are points. Random ones show more than special ones, such as zeros.
    args : tuple, optional
        Further arguments of `fun` and `jac`.
    bounds : (lower, upper) or scipy.optimize.Bounds, optional
        `fun` is never called outside. Between equal bounds nothing is compared.
    vectorized : bool or "rows", default False
        As in `minimize`.
    unpack : bool, default False
        Call ``fun(*x)`` and ``jac(*x)``.
    batch_args : tuple of array_like, optional
        Arrays whose leading axes are those of `x` without the last.

    Returns
    -------
    GradientCheck
        With `ok`, a bool for every point, and a `message` that names the worst component. Other fields are `jac`,
        `difference`, its estimated `error`, and `worst`, the index of that component.

    Raises
    ------
    TypeError, ValueError
        If an argument or what is returned has the wrong type or shape, or if x is not finite.
    Exception
        Whatever `fun` and `jac` raise, as in `minimize`.

    Notes
    -----
    The error of a difference is estimated from another one with steps 64 times as long. A component is wrong if it is
    further from the difference than twice that error and 1.5e-8 of its own size. Where the difference cannot be trusted
    (f is noisy, computed in float32, has a kink, or does not depend on the coordinate) only large errors are found; the
    message says so. `fun` is called at ``4 * n_dim + 1`` points for each in `x`.

    Examples
    --------
    >>> import fastgd
    >>> def fun(x):
    ...     return x[0]**2 * x[1]
    >>> fastgd.check_gradient(fun, lambda x: [2 * x[0] * x[1], x[0]**2], [3.0, 4.0]).ok
    True
    >>> fastgd.check_gradient(fun, lambda x: [2 * x[0] * x[1], 2 * x[0]], [3.0, 4.0])
    The gradient is wrong: jac[1] = 6, by differences 9. The difference can be trusted there, its error is about 3e-10.
    """
    if unknown:
        refuse_unknown(unknown, "check_gradient", check_gradient)
    points = as_points(x, "x").copied("x")
    if not points.n_problems:
        raise ValueError(f"x has no points at which to compare: got shape {points.shape}")
    for problem in range(points.n_problems):
        require_finite(Points(points.rows[problem:problem + 1], points.shape), "x")
    bounds = as_bounds(bounds, points, "x")
    made = as_objective(fun, points, as_args(args), resolved(jac), vectorized, unpack, batch_args, bounds=bounds)
    if not made[0].supplies & GRADIENT:
        raise TypeError(f"jac must be a gradient to check: a function, True or 'exact'; got {jac!r}")
    given, _ = at_points(derivatives.gradient, points, made, *bounds)
    middle, _ = at_points(derivatives.values, points, made)
    given, middle = given.reshape(points.rows.shape), middle.reshape(-1, 1)
    difference, rounding = differences_of_values(points, made, bounds, middle, 1.0)
    other, _ = differences_of_values(points, made, bounds, middle, LONGER_STEPS)
    return as_check(points, given, difference, abs(difference - other) + rounding)


def refuse(points, vanished, step=None):
    """Raises if the step vanishes at a point, or if a single point is not finite."""
    if vanished >= 0:
        reason = "the bounds are too close" if step is None else f"the step is too small, got step = {step}"
        raise ValueError(f"{reason}: x + h or x - h equals x in some coordinate of point {vanished}, "
                         f"{points.rows[vanished]}")
    if len(points.shape) <= 1:
        require_finite(points, "x")


def as_check(points, given, difference, error):
    """What is said of a gradient; all are rows of points."""
    with np.errstate(all="ignore"):
        size = np.maximum(abs(given), abs(difference))
        gap = abs(given - difference)
        excess = np.where(gap == 0.0, 0.0, gap / (2.0 * error + TOLERANCE * size))
    excess[np.isnan(excess)] = np.inf
    ok = (excess <= 1.0).all(axis=1)
    at = np.unravel_index(int(excess.argmax()), excess.shape)
    worst = tuple(map(int, np.unravel_index(int(excess.argmax()), points.shape)))
    name = f"jac[{', '.join(map(str, worst))}]" if worst else "jac"
    verdict = "agrees with differences" if ok.all() else "is wrong"
    if len(ok) > 1 and not ok.all():
        verdict += f" at {len(ok) - np.count_nonzero(ok)} of {len(ok)} points"
    trust = "can" if error[at] <= TRUSTED * size[at] else "cannot"
    message = (f"The gradient {verdict}: {name} = {given[at]:.9g}, by differences {difference[at]:.9g}. The difference "
               f"{trust} be trusted there, its error is about {error[at]:.1g}.")
    if not points.shape:
        return GradientCheck(given.item(), difference.item(), error.item(), ok.item(), worst, message)
    given, difference, error = (rows.reshape(points.shape) for rows in (given, difference, error))
    if len(points.shape) == 1:
        return GradientCheck(given, difference, error, ok.item(), worst[0], message)
    return GradientCheck(given, difference, error, ok.reshape(points.batch_shape), worst, message)


