from collections.abc import Callable
from typing import Any, Self, final

from numpy.typing import NDArray
from typing_extensions import disjoint_base

from .objective import Objective

@disjoint_base
class PythonObjective(Objective):
    def __new__(
        cls,
        fun: Callable[..., Any],
        n_dim: int,
        jac: Callable[..., Any] | bool | None = None,
        args: tuple[Any, ...] = (),
        batch_args: tuple[NDArray[Any], ...] = (),
        unpack: bool = False,
        record_errors: bool = False,
        rows: bool = False,
    ) -> Self: ...

@final
class Pointwise(PythonObjective):
    def __new__(cls, *arguments: Any) -> Self: ...
