from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

LIMITS: dict[str, type]

@disjoint_base
class Source:
    def __init__(
        self,
        x0: NDArray[np.float64],
        limits: Mapping[str, NDArray[np.float64] | NDArray[np.intp]],
        *,
        lower: NDArray[np.float64] | None = None,
        upper: NDArray[np.float64] | None = None,
        x_scale: NDArray[np.float64] | None = None,
        first: int = 0,
        batch_shape: tuple[int, ...] = (),
    ) -> None: ...

@disjoint_base
class Sink:
    def __init__(
        self,
        x: NDArray[np.float64],
        jac: NDArray[np.float64],
        fun: NDArray[np.float64],
        nit: NDArray[np.intp],
        nfev: NDArray[np.intp],
        njev: NDArray[np.intp],
        status: NDArray[np.intp],
        reason: NDArray[np.intp],
        seen: NDArray[np.float64],
        expected: NDArray[np.float64],
    ) -> None: ...
