from typing import final

from ..directions.damped import Damped
from .armijo import Armijo

@final
class Trust(Armijo):
    def __init__(self, direction: Damped) -> None: ...
