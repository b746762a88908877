import numpy as np
from numpy.typing import NDArray

from .evaluation.evaluator import Evaluator

def gradient(
    evaluator: Evaluator,
    points: NDArray[np.float64],
    shape: tuple[int, ...],
    lower: NDArray[np.float64] | None = None,
    upper: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], int]: ...
