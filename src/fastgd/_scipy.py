"""fastgd behind the face of `scipy.optimize.minimize`."""

from functools import partial

import numpy as np

from ._inputs import as_choice, as_points, one_bound, refuse_unknown, require_finite
from ._minimize import minimize
from ._observer import takes_intermediate_result


def scipy_method(name=None, /, **options):
    """A method for `scipy.optimize.minimize`, and for what calls it: basinhopping, dual_annealing and others.

    Parameters
    ----------
    name : str or an instance of a class in `fastgd.methods`, optional
        The method, as in `fastgd.minimize`. Positional only.
    **options
        Arguments of `fastgd.minimize` but `fun`, `x0`, `args` and `method`, in the forms that it takes. What is given
        in the call of `scipy.optimize.minimize`, in its dictionary ``options`` too, comes before them.

    Returns
    -------
    callable
        To be passed as ``method=``. It can be pickled if the options can.

    Raises
    ------
    TypeError, ValueError
        If an option is not one of `fastgd.minimize`, or the method has no such name.

    See Also
    --------
    minimize

    Notes
    -----
    Of the arguments of `scipy.optimize.minimize`:

    - ``bounds``: in both of SciPy's forms. An x0 outside is moved to the nearest bound, as SLSQP and L-BFGS-B do,
      since `scipy.optimize.basinhopping` steps out of bounds. (Outside bounds among the `options` it is an error.)
    - ``tol`` is ``gtol``, unless that stands in ``options``.
    - ``options``: arguments of `fastgd.minimize`, and ``disp``: if true the result is printed.
    - ``jac``: a function, True or None. SciPy does not pass on strings such as "3-point": name a difference here,
      ``scipy_method("gd", jac=fastgd.Difference(step=1e-5))``. With True SciPy calls `fun` once for the value and the
      gradient at a point, where ``nfev`` and ``njev`` count one each.
    - ``hess``, ``hessp`` and ``constraints`` are a TypeError.

    The result is a `scipy.optimize.OptimizeResult` with the fields of a `Result`. Its status is 0 or more exactly if
    the run converged; what it means says `Status`.

    Examples
    --------
    >>> import fastgd
    >>> import scipy.optimize
    >>> method = fastgd.scipy_method("gd", learning_rate=0.4)
    >>> result = scipy.optimize.minimize(lambda x: (x[0] - 1)**2 + (x[1] + 2)**2, [0.0, 0.0], method=method,
    ...                                  bounds=[(None, None), (-1.0, None)])
    >>> result.x.round(6)
    array([ 1., -1.])
    >>> result.message
    'Converged: no component of the gradient exceeds gtol.'
    """
    from .methods import BY_NAME

    refuse_what_scipy_passes(options)
    refuse_unknown(options, "scipy_method", minimize)
    if isinstance(name, str):
        as_choice(name, "method", tuple(BY_NAME))
    return partial(run, name, options)


def run(method, own_options, fun, x0, /, args=(), *, jac=None, hess=None, hessp=None, bounds=None, constraints=(),
        callback=None, tol=None, disp=False, **options):
    """What `scipy.optimize.minimize` calls, with its own names for the arguments."""
    from scipy.optimize import OptimizeResult  # type: ignore[import-untyped]

    refuse_what_scipy_passes(options)
    refuse(hess=hess, hessp=hessp, constraints=constraints)
    if bounds is not None:
        x0, bounds = as_inside(x0, bounds)
    given = {"jac": jac, "bounds": bounds, "callback": callback, "gtol": tol}
    options = own_options | {name: value for name, value in given.items() if value is not None} | options
    if options.get("callback") is not None:
        options["callback"] = with_scipy_state(options["callback"], OptimizeResult)
    result = minimize(fun, x0, args, method=method, **options)
    if disp:
        print(result)
    trace = {} if result.trace is None else {"trace": result.trace}
    return OptimizeResult(dict(result) | trace)


def refuse_what_scipy_passes(options):
    for option in ("fun", "x0", "args", "method"):
        if option in options:
            raise TypeError(f"scipy_method() does not take {option!r}: scipy.optimize.minimize passes it")


def refuse(**given):
    """What SciPy passes and fastgd cannot heed must not be ignored."""
    for name, value in given.items():
        if value is not None and not (isinstance(value, (tuple, list)) and not value):
            raise TypeError(f"a method of fastgd does not take {name}, got {type(value).__name__}")


def as_inside(x0, bounds):
    """Bounds as (lower, upper), from a scipy.optimize.Bounds or a sequence of pairs, and x0 moved between them."""
    points = as_points(x0, "x0")
    require_finite(points, "x0")
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):
        lower, upper = bounds.lb, bounds.ub
    else:
        lower, upper = sides_of_pairs(bounds, points)
    lower, upper = (one_bound(bound, side, points, "x0").reshape(points.shape)
                    for bound, side in ((lower, "lower"), (upper, "upper")))
    x0 = points.rows.reshape(points.shape)
    # unlike np.clip, leaves x0 alone where a bound is nan, which is an error of the bounds and not of x0
    x0 = np.where(x0 < lower, lower, x0)
    return np.where(x0 > upper, upper, x0), (lower, upper)


def sides_of_pairs(pairs, points):
    """The lower and the upper bounds from one (low, high) for every coordinate."""
    pairs = list(pairs)
    if len(pairs) != points.n_dim or any(np.shape(pair) != (2,) for pair in pairs):
        raise ValueError(f"bounds must be a scipy.optimize.Bounds or a pair (low, high) for each of the {points.n_dim} "
                         f"coordinates of x0, got {pairs!r}")
    return zip(*pairs, strict=True)


def with_scipy_state(callback, result_type):
    """A callback of SciPy's newer kind expects its state to be an OptimizeResult; one of the older kind stays."""
    if not takes_intermediate_result(callback):
        return callback
    return lambda intermediate_result: callback(intermediate_result=result_type(intermediate_result))
