from typing import final

from typing_extensions import disjoint_base

from .direction import Pointer

@disjoint_base
class QuasiNewton(Pointer): ...

@final
class BFGS(QuasiNewton): ...

@final
class LBFGS(QuasiNewton):
    def __init__(self, memory: int) -> None: ...
