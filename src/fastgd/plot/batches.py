"""Results of many problems at once."""

import numpy as np

from .._inputs import as_real_array
from ..result import Result, Status
from ._figures import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    axes_or_new,
    check_axes,
    check_panels,
    color_of,
    panels_or_new,
    soften,
)
from ._landscape import spans_decades
from ._paths import are_maximized, named_results, runs_of

MOST_BINS = 30
COOL = (BLUE, SKY, GREEN)
WARM = (VERMILION, ORANGE, PURPLE, BLACK)


def batch_of(result, what):
    """The result, or the runs of many starts, if it is one of a batch."""
    result = runs_of(result)
    if not isinstance(result, Result):
        raise TypeError(f"expected a fastgd.Result, got {type(result).__name__}")
    if result.is_single or not result.fun.size:
        got = "that of a single problem" if result.is_single else "an empty one"
        raise ValueError(f"{what} draws the result of a batch, got {got}")
    return result


def waterfall(results, *, ax=None):
    """Draw the final values of a batch in rising order: how many of its starts have found which minimum.

    Problems that ended without success are crosses; the legend says how many have no finite value. The axis is
    logarithmic if the values are positive and span more than three decades.

    Parameters
    ----------
    results : Result, or dict of Results by label
        Of batches.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    TypeError, ValueError
        If a result is not one of a batch, no problem has a finite value, or results are of `minimize` and of
        `maximize`.

    Examples
    --------
    >>> import fastgd, numpy as np
    >>> starts = np.random.default_rng(0).uniform(-5, 12, size=(50, 1))
    >>> result = fastgd.minimize(fastgd.functions.x_cos_x, starts, bounds=(-5, 12))
    >>> ax = fastgd.plot.waterfall(result)
    >>> ranks, values = ax.lines[0].get_data()
    >>> bool((np.diff(values) >= 0).all()), round(float(values[0]), 4)
    (True, -0.4773)
    """
    check_axes(ax)
    pairs = [(label, batch_of(result, "waterfall")) for label, result in named_results(results)]
    maximized = are_maximized([result.maximized for _, result in pairs])
    finite = np.concatenate([result.fun[np.isfinite(result.fun)] for _, result in pairs])
    if not finite.size:
        raise ValueError("no problem has a finite value of f at the end")
    ax = axes_or_new(ax)
    for number, (label, result) in enumerate(pairs):
        draw_waterfall(ax, result, label, color_of(number))
    if spans_decades(finite):
        ax.set_yscale("log")
    ax.set(xlabel="problems, the worst first" if maximized else "problems, the best first", ylabel="f at the end")
    if ax.get_legend_handles_labels()[1]:
        ax.legend(framealpha=0.85, fontsize="small")
    return ax


def draw_waterfall(ax, result, label, color):
    """The finite values, in rising order, and in the label how many are not."""
    values, success = result.fun.ravel(), result.success.ravel()
    order = np.argsort(values, kind="stable")
    order = order[np.isfinite(values[order])]
    n_lost = len(values) - len(order)
    words = ([] if label is None else [str(label)]) + ([f"{n_lost} of {len(values)} not finite"] if n_lost else [])
    values, success = values[order], success[order]
    ranks = np.arange(1, len(values) + 1)
    ax.plot(ranks, values, "-", color=color, linewidth=0.8, label=", ".join(words) or None)
    size = 5 if len(values) <= 200 else 2
    ax.plot(ranks[success], values[success], "o", markersize=size, color=color)
    if not success.all():
        ax.plot(ranks[~success], values[~success], "x", markersize=size + 2, color="0.3", label="ended without success")


def batch(result, *, ax=None):
    """Draw how the problems of a batch ended: the numbers of each status, and of the iterations.

    Parameters
    ----------
    result : Result
        Of a batch.
    ax : sequence of two matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    ndarray of matplotlib Axes, shape (2,)

    Raises
    ------
    TypeError, ValueError
        If the result is not one of a batch, or `ax` are not two Axes.

    Examples
    --------
    >>> import fastgd, numpy as np
    >>> starts = np.random.default_rng(0).uniform(-5, 5, size=(200, 2))
    >>> result = fastgd.minimize(fastgd.functions.himmelblau, starts, vectorized=True)
    >>> statuses, iterations = fastgd.plot.batch(result)
    >>> [text.get_text() for text in statuses.get_yticklabels()], int(statuses.patches[0].get_width())
    (['GTOL'], 200)
    """
    result = batch_of(result, "batch")
    check_panels(ax, 2)
    panels = panels_or_new(ax, 2, 2, (4.4, 3.2))
    if ax is None:
        for panel in panels:
            soften(panel)
    statuses, iterations = panels
    codes, counts = np.unique(result.status, return_counts=True)
    order = np.argsort(counts, kind="stable")  # the most frequent one is on top
    bars = statuses.barh([Status(code).name for code in codes[order]], counts[order], height=0.6,
                         color=[BLUE if code >= 0 else VERMILION for code in codes[order]])
    statuses.bar_label(bars, padding=3)
    statuses.margins(x=0.15)
    if len(codes) == 1:
        statuses.set_ylim(-1.0, 1.0)
    statuses.set(xlabel="problems", title=f"{np.count_nonzero(result.success)} of {result.fun.size} successful")
    nit, success = result.nit.ravel(), result.success.ravel()
    edges = bins_of(nit)
    iterations.hist([nit[success], nit[~success]], bins=edges, stacked=True, color=[BLUE, VERMILION],
                    label=["with success", "without success"])
    iterations.set(xlabel="iterations", ylabel="problems", title=f"iterations, median {np.median(nit):g}")
    if not success.all():
        iterations.legend(framealpha=0.85, fontsize="small")
    return panels


