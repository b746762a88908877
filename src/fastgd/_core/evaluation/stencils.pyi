from typing import final

@final
class Stencil:
    def __init__(self, step: float = 0.0, x_scale: float = 1.0) -> None: ...
