from .evaluation import Evaluator

class Steps(Evaluator):
    def __init__(self, step: float = 0.0, x_scale: float = 1.0) -> None: ...
