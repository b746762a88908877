from collections.abc import Callable
from typing import final

import numpy as np
from numpy.typing import NDArray

@final
class LearningRates:
    def __init__(self, rates: Callable[[int, int], NDArray[np.float64]]) -> None: ...
