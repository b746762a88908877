"""The distinct minima among the answers of a batch."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ._record import Record


@dataclass(frozen=True, eq=False)
class Minimum(Record):
    """A minimum at which problems of a batch have ended.

    Attributes
    ----------
    x : float or ndarray, shape (n_dim,)
        Where it is: the best answer there, of a problem that ended with success if there is one.
    fun : float
        The value there.
    hits : int
        How many problems have ended there, with success or without.
    share : float
        The same as a part of all problems of the batch.
    index : int or tuple of int
        The problem whose answer x is; from `multistart` the number of its start.
    at_bound : bool, or ndarray of bool of shape (n_dim,)
        Which coordinates are at a bound; none where bounds are not known.
    success : bool
        Whether a problem has ended there with success.
    """

    x: Any
    fun: float
    hits: int
    share: float
    index: Any
    at_bound: Any
    success: bool


def distinct_minima(result, tol, sizes, lower=-np.inf, upper=np.inf, names=None, is_scalar=False):
    """The minima among the answers, the best first. An answer belongs to a better one from which it is not farther than
    `tol` times the larger of `sizes` and |x| in any coordinate, nor worse by more than `tol` times that of 1 and |f|.

    Where no problem has ended with success there is no minimum, unless the value is the best of all, or none has
    succeeded anywhere. `names` are the indices by which problems are known, otherwise those in the batch.
    """
    is_scalar |= np.ndim(result.x) == 0
    n_dim = np.shape(result.x)[-1] if np.ndim(result.x) else 1
    points, values = np.reshape(result.x, (-1, n_dim)), np.reshape(result.fun, -1)
    heights, succeeded = -values if result.maximized else values, np.reshape(result.success, -1)
    # in the order of the first coordinate, so that few others have to be looked at
    chosen = np.flatnonzero(np.isfinite(heights))
    chosen = chosen[np.argsort(points[chosen, 0], kind="stable")]
    minima = []
    for members in clusters(points[chosen], heights[chosen], tol, sizes, chosen):
        has_success = bool(succeeded[members].any())
        if minima and not has_success and succeeded.any():
            continue
        number = int(members[succeeded[members].argmax()])  # the best, or the best of those with success
        x, index = points[number], index_of(number, np.shape(result.fun)) if names is None else int(names[number])
        at_bound = (x <= lower) | (x >= upper)
        x, at_bound = (x.item(), at_bound.item()) if is_scalar else (x.copy(), at_bound)
        minima.append(Minimum(x, float(values[number]), len(members), len(members) / values.size, index, at_bound,
                              has_success))
    return minima


def clusters(points, heights, tol, sizes, names):
    """The names of the points of each cluster, the lowest first, and the cluster with the lowest one first; points are
    in the order of their first coordinate."""
    reach = tol * np.maximum(sizes, np.abs(points))
    limits = heights + tol * np.maximum(1.0, np.abs(heights))
    begin = np.searchsorted(points[:, 0], points[:, 0] - reach[:, 0], "left")
    end = np.searchsorted(points[:, 0], points[:, 0] + reach[:, 0], "right")
    is_free = np.ones(len(points), dtype=bool)
    for best in np.lexsort((names, heights)).tolist():
        if not is_free[best]:
            continue
        near = slice(begin[best], end[best])
        found = np.flatnonzero(is_free[near] & (np.abs(points[near] - points[best]) <= reach[best]).all(axis=1)
                               & (heights[near] <= limits[best])) + begin[best]
        is_free[found] = False
        yield names[found[np.lexsort((names[found], heights[found]))]]


def index_of(number, shape):
    """Of a problem in its batch: a number, or a tuple of them."""
    index = tuple(map(int, np.unravel_index(number, shape)))
    return index[0] if len(index) == 1 else index
