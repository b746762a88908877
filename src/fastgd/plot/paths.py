"""Paths of descent, on the curve or the contours of the function."""

import numpy as np

from ._figures import as_frame, axes_or_new, check_axes, check_panels, panels_or_new, soften, still_or_animation
from ._landscape import Landscape
from ._paths import box_around, dimensions_of, named_results, paths_of
from .landscapes import CURVE_POINTS, GRID_POINTS, draw_contours, draw_curve

MOST_ARROWS = 12  # of a path: those of its first steps, which are longer than the rest
SHORTEST_ARROW = 0.03  # relative to the Axes
MOST_DOTS = 60  # of more points a path shows the line alone


def descent(results, fun=None, lower=None, upper=None, args=(), *, vectorized=False, unpack=False, ax=None):
    """Draw the path of a run on the curve or the contours of its function.

    A circle marks the start and a star the end, arrows point along the longer ones of the first steps.

    Parameters
    ----------
    results : Result, or dict of Results by label
        Of functions of one or two variables, recorded with ``trace=1``. Of a batch all recorded paths are drawn.
    fun : callable, Objective, compiled or jitted function, or str, optional
        The function, as in `fastgd.minimize`. By default the path alone is drawn, for example on Axes that show the
        function already.
    lower, upper : float or array_like of shape (n_dim,), optional
        Where the function is drawn; by default a box around the paths. Give them if `fun` is not defined everywhere:
        the box may reach beyond the bounds of the run.
    args : tuple, optional
        Further arguments of `fun`.
    vectorized, unpack : optional
        How `fun` is called, as in `fastgd.minimize`.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range, a result has no trace or no points, or these have more
        than two coordinates.
    Exception
        Whatever `fun` raises.

    Examples
    --------
    >>> import fastgd
    >>> def bowl(x):
    ...     return 0.2 * x[0]**2 + x[1]**2
    >>> runs = {rate: fastgd.minimize(bowl, [9.0, -3.0], learning_rate=rate, trace=1) for rate in (0.2, 0.8)}
    >>> ax = fastgd.plot.descent(runs, bowl, -10, 10)
    >>> [text.get_text() for text in ax.get_legend().get_texts()]
    ['0.2', '0.8', 'start', 'end']
    """
    check_axes(ax)
    paths = paths_of(results)
    draw_background = background(paths, fun, lower, upper, (args, vectorized, unpack))
    ax = axes_or_new(ax)
    draw_background(ax)
    for path in paths:
        draw_path(ax, path)
    add_legend(ax, paths)
    return ax


def background(paths, fun, lower, upper, options):
    """Evaluates the function, if there is one, and returns what draws it on Axes and sets the limits that are given or
    that show it."""
    n_dim = dimensions_of(paths)
    if fun is None:
        if lower is not None or upper is not None:
            raise ValueError("lower and upper say where fun is drawn: they do not go without it")
        labels = {"xlabel": "x", "ylabel": "f(x)"} if n_dim == 1 else {"xlabel": "x[0]", "ylabel": "x[1]"}
        return lambda ax: ax.set(**labels)
    around, is_default = box_around(paths), lower is None or upper is None
    lower = around[0] if lower is None else lower
    upper = around[1] if upper is None else upper
    # fun gets x in the form in which the run has given it
    landscape = Landscape(fun, lower, upper, n_dim, options, is_scalar=paths[0].is_scalar)
    *places, values = landscape.curve(CURVE_POINTS) if n_dim == 1 else landscape.grid(GRID_POINTS)
    if (n_dim == 2 or is_default) and not np.isfinite(values).any():
        hint = ", the box around the paths: give lower and upper if a path has diverged" if is_default else ""
        raise ValueError(f"fun has no finite value between lower = {lower} and upper = {upper}{hint}")

    def draw(ax):
        if n_dim == 2:
            draw_contours(ax, *places, values, True, {})
        else:
            draw_curve(ax, *places, values, {})
            ax.set_ylim(*ax.get_ylim())  # a path that diverges does not change them

    return draw


