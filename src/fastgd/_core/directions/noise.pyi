from typing import final

import numpy as np
from numpy.typing import NDArray

@final
class GaussianNoise:
    def __init__(self, scale: float, decay: float, key: NDArray[np.uint64]) -> None: ...
    def sample(self, problem: int, iteration: int, n_dim: int) -> NDArray[np.float64]: ...
