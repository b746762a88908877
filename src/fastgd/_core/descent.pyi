from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from .difference import CentralDifference
from .lanes import Sink, Source
from .noise import GaussianNoise
from .objective import Objective
from .update import LearningRates, Rule

def run(
    objective: Objective,
    difference: CentralDifference,
    rule: Rule,
    source: Source,
    sink: Sink,
    *,
    rates: LearningRates | None = None,
    noise: GaussianNoise | None = None,
    keep_best: bool = False,
    maxtime: float = ...,
    observer: Callable[[int, int, int, NDArray[np.float64], float, NDArray[np.float64]], object] | None = None,
    watched: NDArray[np.uint8] | None = None,
) -> None: ...
def index_of(problem: int, batch_shape: tuple[int, ...]) -> int | tuple[int, ...]: ...
def gradient(
    objective: Objective,
    difference: CentralDifference,
    points: NDArray[np.float64],
    shape: tuple[int, ...],
    lower: NDArray[np.float64] | None = None,
    upper: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], int]: ...
