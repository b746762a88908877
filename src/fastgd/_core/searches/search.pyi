from typing_extensions import disjoint_base

from ..directions.direction import Direction

@disjoint_base
class Search:
    def __init__(self, direction: Direction) -> None: ...
    @property
    def needs_values(self) -> bool: ...
