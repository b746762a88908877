"""The recorded paths of results."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..result import Result
from ..trace import Trace
from ._figures import color_of

FARTHEST = 1e300  # of a path that diverges: a box around more would not be finite


@dataclass(frozen=True)
class Path:
    """What one problem has recorded, and how it is shown. The label is None where paths have no names."""

    trace: Trace
    label: Any
    color: str
    maximized: bool

    @property
    def is_scalar(self):
        return self.trace.x.ndim == 1

    @property
    def x(self):
        """The points, (n, n_dim)."""
        return self.trace.x.reshape(len(self.trace), -1)


def runs_of(result):
    """The last runs of what `multistart` returns, and any other result as it is."""
    return getattr(result, "runs", result)


def named_results(results):
    """Pairs of a label, None for a single result, and a result."""
    pairs = list(results.items()) if isinstance(results, Mapping) else [(None, results)]
    pairs = [(label, runs_of(result)) for label, result in pairs]
    for label, result in pairs:
        if not isinstance(result, Result):
            where = "" if label is None else f" for {label!r}"
            raise TypeError(f"expected a fastgd.Result, or a dictionary of them by label, got {type(result).__name__}"
                            f"{where}")
    if not pairs:
        raise ValueError("there are no results to draw: the dictionary is empty")
    return pairs


def paths_of(results):
    """The paths of a result, of all problems of a batch that could start, or of several results by label, which have a
    colour each."""
    paths, pairs = [], named_results(results)
    for number, (label, result) in enumerate(pairs):
        of_label = "" if label is None else f" {label!r}"
        if result.trace is None:
            raise ValueError(f"the result{of_label} has no trace: record one by minimize(..., trace=1)")
        traces = list(result.trace.values()) if isinstance(result.trace, dict) else [result.trace]
        traces = [trace for trace in traces if len(trace)]
        if not traces:
            raise ValueError(f"the trace of the result{of_label} has no points: the run could not start")
        for k, trace in enumerate(traces):
            color = color_of(k if len(pairs) == 1 else number)
            paths.append(Path(trace, label if k == 0 else None, color, result.maximized))
    return paths


def are_maximized(maximized):
    """Whether runs are those of `maximize`, which all must be or none."""
    if len(set(maximized)) > 1:
        raise ValueError("the results are those of minimize and of maximize: draw them one by one, as their values "
                         "have no common best")
    return maximized[0]


def dimensions_of(paths):
    """The number of variables of all paths, 1 or 2."""
    n_dims = {path.x.shape[1] for path in paths}
    if len(n_dims) > 1:
        raise ValueError(f"the results must have equally many variables, got {' and '.join(map(str, sorted(n_dims)))}")
    n_dim = n_dims.pop()
    if n_dim > 2:
        raise ValueError(f"paths are drawn of functions of 1 or 2 variables, got {n_dim}")
    return n_dim


def box_around(paths):
    """Corners of a finite box with all finite points and some space around them."""
    points = np.concatenate([path.x for path in paths])
    points = points[np.isfinite(points).all(axis=1)]
    lower, upper = np.clip([points.min(axis=0), points.max(axis=0)], -FARTHEST, FARTHEST)
    # a path along an axis gets space on both sides, too
    space = np.maximum(0.25 * (upper - lower), 0.1 * (upper - lower).max())
    space[space == 0.0] = 1.0
    return lower - space, upper + space