def bins_of(counts):
    """Edges between integers, of bins that hold equally many of these."""
    width = -(-(np.ptp(counts) + 1) // MOST_BINS)
    return np.arange(counts.min(), counts.max() + width + 1, width) - 0.5


def maps(result, names=None, errors=None, *, ax=None):
    """Draw a batch that is an image, a problem for each pixel: a map for each parameter, and one of the status.

    Colours span the middle 98 percent of the successful problems, so that a few outliers do not hide the rest; arrows
    at the ends of a colour bar say that there are values beyond.

    Parameters
    ----------
    result : Result
        Of a batch of shape (height, width).
    names : sequence of str, optional
        Of the n_dim parameters, for the titles; ``x[0], x[1], ...`` by default.
    errors : array_like of shape (height, width, n_dim), optional
        Errors of the parameters, such as the roots of the diagonals of ``result.covariance()``, which get a map each.
    ax : sequence of matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    ndarray of matplotlib Axes, shape (n_dim + 1,) or (2 * n_dim + 1,)
        The parameters, the status, and the errors of the parameters if they are given.

    Raises
    ------
    TypeError, ValueError
        If the batch is not an image, or another argument has the wrong type or shape.

    Examples
    --------
    >>> import fastgd, numpy as np
    >>> centers = np.random.default_rng(0).uniform(size=(6, 8, 2))
    >>> def distance(x, center):
    ...     return np.sum((x - center)**2, axis=0)
    >>> result = fastgd.minimize(distance, np.zeros((6, 8, 2)), vectorized=True, batch_args=(centers,))
    >>> axes = fastgd.plot.maps(result, names=["east", "north"])
    >>> [ax.get_title() for ax in axes], axes[0].images[0].get_array().shape
    (['east', 'north', 'status'], (6, 8))
    """
    result = batch_of(result, "maps")
    if result.fun.ndim != 2:
        raise ValueError(f"maps draws batches of shape (height, width), got {result.fun.shape}")
    n_dim = result.x.shape[-1]
    names = as_names(names, n_dim)
    errors = None if errors is None else as_errors(errors, result)
    height, width = result.fun.shape
    size = 3.4, 0.7 + 2.6 * min(max(height / width, 0.4), 1.5)
    n_panels = n_dim + 1 if errors is None else 2 * n_dim + 1
    check_panels(ax, n_panels)
    panels = panels_or_new(ax, n_panels, n_dim + 1, size, sharex=True, sharey=True)
    for i, name in enumerate(names):
        draw_map(panels[i], result.x[..., i], result.success, name)
        if errors is not None:
            draw_map(panels[n_dim + 1 + i], errors[..., i], result.success, f"error of {name}")
    draw_status_map(panels[n_dim], result)
    return panels


def as_names(names, n_dim):
    if isinstance(names, str):
        raise TypeError(f"names must be a sequence of str, one for each of the {n_dim} parameters, got the str "
                        f"{names!r}")
    names = [f"x[{i}]" for i in range(n_dim)] if names is None else list(map(str, names))
    if len(names) != n_dim:
        raise ValueError(f"names must have a name for each of the {n_dim} parameters, got {len(names)}")
    return names


def as_errors(errors, result):
    errors = as_real_array(errors, "errors")
    if errors.shape != result.x.shape:
        raise ValueError(f"errors must have the shape of x, {result.x.shape}, got {errors.shape}")
    return errors


def draw_map(ax, plane, success, title):
    plane = np.ma.masked_invalid(plane)
    counted = plane[success].compressed() if success.any() else plane.compressed()
    lowest, highest = np.quantile(counted, [0.01, 0.99]) if counted.size else (None, None)
    image = ax.imshow(plane, cmap="viridis", vmin=lowest, vmax=highest, interpolation="nearest")
    beyond = (plane.min() < lowest, plane.max() > highest) if counted.size else (False, False)
    extend = {(False, False): "neither", (True, False): "min", (False, True): "max", (True, True): "both"}
    ax.figure.colorbar(image, ax=ax, shrink=0.85, extend=extend[tuple(map(bool, beyond))])
    ax.set_title(title)


def draw_status_map(ax, result):
    """A colour for each status: cool ones for successes, warm ones for the others."""
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    codes, places = np.unique(result.status, return_inverse=True)
    n_failed = np.count_nonzero(codes < 0)
    colors = [WARM[k % len(WARM)] for k in range(n_failed)] + [
        COOL[k % len(COOL)] for k in range(len(codes) - n_failed)]
    ax.imshow(places.reshape(result.fun.shape), cmap=ListedColormap(colors), vmin=-0.5, vmax=len(codes) - 0.5,
              interpolation="nearest")
    ax.set_title("status")
    ax.legend(handles=[Patch(color=color, label=Status(code).name) for code, color in zip(codes, colors, strict=True)],
              loc="upper left", bbox_to_anchor=(1.02, 1.0), fontsize="small", frameon=False)
