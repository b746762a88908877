from typing import final

from .evaluation.evaluator import Evaluator
from .searches.search import Search

@final
class Verification:
    def __init__(self, evaluator: Evaluator, rule: Search, checks_jac: bool, first: int) -> None: ...
