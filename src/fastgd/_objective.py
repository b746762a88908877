"""The user's function as an objective of the core."""

from importlib import import_module
from operator import attrgetter
from types import FunctionType

import numpy as np

from ._core.evaluation.stencils import Stencil
from ._core.objectives.objective import Objective
from ._core.objectives.pointwise import Pointwise
from ._core.objectives.vectorized import Vectorized
from ._inputs import as_batch_args, as_calling_form, as_choice
from .difference import ORDERS, Difference

DEFAULT_DIFFERENCE = Difference()
GRADIENT, HESSIAN = 2, 4  # bits of the core's questions
COMPLEX_STEP = "cs"


def split_jac(jac, n_dim):
    """What of `jac` is a gradient that the objective supplies (a function, compiled or not, True, "exact" or "cs"), and
    how to take differences."""
    if jac is None or jac is DEFAULT_DIFFERENCE:
        return None, Stencil()
    if isinstance(jac, Difference):
        steps = jac.steps
        if steps is not None and len(steps) not in (1, n_dim):
            raise ValueError(f"step must have one number, or one for each of the {n_dim} coordinates; got {len(steps)}")
        stencil = Stencil(steps, jac.order, jac.method == "2-point", jac.adaptive)
        return COMPLEX_STEP if jac.method == "cs" else None, stencil
    if isinstance(jac, str):
        as_choice(jac, "jac", ("exact", *ORDERS))
        return ("exact", Stencil()) if jac == "exact" else split_jac(Difference(jac), n_dim)
    if jac is Difference or (jac is not True and not callable(jac) and recognize(jac) is None):
        got = f"the class {jac.__name__}" if isinstance(jac, type) else type(jac).__name__
        raise TypeError(f"jac must be None, '3-point', 'exact', a fastgd.Difference, a function or True; got {got}")
    return jac, Stencil()


def resolved(thing):
    """What "module:name" stands for, and a compiled function, in whatever guise, as one; anything else as it is."""
    if type(thing) is FunctionType or thing is None or thing is True:
        return thing
    if isinstance(thing, str):
        module, is_name, name = thing.partition(":")
        return resolved(attrgetter(name)(import_module(module))) if is_name else thing
    return recognize(thing) or thing


def recognize(thing):
    """A CompiledFunction if that is what `thing` is, in whatever guise; what knows them all is imported for others."""
    if type(thing) is FunctionType or isinstance(thing, Objective):
        return None
    from . import _compiled

    return _compiled.recognize(thing)


def refuse_options(fun, given):
    """Some functions are used as they are: what would change how they are called must not be asked for."""
    refused = [name for name, is_given in given.items() if is_given]
    if refused:
        raise TypeError(f"fun is a {fun}, which is used as it is: it does not go with {', '.join(refused)}")


def as_objective(fun, points, args, jac, vectorized, unpack, batch_args, maximize=False, record_errors=False,
                 bounds=(None, None), uses_hessians=False):
    """The core's objective, the stencil for gradients that it does not supply, and the C functions it calls."""
    own_jac, stencil = split_jac(jac, points.n_dim)
    if type(fun) is FunctionType and not isinstance(own_jac, str):  # as nearly always
        objective = as_python_objective(fun, points, args, own_jac, vectorized, unpack, batch_args, record_errors)
        return objective, stencil, ()
    fun = resolved(fun)
    if is_jitted(fun) and own_jac == COMPLEX_STEP:  # machine code is of real numbers
        fun, vectorized, unpack = fun.fun, fun.vectorized, fun.unpack
    if is_jitted(fun):
        refuse_options("jitted function (fastgd.jit has these options)", {
            "vectorized": vectorized,
            "unpack": unpack,
        })
        objective = fun.objective(points, args, own_jac, batch_args, record_errors, bounds, uses_hessians)
        if objective is not None:
            return objective, stencil, ()
        fun, vectorized, unpack = fun.fun, fun.vectorized, fun.unpack
    if own_jac == "exact":
        raise ValueError("jac='exact' takes a function made by fastgd.jit")
    if own_jac == COMPLEX_STEP and (isinstance(fun, Objective) or recognize(fun) is not None):
        raise TypeError("the complex step takes a Python function that computes with complex numbers, got "
                        f"{type(fun).__name__}")
    functions = ()
    function = recognize(fun)
    if function is not None:
        from ._compiled import as_compiled_objective

        refuse_options("compiled function", {"args": args, "vectorized": vectorized, "unpack": unpack})
        objective, functions = as_compiled_objective(function, points, own_jac, batch_args, record_errors)
    elif isinstance(fun, Objective):
        objective = fun
        refuse_options("fastgd.Objective", {
            "args": args,
            "batch_args": batch_args,
            "jac": own_jac is not None,
            "differences (it has gradients of its own)": bool(fun.supplies & GRADIENT) and jac is not None,
            "vectorized": vectorized,
            "unpack": unpack,
            "maximize": maximize,
            "on_error='record'": record_errors,
        })
    elif callable(fun):
        objective = as_python_objective(fun, points, args, own_jac, vectorized, unpack, batch_args, record_errors)
    else:
        name = f" {fun!r}, which is not of the form 'package.module:name'" if isinstance(fun, str) else ""
        raise TypeError(f"fun must be callable, got {type(fun).__name__}{name}")
    return objective, stencil, functions


def is_jitted(thing):
    """Whether it is what fastgd.jit makes, which is imported for that alone."""
    return type(thing).__module__ == "fastgd._jit.jitted" and type(thing).__name__ == "Jitted"


def as_python_objective(fun, points, args, jac, vectorized, unpack, batch_args, record_errors):
    if jac is not None and recognize(jac) is not None:
        raise TypeError("jac is a compiled function, and fun a Python function: both must be of one kind")
    unpack = as_calling_form(vectorized, unpack) or not points.shape
    kind = Vectorized if vectorized else Pointwise
    gradient_cost = 0
    if jac == COMPLEX_STEP:
        jac, gradient_cost = ComplexStep(fun, points.n_dim, vectorized, unpack), points.n_dim
    return kind(fun, points.n_dim, jac, args, as_batch_args(batch_args, points), unpack, record_errors,
                vectorized == "rows", gradient_cost)


class ComplexStep:
    """The gradient of a Python function: imag(f(x + ih)) / h in every coordinate.

    W. Squire, G. Trapp, "Using complex variables to estimate derivatives of real functions", SIAM Review 40, 1998.
    """

    STEP = 2.0**-200  # nothing is subtracted: it may be as small as one likes

    def __init__(self, fun, n_dim, vectorized, unpack):
        self.fun = fun
        self.n_leading = n_dim if unpack else 1
        self.unpack = unpack
        self.axis = -1 if vectorized == "rows" else 0

    def __call__(self, *arguments):
        leading, further = arguments[:self.n_leading], arguments[self.n_leading:]
        X = np.stack(leading) if self.unpack else leading[0]
        slopes = np.empty(X.shape)
        for i in range(X.shape[self.axis]):
            at = (..., i) if self.axis else i
            moved = X.astype(complex)
            moved[at] += 1j * self.STEP
            values = np.asarray(self.fun(*(moved if self.unpack else (moved,)), *further))
            if values.dtype.kind != "c":
                raise TypeError("the complex step takes a function that computes with complex numbers; this one "
                                f"returned dtype {values.dtype}")
            slopes[at] = values.imag / self.STEP
        return slopes
