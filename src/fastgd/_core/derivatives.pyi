import numpy as np
from numpy.typing import NDArray

from .evaluation.evaluator import Evaluator

def values(
    evaluator: Evaluator,
    points: NDArray[np.float64],
    shape: tuple[int, ...],
) -> tuple[NDArray[np.float64], int]: ...
def gradient(
    evaluator: Evaluator,
    points: NDArray[np.float64],
    shape: tuple[int, ...],
    lower: NDArray[np.float64] | None = None,
    upper: NDArray[np.float64] | None = None,
    x_scale: NDArray[np.float64] | None = None,
    errors: NDArray[np.float64] | None = None,
    nfev: NDArray[np.intp] | None = None,
    noise: NDArray[np.float64] | None = None,
) -> tuple[NDArray[np.float64], int]: ...
def hessian(
    evaluator: Evaluator,
    points: NDArray[np.float64],
    shape: tuple[int, ...],
    lower: NDArray[np.float64] | None = None,
    upper: NDArray[np.float64] | None = None,
    x_scale: NDArray[np.float64] | None = None,
    first: int = 0,
    errors: NDArray[np.float64] | None = None,
    calibrates: bool = False,
) -> tuple[NDArray[np.float64], int]: ...