def points_of(path):
    """The finite points of a path in the plane of the picture, x and f or both coordinates; and their iterations."""
    points = path.x if path.x.shape[1] == 2 else np.column_stack([path.x[:, 0], path.trace.fun])
    is_finite = np.isfinite(points).all(axis=1)
    return points[is_finite], path.trace.nit[is_finite]


def draw_path(ax, path):
    points, _ = points_of(path)
    dots = {"marker": ".", "markersize": 5} if len(points) <= MOST_DOTS else {}
    ax.plot(*points.T, color=path.color, linewidth=1.2, label=path.label if path.label is None else str(path.label),
            **dots)
    mark_ends(ax, points, path.color)
    draw_arrows(ax, points, path.color)


def mark_ends(ax, points, color):
    ax.plot(*points[:1].T, "o", markersize=8, markerfacecolor="white", markeredgecolor=color, markeredgewidth=1.8,
            zorder=4)
    ax.plot(*points[-1:].T, "*", markersize=13, color=color, markeredgecolor="white", markeredgewidth=0.8, zorder=5)


def draw_arrows(ax, points, color):
    """Heads in the middle of those of the first steps that are long enough to be seen and end inside the Axes."""
    limits = np.array([ax.get_xlim(), ax.get_ylim()])
    with np.errstate(over="ignore", invalid="ignore"):  # of paths that diverge
        on_axes = (points - limits[:, 0]) / np.diff(limits, axis=1)[:, 0]  # from 0 to 1
        lengths = np.hypot(*np.diff(on_axes, axis=0).T)
    inside = ((on_axes >= 0.0) & (on_axes <= 1.0)).all(axis=1)
    for k in np.flatnonzero((lengths > SHORTEST_ARROW) & inside[:-1] & inside[1:])[:MOST_ARROWS]:
        middle = points[k] + 0.55 * (points[k + 1] - points[k])
        ax.annotate("", middle, points[k], arrowprops={"arrowstyle": "-|>", "color": color, "linewidth": 0.0,
                                                       "mutation_scale": 11.0, "shrinkA": 0.0, "shrinkB": 0.0})


def add_legend(ax, paths):
    """What start and end look like, after the labels."""
    from matplotlib.lines import Line2D

    handles, _ = ax.get_legend_handles_labels()
    ends = {"color": "0.3", "linestyle": "none"}
    handles.append(Line2D([], [], marker="o", markerfacecolor="white", markeredgewidth=1.8, label="start", **ends))
    handles.append(Line2D([], [], marker="*", markersize=11, label="end", **ends))
    ax.legend(handles=handles, framealpha=0.85, fontsize="small")


