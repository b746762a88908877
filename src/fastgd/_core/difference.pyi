from typing import final

from .steps import Steps

@final
class CentralDifference(Steps): ...
