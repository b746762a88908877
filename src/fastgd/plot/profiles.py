"""How many problems are solved within so many evaluations."""

from collections.abc import Mapping

import numpy as np

from .._inputs import as_real_array
from ._figures import axes_or_new, check_axes, color_of


def data_profile(evaluations, *, ax=None):
    """Draw data profiles: the share of the problems that a method has solved, against the evaluations.

    Parameters
    ----------
    evaluations : dict of array_like of shape (n_problems,), by label
        For each method how many evaluations it needed for each problem, inf if it did not solve it. Moré and Wild [1]_
        divide them by n_dim + 1, so that problems of all sizes can be counted together.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    TypeError, ValueError
        If `evaluations` is no dictionary of such arrays, or these are not of the same length.

    References
    ----------
    .. [1] J. J. Moré, S. M. Wild, "Benchmarking derivative-free optimization algorithms", SIAM Journal on Optimization
       20, 2009, pp. 172-191.

    Examples
    --------
    >>> import fastgd, numpy as np
    >>> ax = fastgd.plot.data_profile({"bfgs": [20, 35, 50, np.inf], "gd": [60, 40, np.inf, np.inf]})
    >>> counts, shares = ax.lines[0].get_data()
    >>> counts.tolist(), shares.tolist()
    ([20.0, 35.0, 50.0, 60.0], [0.25, 0.5, 0.75, 0.75])
    """
    check_axes(ax)
    needed = as_counts(evaluations)
    solved = [counts[np.isfinite(counts)] for counts in needed.values()]
    last = max((counts.max() for counts in solved if len(counts)), default=1.0)
    ax = axes_or_new(ax)
    for number, (label, counts) in enumerate(zip(needed, solved, strict=True)):
        shares = np.arange(1, len(counts) + 1) / len(needed[label])
        # it goes on to the end of the slowest
        ends = ([], []) if len(counts) and counts.max() == last else ([last], [shares[-1] if len(counts) else 0.0])
        ax.step(np.append(np.sort(counts), ends[0]), np.append(shares, ends[1]), where="post", label=str(label),
                color=color_of(number), linewidth=1.5)
    ax.set(xscale="log", ylim=(0.0, 1.02), xlabel="evaluations", ylabel="share of the problems solved")
    ax.legend(framealpha=0.85, fontsize="small")
    return ax


def as_counts(evaluations):
    """The evaluations as arrays of positive numbers."""
    if not isinstance(evaluations, Mapping) or not evaluations:
        raise TypeError("evaluations must be a dictionary of arrays by label, not empty; got "
                        f"{type(evaluations).__name__}")
    needed = {label: as_real_array(counts, f"evaluations[{label!r}]").astype(np.float64)
              for label, counts in evaluations.items()}
    shapes = {counts.shape for counts in needed.values()}
    if len(shapes) > 1 or len(next(iter(shapes))) != 1 or shapes == {(0,)}:
        raise ValueError("evaluations must have one number for each problem, the same problems for all labels; got "
                         f"shapes {', '.join(map(str, sorted(shapes)))}")
    for label, counts in needed.items():
        if not (counts > 0.0).all():
            raise ValueError(f"evaluations must be positive, got evaluations[{label!r}] with {counts.min()}")
    return needed
