"""Learning rates that change from iteration to iteration. Pass one as ``learning_rate=``.

Iteration 0 is the first step. A schedule is a function of the iteration alone: it gives the same bits whether it is
asked for one iteration or for many, and however often.
"""

from .cycles import CosineRestarts, Cyclical
from .decays import CosineDecay, ExponentialDecay, InverseTimeDecay, PolynomialDecay, StepDecay
from .schedule import Constant, Schedule, Table, Warmup

__all__ = ["Constant", "CosineDecay", "CosineRestarts", "Cyclical", "ExponentialDecay", "InverseTimeDecay",
           "PolynomialDecay", "Schedule", "StepDecay", "Table", "Warmup"]
