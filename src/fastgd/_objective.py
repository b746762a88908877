"""The user's function as an objective of the core."""

from ._core.difference import CentralDifference
from ._core.objective import Objective
from ._core.python_objective import Pointwise, Vectorized
from ._inputs import as_choice, did_you_mean
from .difference import Difference

DEFAULT_DIFFERENCE = Difference()


def as_difference(jac):
    """Whether `jac` says how to take differences: then a Difference, otherwise None."""
    if jac is None or jac == "3-point":
        return DEFAULT_DIFFERENCE
    if isinstance(jac, Difference):
        return jac
    if isinstance(jac, str):
        raise ValueError(f"jac must be '3-point', a fastgd.Difference, a function or True; got {jac!r}"
                         + did_you_mean(jac, ["3-point"]))
    return None


def as_core_difference(difference):
    return CentralDifference(difference.step or 0.0, difference.x_scale)


def refuse_options(given):
    """An Objective is used as it is: what would change how it is called must not be asked for."""
    refused = [name for name, is_given in given.items() if is_given]
    if refused:
        raise TypeError(f"fun is a fastgd.Objective, which is used as it is: it does not go with {', '.join(refused)}")


def as_objective(fun, points, batch_args, *, args=(), jac=None, vectorized=False, unpack=False, maximize=False,
                 record_errors=False):
    """The core's objective, and how the gradients it does not supply are taken."""
    difference = as_difference(jac)
    args = args if isinstance(args, tuple) else (args,)
    if isinstance(fun, Objective):
        refuse_options({
            "args": args,
            "batch_args": batch_args,
            "jac": difference is None,
            "differences (it has gradients of its own)": fun.has_gradient and isinstance(jac, (str, Difference)),
            "vectorized": vectorized,
            "unpack": unpack,
            "maximize": maximize,
            "on_error='record'": record_errors,
        })
        return fun, as_core_difference(difference or DEFAULT_DIFFERENCE)
    if not callable(fun):
        raise TypeError(f"fun must be callable, got {type(fun).__name__}")
    if difference is None and jac is not True and not callable(jac):
        raise TypeError(f"jac must be '3-point', a fastgd.Difference, a function or True; got {type(jac).__name__}")
    as_choice(vectorized, "vectorized", (False, True, "rows"))
    if vectorized == "rows" and unpack:
        raise ValueError("unpack=True passes coordinates one by one: use it with vectorized=True, not with 'rows'")
    options = {
        "jac": None if difference is not None else jac,
        "args": args,
        "batch_args": batch_args,
        "maximize": maximize,
        "record_errors": record_errors,
    }
    if vectorized:
        objective = Vectorized(fun, points.n_dim, rows=vectorized == "rows", unpack=unpack, **options)
    else:
        objective = Pointwise(fun, points.n_dim, unpack=unpack or points.shape == (), **options)
    return objective, as_core_difference(difference or DEFAULT_DIFFERENCE)
