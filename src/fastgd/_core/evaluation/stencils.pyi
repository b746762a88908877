from typing import final

import numpy as np
from numpy.typing import NDArray

@final
class Stencil:
    def __init__(self, step: float = 0.0, x_scale: float = 1.0) -> None: ...
    def offsets(
        self,
        points: NDArray[np.float64],
        lower: NDArray[np.float64] | None = None,
        upper: NDArray[np.float64] | None = None,
        times: float = 1.0,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
