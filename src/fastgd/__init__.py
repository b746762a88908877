"""fastgd: minimize functions that you can call but not differentiate, one or a million at a time."""

import importlib

from ._core.objective import Objective
from ._gradient import gradient
from ._minimize import maximize, minimize
from ._scipy import scipy_method
from .difference import Difference
from .result import Result, Status

__all__ = ["Difference", "Objective", "Result", "Status", "functions", "gradient", "maximize", "methods", "minimize",
           "noise", "schedules", "scipy_method"]

__version__ = "0.1.0"


def __getattr__(name):
    """Modules full of dataclasses are imported at their first use: they would double the time of `import fastgd`."""
    if name in ("functions", "methods", "noise", "schedules"):
        return importlib.import_module(f"fastgd.{name}")
    raise AttributeError(f"module 'fastgd' has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *__all__})
