"""Functions of one and of two variables."""

import numpy as np

from ._figures import CURVE, axes_or_new, check_axes, load_pyplot, need_matplotlib, valley_colors
from ._landscape import Landscape, univariate

CURVE_POINTS = 400
GRID_POINTS = 150  # along each axis
N_LEVELS = 14


def function(fun, lower, upper, args=(), *, n_points=CURVE_POINTS, vectorized=False, unpack=False, ax=None, **kwargs):
    """Draw the curve of a function of one variable.

    Parameters
    ----------
    fun : callable, Objective, compiled or jitted function, or str
        The function, as in `fastgd.minimize`.
    lower, upper : float or array_like of shape (1,)
        Where the curve begins and ends. If both are floats, `fun` gets a float, otherwise an array of one.
    args : tuple, optional
        Further arguments of `fun`.
    n_points : int, default 400
        At how many points, equally spaced.
    vectorized, unpack : optional
        How `fun` is called, as in `fastgd.minimize`.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.
    **kwargs
        For `matplotlib.axes.Axes.plot`, such as `color` and `label`.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range.
    Exception
        Whatever `fun` raises.

    Examples
    --------
    >>> import fastgd
    >>> ax = fastgd.plot.function(lambda x: x**2 - 4*x + 5, -1.0, 5.0)
    >>> x, y = ax.lines[0].get_data()
    >>> len(x), float(y.min().round(3))
    (400, 1.0)
    """
    check_axes(ax)
    x, values = univariate(fun, lower, upper, (args, vectorized, unpack)).curve(n_points)
    ax = axes_or_new(ax)
    draw_curve(ax, x, values, kwargs)
    return ax


def draw_curve(ax, x, values, options):
    """The values of a function at places; the options are those of matplotlib, whose short names are known, too."""
    from matplotlib.cbook import normalize_kwargs
    from matplotlib.lines import Line2D

    ax.plot(x, values, **{"color": CURVE, "linewidth": 1.6, **normalize_kwargs(options, Line2D)})
    ax.set(xlabel="x", ylabel="f(x)", xlim=(x[0], x[-1]))


def contour(fun, lower, upper, args=(), *, n_points=GRID_POINTS, filled=True, vectorized=False, unpack=False, ax=None,
            **kwargs):
    """Draw the contours of a function of two variables.

    Levels are equally spaced in f, or in the logarithm of its distance from the lowest value drawn if f spans many
    orders of magnitude. If both variables have ranges of similar length, they have the same scale.

    Parameters
    ----------
    fun : callable, Objective, compiled or jitted function, or str
        The function, as in `fastgd.minimize`.
    lower, upper : float or array_like of shape (2,)
        Corners of the box in which to draw.
    args : tuple, optional
        Further arguments of `fun`.
    n_points : int, default 150
        At how many points along each axis.
    filled : bool, default True
        Whether to colour the space between the levels, or to draw lines alone.
    vectorized, unpack : optional
        How `fun` is called, as in `fastgd.minimize`.
    ax : matplotlib Axes, optional
        Where to draw; a new figure, with a colour bar, by default.
    **kwargs
        For `matplotlib.axes.Axes.contourf`, or `contour` without `filled`, such as `levels` and `cmap`.

    Returns
    -------
    matplotlib Axes

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range, or f has no finite value in the box.
    Exception
        Whatever `fun` raises.

    Examples
    --------
    >>> import fastgd
    >>> ax = fastgd.plot.contour(fastgd.functions.himmelblau, -5, 5, vectorized=True)
    >>> ax.get_xlabel(), ax.get_ylabel(), ax.get_aspect()
    ('x[0]', 'x[1]', 1.0)
    """
    check_axes(ax)
    first, second, values = Landscape(fun, lower, upper, 2, (args, vectorized, unpack)).grid(n_points)
    if not np.isfinite(values).any():
        raise ValueError(f"fun has no finite value between lower = {lower} and upper = {upper}")
    is_new, ax = ax is None, axes_or_new(ax)
    drawn = draw_contours(ax, first, second, values, filled, kwargs)
    if is_new:
        steps = np.diff(drawn.levels)
        equal = np.allclose(steps, steps[:1], rtol=1e-3)  # then matplotlib finds short numbers for them
        ax.figure.colorbar(drawn, ax=ax, label="f(x)", format=None if equal else "{x:.3g}", shrink=0.9)
    return ax


