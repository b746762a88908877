"""The distinct minima among the answers of a batch."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ._inputs import as_float
from .result import Record


@dataclass(frozen=True, eq=False)
class Minimum(Record):
    """A minimum at which problems of a batch have ended.

    Attributes
    ----------
    x : ndarray, shape (n_dim,)
        Where it is: the best answer there.
    fun : float
        The value there.
    hits : int
        How many problems have ended there.
    share : float
        The same as a part of all problems of the batch, those without success too.
    index : int or tuple of int
        The problem whose answer x is; from `multistart` the number of its start.
    at_bound : ndarray of bool, shape (n_dim,)
        Which coordinates are at a bound; none where bounds are not known.
    """

    x: np.ndarray
    fun: float
    hits: int
    share: float
    index: Any
    at_bound: np.ndarray


def distinct_minima(result, tol, sizes, lower=-np.inf, upper=np.inf, names=None):
    """The minima among the answers, the best first. An answer belongs to a better one from which it is not farther than
    `tol` times the larger of `sizes` and |x| in any coordinate, nor worse by more than `tol` times that of 1 and |f|.

    `names` are the indices by which they are known, otherwise those in the batch.
    """
    tol = as_float(tol, "tol", open_below=True)
    n_dim = np.shape(result.x)[-1] if np.ndim(result.x) else 1
    points, values = np.reshape(result.x, (-1, n_dim)), np.reshape(result.fun, -1)
    heights = -values if result.maximized else values
    is_finite = np.isfinite(heights)
    has_succeeded = np.reshape(result.success, -1) & is_finite
    chosen = np.flatnonzero(has_succeeded if has_succeeded.any() else is_finite)
    # in the order of the first coordinate, so that few others have to be looked at
    chosen = chosen[np.argsort(points[chosen, 0], kind="stable")]
    points, heights = points[chosen], heights[chosen]
    reach = tol * np.maximum(sizes, np.abs(points))
    limits = heights + tol * np.maximum(1.0, np.abs(heights))
    begin = np.searchsorted(points[:, 0], points[:, 0] - reach[:, 0], "left")
    end = np.searchsorted(points[:, 0], points[:, 0] + reach[:, 0], "right")
    is_free = np.ones(len(chosen), dtype=bool)
    minima = []
    for best in np.argsort(heights, kind="stable").tolist():
        if not is_free[best]:
            continue
        near = slice(begin[best], end[best])
        found = (is_free[near] & (np.abs(points[near] - points[best]) <= reach[best]).all(axis=1)
                 & (heights[near] <= limits[best]))
        is_free[near] &= ~found
        hits = int(np.count_nonzero(found))
        x, number = points[best].copy(), chosen[best]
        minima.append(Minimum(x, float(values[number]), hits, hits / values.size,
                              index_of(number, np.shape(result.fun)) if names is None else int(names[number]),
                              (x <= lower) | (x >= upper)))
    return minima


def index_of(number, shape):
    """Of a problem in its batch: a number, or a tuple of them."""
    index = tuple(map(int, np.unravel_index(number, shape)))
    return index[0] if len(index) == 1 else index
