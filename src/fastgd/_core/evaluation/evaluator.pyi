from typing import final

from ..objectives.objective import Objective
from .clock import Clock
from .stencils import Stencil

@final
class Evaluator:
    def __init__(
        self, objective: Objective, stencil: Stencil, clock: Clock, maximize: bool = False
    ) -> None: ...
