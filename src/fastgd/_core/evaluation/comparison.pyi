from typing import final

from .evaluator import Evaluator

@final
class Comparison:
    def __init__(self, evaluator: Evaluator) -> None: ...
