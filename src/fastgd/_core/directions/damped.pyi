from typing import final

from .direction import Pointer

@final
class Damped(Pointer): ...
