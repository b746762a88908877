from typing import final

from .evaluator import Evaluator

__pyx_capi__: dict[str, object]

@final
class Calibration:
    def __init__(self, evaluator: Evaluator) -> None: ...
