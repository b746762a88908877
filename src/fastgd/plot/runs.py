"""How runs converge, iteration by iteration."""

import numpy as np

from .._inputs import as_choice
from ._figures import axes_or_new, check_axes
from ._landscape import spans_decades
from ._paths import are_maximized, paths_of

HIGHEST = 1e250  # a logarithmic axis of more would have no room for its margins
AGAINST = {"nit": "iterations", "nfev": "evaluations"}


def convergence(results, *, quantity="fun", against="nit", ax=None):
    """Draw how the value, the gradient or the step of runs falls, on a logarithmic axis.

    Parameters
    ----------
    results : Result, or dict of Results by label
        Recorded with ``trace=1``, or a larger number. Of a batch all recorded problems are drawn.
    quantity : {"fun", "gradient", "step"}, default "fun"
        The function f; the length of its gradient; or that of the step that led to a point. If all values of f are
        positive and span more than three decades they are drawn as they are, otherwise less the lowest that any of the
        runs has found, as the label of the axis says. For `maximize` it is the highest less f. What is larger than
        1e250, as of runs that diverge, is left out.
    against : {"nit", "nfev"}, default "nit"
        What is counted along the horizontal axis: iterations, or points at which the function was called.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, or is none of the choices, a result has no trace or no points, or values of
        `minimize` and of `maximize` are to be drawn together.

    Examples
    --------
    >>> import fastgd
    >>> runs = {method: fastgd.minimize(fastgd.functions.rosenbrock, [-1.2, 1.0], method=method, trace=1)
    ...         for method in ("bfgs", "gd")}
    >>> ax = fastgd.plot.convergence(runs, quantity="gradient")
    >>> ax.get_yscale(), ax.get_ylabel()
    ('log', 'length of the gradient')
    """
    as_choice(quantity, "quantity", tuple(QUANTITIES))
    as_choice(against, "against", tuple(AGAINST))
    check_axes(ax)
    paths = paths_of(results)
    with np.errstate(over="ignore"):
        label, all_values = QUANTITIES[quantity](paths)
    ax = axes_or_new(ax)
    for path, values in zip(paths, all_values, strict=True):
        is_seen = (values > 0.0) & (values <= HIGHEST)
        is_dot = np.count_nonzero(is_seen) == 1  # a line of one point is not seen
        ax.plot(getattr(path.trace, against), np.where(is_seen, values, np.nan), color=path.color, linewidth=1.5,
                marker="o" if is_dot else None, label=path.label if path.label is None else str(path.label))
    ax.set(yscale="log", xlabel=AGAINST[against], ylabel=label)
    if any(path.label is not None for path in paths):
        ax.legend(framealpha=0.85, fontsize="small")
    return ax


def heights(paths):
    """The label of the axis, and f of every path, or how far it is from the best of all."""
    values = [path.trace.fun for path in paths]
    finite = np.concatenate(values)
    finite = finite[np.isfinite(finite)]
    if not finite.size:
        raise ValueError("the trace has no finite value of f")
    if are_maximized([path.maximized for path in paths]):
        return f"{finite.max():.6g} (the highest f) $-$ f", [finite.max() - f for f in values]
    if spans_decades(finite):
        return "f", values
    return f"f $-$ {finite.min():.6g} (the lowest f)", [f - finite.min() for f in values]


def gradients(paths):
    return "length of the gradient", [path.trace.gradient_norm for path in paths]


def steps(paths):
    return "length of the step", [path.trace.step for path in paths]


QUANTITIES = {"fun": heights, "gradient": gradients, "step": steps}
