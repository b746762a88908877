from typing_extensions import disjoint_base

@disjoint_base
class CentralDifference:
    def __init__(self, step: float = 0.0, x_scale: float = 1.0) -> None: ...
