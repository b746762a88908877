from typing import final

import numpy as np
from numpy.typing import NDArray

CENTRAL: dict[int, tuple[tuple[int, ...], tuple[int, ...], int, int]]
ONE_SIDED: dict[int, tuple[tuple[int, ...], tuple[int, ...], int, int]]

@final
class Stencil:
    def __init__(
        self, steps: NDArray[np.float64] | None = None, order: int = 2, is_forward: bool = False,
        is_adaptive: bool = False,
    ) -> None: ...
    def offsets(
        self,
        points: NDArray[np.float64],
        lower: NDArray[np.float64] | None = None,
        upper: NDArray[np.float64] | None = None,
        x_scale: NDArray[np.float64] | None = None,
        times: float = 1.0,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]: ...
