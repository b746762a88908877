from typing import final

from .blocks import Blocks

@final
class Hessians:
    def __init__(self, blocks: Blocks, x_scale: float) -> None: ...
