from collections.abc import Callable
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from typing_extensions import disjoint_base

from .objective import Objective

@disjoint_base
class Argument:
    @property
    def array(self) -> NDArray[np.float64]: ...
    @property
    def handed(self) -> tuple[NDArray[np.float64], ...]: ...
    def __new__(cls, shape: tuple[int, ...], writable: bool, rows: bool = False, unpack: bool = False) -> Self: ...

@disjoint_base
class PythonObjective(Objective):
    def __init__(
        self,
        fun: Callable[..., Any],
        n_dim: int,
        *,
        jac: Callable[..., Any] | bool | None = None,
        args: tuple[Any, ...] = (),
        batch_args: tuple[NDArray[Any], ...] = (),
        unpack: bool = False,
        maximize: bool = False,
        record_errors: bool = False,
    ) -> None: ...

@disjoint_base
class Pointwise(PythonObjective):
    def __init__(self, fun: Callable[..., Any], n_dim: int, **options: Any) -> None: ...

@disjoint_base
class Vectorized(PythonObjective):
    def __init__(self, fun: Callable[..., Any], n_dim: int, rows: bool = False, **options: Any) -> None: ...
