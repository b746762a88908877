from collections.abc import Callable
from typing import final

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

@final
class LearningRates:
    def __init__(self, rates: Callable[[int, int], NDArray[np.float64]]) -> None: ...

@disjoint_base
class Rule:
    @property
    def needs_values(self) -> bool: ...

@disjoint_base
class FixedForm(Rule): ...

@final
class GradientDescent(FixedForm):
    def __init__(self, momentum: float = 0.0, nesterov: bool = False) -> None: ...

@final
class Adagrad(FixedForm):
    def __init__(self, initial_accumulator: float, eps: float) -> None: ...

@final
class RMSprop(FixedForm):
    def __init__(self, decay: float, eps: float, momentum: float, centered: bool) -> None: ...

@final
class Adam(FixedForm):
    def __init__(self, beta1: float, beta2: float, eps: float, amsgrad: bool, weight_decay: float) -> None: ...

@final
class NAdam(FixedForm):
    def __init__(self, beta1: float, beta2: float, eps: float, momentum_decay: float) -> None: ...
