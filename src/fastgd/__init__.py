"""fastgd: minimize functions that you can call but not differentiate, one or a million at a time."""

from . import methods
from ._core.objective import Objective
from ._gradient import gradient
from ._minimize import maximize, minimize
from .difference import Difference
from .result import Result, Status

__all__ = ["Difference", "Objective", "Result", "Status", "gradient", "maximize", "methods", "minimize"]

__version__ = "0.1.0"
