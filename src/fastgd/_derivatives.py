"""Gradients by themselves."""

from ._core.derivatives import gradient as core_gradient
from ._core.evaluation.clock import Clock
from ._core.evaluation.evaluator import Evaluator
from ._inputs import (
    FLOAT64,
    LARGE,
    as_args,
    as_bounds,
    as_choice,
    as_points,
    refuse_unknown,
    require_finite,
    without_rest,
)
from ._objective import DEFAULT_DIFFERENCE, as_objective
from ._unraisable import unraisable_as_error
from .difference import Difference


@without_rest
def gradient(fun, x, args=(), *, method="3-point", step=None, bounds=None, vectorized=False, unpack=False,
             batch_args=(), **unknown):
    """Gradient of a function by central differences, at one point or at many.

    Parameters
    ----------
    fun : callable, Objective, compiled or jitted function, or str
        The function, as in `minimize`: ``fun(x, *args, *batch_args) -> float``, or vectorized.
    x : float or array_like, shape (n_dim,) or (..., n_dim)
        Where to take the gradient; rows are points.
    args : tuple, optional
        Further arguments of `fun`.
    method : {"3-point"}
        The formula, ``(f(x + h) - f(x - h)) / (2h)``.
    step : float, optional
        The absolute step h, in units of x. By default it is chosen from x, see `Difference`.
    bounds : (lower, upper) or scipy.optimize.Bounds, optional
        `fun` is never called outside; near a bound the formula is one-sided. Between equal bounds the slope is 0.
    vectorized : bool or "rows", default False
        As in `minimize`.
    unpack : bool, default False
        Call ``fun(*x)``.
    batch_args : tuple of array_like, optional
        Arrays whose leading axes are those of `x` without the last.

    Returns
    -------
    float or ndarray
        The gradient, of the shape of `x`. It is not finite where `fun` is not, and nan at rows of `x` that are not
        finite.

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
    """
    if unknown:
        refuse_unknown(unknown, "gradient", gradient)
    if method != "3-point":
        as_choice(method, "method", ("3-point",))
    points = as_points(x, "x")
    if len(points.shape) != 1 or points.rows.dtype is not FLOAT64 or points.n_dim > LARGE:
        points = points.copied("x")  # of a single point nothing is read once `fun` has been called
    lower, upper = as_bounds(bounds, points, "x")
    difference = DEFAULT_DIFFERENCE if step is None else Difference(step)
    objective, stencil, functions = as_objective(fun, points, as_args(args), difference, vectorized, unpack,
                                                    batch_args, bounds=(lower, upper))
    clock = Clock()
    evaluator = Evaluator(objective, stencil, clock)
    if functions:
        with unraisable_as_error(functions, clock):
            slopes, vanished = core_gradient(evaluator, points.rows, points.shape, lower, upper)
    else:  # a context that does nothing would take a twentieth of the time
        slopes, vanished = core_gradient(evaluator, points.rows, points.shape, lower, upper)
    if vanished >= 0:
        reason = "the bounds are too close" if step is None else f"the step is too small, got step = {step}"
        raise ValueError(f"{reason}: x + h or x - h equals x in some coordinate of point {vanished}, "
                         f"{points.rows[vanished]}")
    if vanished == -2 and len(points.shape) <= 1:
        require_finite(points, "x")
    return slopes if points.shape else slopes.item()
