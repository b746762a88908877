from typing import final

from .evaluator import Evaluator

@final
class Calibration:
    def __init__(self, evaluator: Evaluator) -> None: ...
