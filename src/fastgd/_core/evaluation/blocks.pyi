from typing import final

from ..objectives.objective import Objective
from .clock import Clock

__pyx_capi__: dict[str, object]

@final
class Blocks:
    def __init__(self, objective: Objective, clock: Clock, maximize: bool) -> None: ...
    @property
    def clock(self) -> Clock: ...
