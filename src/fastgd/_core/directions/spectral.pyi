from typing import final

from .direction import Pointer

@final
class Spectral(Pointer): ...
