from typing import final

from typing_extensions import disjoint_base

from .direction import Direction

@disjoint_base
class FirstOrder(Direction): ...

@final
class GradientDescent(FirstOrder):
    def __init__(self, momentum: float = 0.0, nesterov: bool = False) -> None: ...

@final
class Adagrad(FirstOrder):
    def __init__(self, initial_accumulator: float, eps: float) -> None: ...

@final
class RMSprop(FirstOrder):
    def __init__(self, decay: float, eps: float, momentum: float, centered: bool) -> None: ...

@final
class Adam(FirstOrder):
    def __init__(self, beta1: float, beta2: float, eps: float, amsgrad: bool, weight_decay: float) -> None: ...

@final
class NAdam(FirstOrder):
    def __init__(self, beta1: float, beta2: float, eps: float, momentum_decay: float) -> None: ...
