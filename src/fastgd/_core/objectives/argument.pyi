from typing import Self, final

import numpy as np
from numpy.typing import NDArray

__pyx_capi__: dict[str, object]

@final
class Argument:
    @property
    def array(self) -> NDArray[np.float64]: ...
    @property
    def handed(self) -> tuple[NDArray[np.float64], ...]: ...
    def __new__(cls, shape: tuple[int, ...], writable: bool, rows: bool = False, unpack: bool = False) -> Self: ...