def draw_contours(ax, first, second, values, filled, options):
    """The values of a function on a grid; the options are those of matplotlib. Returns what has the levels."""
    values = np.ma.masked_invalid(values)
    options = colors_of_levels(values, {"cmap": valley_colors() if filled else "viridis", **options})
    if filled:
        drawn = ax.contourf(first, second, values, **options)
        ax.contour(first, second, values, levels=drawn.levels, colors="white", linewidths=0.5)
    else:
        drawn = ax.contour(first, second, values, **{"linewidths": 1.0, **options})
    width, height = np.ptp(first), np.ptp(second)
    if max(width, height) < 3.0 * min(width, height):
        ax.set_aspect("equal")
    ax.grid(False)
    ax.set(xlabel="x[0]", ylabel="x[1]", xlim=(first[0], first[-1]), ylim=(second[0], second[-1]))
    return drawn


def colors_of_levels(values, options):
    """What contours get besides what the user says: levels, and the same step in colour from each to the next."""
    if "colors" in options:
        return {"levels": levels_of(values.compressed()), **options, "cmap": None}
    from matplotlib import colormaps
    from matplotlib.colors import BoundaryNorm, LogNorm

    if options.get("norm") == "log":  # by its name matplotlib does not choose levels for it
        return {**options, "norm": LogNorm()}
    if "levels" in options or "norm" in options:
        return options
    levels = levels_of(values.compressed())
    return {"levels": levels, "norm": BoundaryNorm(levels, colormaps.get_cmap(options["cmap"]).N), **options}


def levels_of(values):
    """Heights of contours: equally spaced, or so that each step away from the lowest value is the same factor."""
    from matplotlib.ticker import MaxNLocator

    lowest, highest = values.min(), values.max()
    heights = values - lowest
    # heights that occur: the lowest, 0, has no logarithm
    lowest_level, low = np.quantile(heights, [0.005, 0.02], method="higher")
    if low > 0.0 and heights.max() > 100.0 * low:
        inner = np.geomspace(lowest_level or low, heights.max(), N_LEVELS)
        return np.concatenate([[lowest], lowest + inner])
    return MaxNLocator(N_LEVELS, steps=[1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10]).tick_values(lowest, highest)


def surface(fun, lower, upper, args=(), *, n_points=80, vectorized=False, unpack=False, ax=None, **kwargs):
    """Draw a function of two variables as a surface in three dimensions.

    Parameters
    ----------
    fun : callable, Objective, compiled or jitted function, or str
        The function, as in `fastgd.minimize`.
    lower, upper : float or array_like of shape (2,)
        Corners of the box in which to draw.
    args : tuple, optional
        Further arguments of `fun`.
    n_points : int, default 80
        At how many points along each axis.
    vectorized, unpack : optional
        How `fun` is called, as in `fastgd.minimize`.
    ax : matplotlib Axes, optional
        Where to draw, with ``projection="3d"``; a new figure by default.
    **kwargs
        For `mpl_toolkits.mplot3d.axes3d.Axes3D.plot_surface`, such as `cmap`.

    Returns
    -------
    matplotlib Axes
        With ``projection="3d"``.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range.
    Exception
        Whatever `fun` raises.

    See Also
    --------
    interactive_surface

    Examples
    --------
    >>> import fastgd
    >>> ax = fastgd.plot.surface(lambda x: x[0]**2 + x[1]**2, -2, 2)
    >>> ax.name, ax.get_zlabel()
    ('3d', 'f(x)')
    """
    need_matplotlib()
    if ax is not None and not hasattr(ax, "plot_surface"):
        raise TypeError("ax must be Axes made with projection='3d', got "
                        + ("ordinary ones" if hasattr(ax, "plot") else type(ax).__name__))
    first, second, values = Landscape(fun, lower, upper, 2, (args, vectorized, unpack)).grid(n_points)
    if ax is None:
        ax = load_pyplot().figure(layout="constrained").add_subplot(projection="3d")
    for names, defaults in (({"cmap", "color", "facecolors"}, {"cmap": "viridis"}),
                            ({"linewidth", "linewidths", "lw"}, {"linewidth": 0.0}),
                            ({"rstride", "cstride", "rcount", "ccount"}, {"rcount": n_points, "ccount": n_points})):
        if not names & kwargs.keys():
            kwargs |= defaults
    ax.plot_surface(*np.meshgrid(first, second), values, **kwargs)
    ax.set(xlabel="x[0]", ylabel="x[1]", zlabel="f(x)", xlim=(first[0], first[-1]), ylim=(second[0], second[-1]))
    return ax
