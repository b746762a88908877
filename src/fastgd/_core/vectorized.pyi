from typing import Any, Self, final

from .python_objective import PythonObjective

class OutOfTimeError(Exception): ...

@final
class Vectorized(PythonObjective):
    def __new__(cls, *arguments: Any) -> Self: ...
