from typing import final

from .evaluation import Evaluator

@final
class CentralDifference(Evaluator):
    def __init__(self, step: float = 0.0, x_scale: float = 1.0) -> None: ...
