from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .directions.noise import GaussianNoise
from .evaluation.evaluator import Evaluator
from .memory.problems import Sink, Source
from .searches.rates import LearningRates
from .searches.search import Search

__pyx_capi__: dict[str, object]

def run(
    evaluator: Evaluator,
    rule: Search,
    source: Source,
    sink: Sink,
    *,
    rates: LearningRates | None = None,
    noise: GaussianNoise | None = None,
    keep_best: bool = False,
    finds_scale: bool = False,
    gtol_is_absolute: bool = True,
    checks_jac: bool = False,
    maxtime: float = ...,
    observer: Callable[[int, int, int, NDArray[np.float64], float, NDArray[np.float64]], object] | None = None,
    watched: NDArray[np.uint8] | None = None,
) -> None: ...
def index_of(problem: int, batch_shape: tuple[int, ...]) -> int | tuple[int, ...]: ...
