"""The user's function as an objective of the core."""

from ._core.difference import CentralDifference
from ._core.python_objective import Pointwise, Vectorized
from ._inputs import as_choice, did_you_mean
from .difference import Difference

DEFAULT_DIFFERENCE = Difference()


def as_difference(jac):
    """Whether `jac` says how to take differences: then a Difference, otherwise None."""
    if isinstance(jac, Difference):
        return jac
    if jac is None or (isinstance(jac, str) and jac == "3-point"):
        return DEFAULT_DIFFERENCE
    if isinstance(jac, str):
        raise ValueError(f"jac must be '3-point', a fastgd.Difference, a function or True; got {jac!r}"
                         + did_you_mean(jac, ["3-point"]))
    return None


def as_core_difference(difference):
    return CentralDifference(difference.step or 0.0, difference.x_scale)


def as_objective(fun, points, batch_args, *, args=(), jac=None, vectorized=False, unpack=False, maximize=False,
                 record_errors=False):
    """The core's objective, and how the gradients it does not supply are taken."""
    difference = as_difference(jac)
    if not callable(fun):
        raise TypeError(f"fun must be callable, got {type(fun).__name__}")
    if difference is None and jac is not True and not callable(jac):
        raise TypeError(f"jac must be '3-point', a fastgd.Difference, a function or True; got {type(jac).__name__}")
    as_choice(vectorized, "vectorized", (False, True, "rows"))
    if vectorized == "rows" and unpack:
        raise ValueError("unpack=True passes coordinates one by one: use it with vectorized=True, not with 'rows'")
    options = {
        "jac": None if difference is not None else jac,
        "args": args if isinstance(args, tuple) else (args,),
        "batch_args": batch_args,
        "maximize": maximize,
        "record_errors": record_errors,
    }
    if vectorized:
        objective = Vectorized(fun, points.n_dim, rows=vectorized == "rows", unpack=unpack, **options)
    else:
        objective = Pointwise(fun, points.n_dim, unpack=unpack or points.shape == (), **options)
    return objective, as_core_difference(difference or DEFAULT_DIFFERENCE)
