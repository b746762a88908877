from typing import final

from ..directions.first_order import FirstOrder
from .search import Search

@final
class FixedRate(Search):
    def __init__(self, direction: FirstOrder) -> None: ...
