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
        maximize: bool = False,
    ) -> Self: ...

@final
class CompiledBlock(Objective):
    def __new__(
        cls,
        value: int,
        gradient: int,
        pair: int,
        value_data: int,
        gradient_data: int,
        owner: object,
        n_dim: int,
        params: NDArray[np.float64] | None = None,
        maximize: bool = False,
        record_errors: bool = False,
        differences: int = 0,
        fun: Callable[[list[float], int], object] | None = None,
    ) -> Self: ...

def read_capsule(capsule: object) -> tuple[int, str | None, int]: ...
