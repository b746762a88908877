from typing_extensions import disjoint_base

from .evaluation import Evaluator

__pyx_capi__: dict[str, object]

@disjoint_base
class Steps(Evaluator):
    def __init__(self, step: float = 0.0, x_scale: float = 1.0) -> None: ...