def animate(results, fun, lower=None, upper=None, args=(), *, frame=None, interval=200, vectorized=False,
            unpack=False, ax=None):
    """Draw the path of a run as an animation, with a frame for every iteration that is recorded of any run.

    Parameters
    ----------
    results : Result, or dict of Results by label
        Of functions of one or two variables, recorded with ``trace=1``; a larger number makes fewer frames. Each
        path is seen as far as it is recorded by the iteration of the frame.
    fun : callable, Objective, compiled or jitted function, or str
        The function, as in `fastgd.minimize`.
    lower, upper : float or array_like of shape (n_dim,), optional
        Where the function is drawn; by default a box around the paths. Give them if `fun` is not defined everywhere:
        the box may reach beyond the bounds of the run.
    args : tuple, optional
        Further arguments of `fun`.
    frame : int, optional
        The number of the frame to draw as a picture that stands still.
    interval : float, default 200
        Milliseconds from one frame to the next.
    vectorized, unpack : optional
        How `fun` is called, as in `fastgd.minimize`.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib.animation.FuncAnimation or matplotlib Axes
        Axes if `frame` is given. An animation must be kept in a variable while it is shown.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range, a result has no trace or no points, or these have more
        than two coordinates.
    IndexError
        If there is no such frame.
    Exception
        Whatever `fun` raises.

    Examples
    --------
    >>> import fastgd
    >>> def parabola(x):
    ...     return x**2 - 4*x + 5
    >>> result = fastgd.minimize(parabola, -1.0, learning_rate=0.2, maxiter=10, trace=1)
    >>> ax = fastgd.plot.animate(result, parabola, -2.0, 6.0, frame=0)
    >>> ax.get_title()
    'iteration 0, f = 10'

    Without `frame` this is all of it, which ``animation.save("descent.gif")`` writes to a file.
    """
    check_axes(ax)
    paths = paths_of(results)
    iterations = np.unique(np.concatenate([path.trace.nit for path in paths]))
    frame = as_frame(frame, len(iterations))
    draw_background = background(paths, fun, lower, upper, (args, vectorized, unpack))
    is_new, ax = ax is None, axes_or_new(ax)
    draw_background(ax)
    lines, heads, all_points = [], [], [points_of(path) for path in paths]
    for path, (points, _) in zip(paths, all_points, strict=True):
        ax.plot(*points[:1].T, "o", markersize=8, markerfacecolor="white", markeredgecolor=path.color,
                markeredgewidth=1.8, zorder=4)
        lines += ax.plot([], [], ".-", color=path.color, linewidth=1.2, markersize=5,
                         label=path.label if path.label is None else str(path.label))
        heads += ax.plot([], [], "o", markersize=8, color=path.color, markeredgecolor="white", zorder=5)
    if any(path.label is not None for path in paths):
        ax.legend(framealpha=0.85, fontsize="small")

    def draw(number):
        for line, head, (points, nit) in zip(lines, heads, all_points, strict=True):
            until_now = points[nit <= iterations[number]]
            line.set_data(*until_now.T)
            head.set_data(*until_now[-1:].T)
        height = f", f = {paths[0].trace.fun[number]:.4g}" if len(paths) == 1 else ""
        ax.set_title(f"iteration {iterations[number]}{height}")
        return *lines, *heads

    return still_or_animation(ax, is_new, draw, len(iterations), frame, interval)


def compare(results, fun=None, lower=None, upper=None, args=(), *, vectorized=False, unpack=False, ax=None):
    """Draw runs side by side, a panel for each with its label above: learning rates, methods or starts.

    Parameters
    ----------
    results : dict of Results by label
        Of functions of one or two variables, recorded with ``trace=1``.
    fun : callable, Objective, compiled or jitted function, or str, optional
        The function, as in `fastgd.minimize`.
    lower, upper : float or array_like of shape (n_dim,), optional
        Where the function is drawn; by default a box around the paths. Give them if `fun` is not defined everywhere:
        the box may reach beyond the bounds of the run.
    args : tuple, optional
        Further arguments of `fun`.
    vectorized, unpack : optional
        How `fun` is called, as in `fastgd.minimize`.
    ax : sequence of matplotlib Axes, optional
        Where to draw, one for each result; by default a new figure whose panels have the same limits.

    Returns
    -------
    ndarray of matplotlib Axes, shape (n_results,)

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range, a result has no trace or no points, or these have more
        than two coordinates.
    Exception
        Whatever `fun` raises.

    Examples
    --------
    >>> import fastgd
    >>> def parabola(x):
    ...     return x**2 - 4*x + 5
    >>> runs = {f"rate {rate}": fastgd.minimize(parabola, -1.0, learning_rate=rate, maxiter=10, trace=1)
    ...         for rate in (0.2, 0.02, 0.8, 1.01)}
    >>> [ax.get_title() for ax in fastgd.plot.compare(runs, parabola, -6.0, 10.0)]
    ['rate 0.2', 'rate 0.02', 'rate 0.8', 'rate 1.01']
    """
    pairs = named_results(results)
    check_panels(ax, len(pairs))
    draw_background = background(paths_of(results), fun, lower, upper, (args, vectorized, unpack))
    n_columns = len(pairs) if len(pairs) <= 3 else int(np.ceil(np.sqrt(len(pairs))))
    panels = panels_or_new(ax, len(pairs), n_columns, (3.6, 3.1), sharex=True, sharey=True)
    for panel, (label, result) in zip(panels, pairs, strict=True):
        if ax is None:
            soften(panel)
        draw_background(panel)
        for path in paths_of(result):
            draw_path(panel, path)
        panel.set_title("" if label is None else str(label))
        panel.label_outer()
    return panels
