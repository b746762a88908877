from collections.abc import Callable
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from .objective import Objective

@final
class CompiledPoint(Objective):
    def __new__(
        cls,
        address: int,
        has_user_data: bool,
        user_data: int,
        owner: object,
        n_dim: int,
    ) -> Self: ...

@final
class CompiledBlock(Objective):
    def __new__(
        cls,
        owner: object,
        n_dim: int,
        *,
        value: int = 0,
        gradient: int = 0,
        pair: int = 0,
        hessian: int = 0,
        differences: int = 0,
        value_data: int = 0,
        gradient_data: int = 0,
        params: NDArray[np.float64] | None = None,
        record_errors: bool = False,
        fun: Callable[[list[float], int], object] | None = None,
    ) -> Self: ...

def read_capsule(capsule: object) -> tuple[int, str | None, int]: ...
