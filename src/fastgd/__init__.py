"""fastgd: minimize functions that you can call but not differentiate, one or a million at a time."""

from importlib import import_module
from typing import TYPE_CHECKING

from ._core.objectives.objective import Objective
from ._derivatives import check_gradient, gradient, hessian, jacobian
from ._minimize import maximize, minimize
from .difference import Difference
from .result import Result, Status

if TYPE_CHECKING:
    from . import functions, methods, noise, plot, schedules
    from ._checkpoint import CheckpointError
    from ._compiled import compiled
    from ._jit.jitted import jit
    from ._multistart import multistart
    from ._saved import load_result
    from ._scipy import scipy_method

__all__ = ["CheckpointError", "Difference", "Objective", "Result", "Status", "check_gradient", "compiled", "functions",
           "gradient", "hessian", "jacobian", "jit", "load_result", "maximize", "methods", "minimize", "multistart",
           "noise", "plot", "schedules", "scipy_method"]

__version__ = "0.1.0"

# What not every program needs, by the module that it is in: imported at first use.
LATER = {"CheckpointError": "._checkpoint", "compiled": "._compiled", "jit": "._jit.jitted", "load_result": "._saved",
         "multistart": "._multistart", "scipy_method": "._scipy"}


def __getattr__(name):
    if name in LATER:
        return getattr(import_module(LATER[name], __name__), name)
    if name in ("functions", "methods", "noise", "plot", "schedules"):  # at first use: dataclasses take long to import
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__():
    return [*__all__, "__version__"]
