from typing import final

from .blocks import Blocks

__pyx_capi__: dict[str, object]

@final
class Repairs:
    def __init__(self, blocks: Blocks) -> None: ...
