"""Functions of one and of two variables."""

import numpy as np

from ._figures import CURVE, axes_or_new, load_pyplot, valley_colors
from ._landscape import Landscape, univariate

N_LEVELS = 14


def function(fun, lower, upper, args=(), *, n_points=400, vectorized=False, unpack=False, ax=None, **kwargs):
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
    x, values = univariate(fun, lower, upper, (args, vectorized, unpack)).curve(n_points)
    ax = axes_or_new(ax)
    ax.plot(x, values, **{"color": CURVE, "linewidth": 1.6, **kwargs})
    ax.set(xlabel="x", ylabel="f(x)", xlim=(x[0], x[-1]))
    return ax


def contour(fun, lower, upper, args=(), *, n_points=150, filled=True, vectorized=False, unpack=False, ax=None,
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
    landscape = Landscape(fun, lower, upper, 2, (args, vectorized, unpack))
    first, second, values = landscape.grid(n_points)
    if not np.isfinite(values).any():
        raise ValueError(f"fun has no finite value between lower = {lower} and upper = {upper}")
    values = np.ma.masked_invalid(values)
    is_new = ax is None
    ax = axes_or_new(ax)
    options = colors_of_levels(values, {"cmap": valley_colors() if filled else "viridis", **kwargs})
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
    if is_new:
        steps = np.diff(drawn.levels)
        equal = np.allclose(steps, steps[:1], rtol=1e-3)  # then matplotlib finds short numbers for them
        ax.figure.colorbar(drawn, ax=ax, label="f(x)", format=None if equal else "{x:.3g}", shrink=0.9)
    return ax


def colors_of_levels(values, options):
    """What contours get besides what the user says: levels, and the same step in colour from each to the next."""
    if "colors" in options:
        return {"levels": levels_of(values.compressed()), **options, "cmap": None}
    if "levels" in options or "norm" in options:
        return options
    from matplotlib import colormaps
    from matplotlib.colors import BoundaryNorm

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
    landscape = Landscape(fun, lower, upper, 2, (args, vectorized, unpack))
    first, second, values = landscape.grid(n_points)
    if ax is None:
        figure = load_pyplot().figure(layout="constrained")
        ax = figure.add_subplot(projection="3d")
    elif not hasattr(ax, "plot_surface"):
        raise TypeError("ax must be Axes made with projection='3d', got ordinary ones")
    ax.plot_surface(*np.meshgrid(first, second), values, **{
        "cmap": "viridis", "rcount": n_points, "ccount": n_points, "linewidth": 0.0, **kwargs})
    ax.set(xlabel="x[0]", ylabel="x[1]", zlabel="f(x)", xlim=(first[0], first[-1]), ylim=(second[0], second[-1]))
    return ax
