from enum import IntEnum
from typing import Any

class Status(IntEnum):
    GTOL = 0
    XTOL = 1
    FTOL = 2
    FTARGET = 3
    PRECISION = 4
    STALLED = -1
    MAXITER = -2
    NONFINITE = -3
    CALLBACK = -4
    MAXFEV = -5
    MAXTIME = -6
    STEP_UNDERFLOW = -7
    EXCEPTION = -8
    UNBOUNDED = -9
    WORKER_LOST = -10
    @property
    def message(self) -> str: ...

Code: Any
Reason: Any
__pyx_capi__: dict[str, object]
