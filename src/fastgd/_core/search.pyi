from typing import final

from .update import Rule

@final
class SpectralGradient(Rule): ...
