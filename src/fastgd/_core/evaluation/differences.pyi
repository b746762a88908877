from typing import final

from .blocks import Blocks
from .stencils import Stencil

@final
class Differences:
    def __init__(self, blocks: Blocks, stencil: Stencil) -> None: ...
