from typing_extensions import disjoint_base

from ..directions.direction import Pointer
from .search import Search

@disjoint_base
class Armijo(Search):
    def __init__(self, direction: Pointer, monotone: bool = False) -> None: ...
