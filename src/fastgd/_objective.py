"""The user's function as an objective of the core."""

from ._core.difference import CentralDifference
from ._core.python_objective import Pointwise, Vectorized
from ._inputs import as_batch_args, as_choice
from .difference import Difference

DEFAULT_DIFFERENCE = Difference()


def as_difference(jac):
    """How to take differences if `jac` says so; None if it is a function or True."""
    if jac is None:
        return DEFAULT_DIFFERENCE
    if isinstance(jac, Difference):
        return jac
    if isinstance(jac, str):
        as_choice(jac, "jac", ("3-point",))
        return DEFAULT_DIFFERENCE
    if jac is not True and not callable(jac):
        raise TypeError(f"jac must be '3-point', a fastgd.Difference, a function or True; got {type(jac).__name__}")
    return None


def as_objective(fun, points, args, jac, vectorized, unpack, batch_args, maximize=False, record_errors=False):
    """The core's objective, and how the gradients are taken that it does not supply."""
    if not callable(fun):
        raise TypeError(f"fun must be callable, got {type(fun).__name__}")
    if vectorized is not False and vectorized is not True:
        as_choice(vectorized, "vectorized", (False, True, "rows"))
        if unpack:
            raise ValueError("unpack=True passes coordinates one by one: use it with vectorized=True, not with 'rows'")
    difference = as_difference(jac)
    kind = Vectorized if vectorized else Pointwise
    objective = kind(fun, points.n_dim, jac if difference is None else None,
                     args if isinstance(args, tuple) else (args,), as_batch_args(batch_args, points),
                     bool(unpack) or not points.shape, maximize, record_errors, vectorized == "rows")
    difference = difference or DEFAULT_DIFFERENCE
    return objective, CentralDifference(difference.step or 0.0, difference.x_scale)
