"""A curve and its tangent."""

import numpy as np

from .._inputs import as_real_array
from ._figures import VERMILION, as_frame, axes_or_new, check_axes, still_or_animation
from ._landscape import univariate
from .landscapes import CURVE_POINTS, draw_curve


def tangent(fun, x, lower, upper, args=(), *, frame=None, interval=100, n_points=CURVE_POINTS, vectorized=False,
            unpack=False, ax=None):
    """Draw the curve of a function of one variable with its tangent; the slope is that of `fastgd.gradient`.

    Parameters
    ----------
    fun : callable, Objective, compiled or jitted function, or str
        The function, as in `fastgd.minimize`.
    x : float or array_like of shape (n,)
        Where the tangent touches, between `lower` and `upper`. Along an array it moves, from frame to frame.
    lower, upper : float or array_like of shape (1,)
        Where the curve begins and ends. If both are floats, `fun` gets a float, otherwise an array of one.
    args : tuple, optional
        Further arguments of `fun`.
    frame : int, optional
        Of an animation, the number of the frame to draw as a picture that stands still.
    interval : float, default 100
        Milliseconds from one frame to the next.
    n_points : int, default 400
        At how many points of the curve.
    vectorized, unpack : optional
        How `fun` is called, as in `fastgd.minimize`.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes or matplotlib.animation.FuncAnimation
        An animation if `x` is an array and `frame` is not given. It must be kept in a variable while it is shown.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range.
    IndexError
        If there is no such frame.
    Exception
        Whatever `fun` raises.

    Examples
    --------
    >>> import fastgd, numpy as np
    >>> ax = fastgd.plot.tangent(lambda x: x**2, 1.0, -3.0, 3.0)
    >>> ax.get_title()
    'slope 2 at x = 1'

    One frame of an animation; without `frame` this would be all of it, for ``animation.save("tangent.gif")``:

    >>> ax = fastgd.plot.tangent(lambda x: x**2, np.linspace(-2, 2, 50), -3.0, 3.0, frame=0)
    >>> ax.get_title()
    'slope -4 at x = -2'
    """
    check_axes(ax)
    landscape = univariate(fun, lower, upper, (args, vectorized, unpack))
    places = as_places(x, landscape)
    frame = as_frame(0 if np.ndim(x) == 0 and frame is None else frame, len(places))
    heights, slopes = landscape.values(places[:, None]), landscape.slopes(places)
    curve = landscape.curve(n_points)
    is_new, ax = ax is None, axes_or_new(ax)
    draw_curve(ax, *curve, {})
    ax.set_ylim(*ax.get_ylim())  # the tangent does not change them
    line, = ax.plot([], [], color=VERMILION, linewidth=1.8)
    point, = ax.plot([], [], "o", color=VERMILION, markeredgecolor="white", markersize=8, zorder=3)
    ends = np.array([landscape.lower[0], landscape.upper[0]])

    def draw(number):
        at, height, slope = places[number], heights[number], slopes[number]
        line.set_data(ends, height + slope * (ends - at))
        point.set_data([at], [height])
        ax.set_title(f"slope {slope:.4g} at x = {at:.4g}")
        return line, point

    return still_or_animation(ax, is_new, draw, len(places), frame, interval)


def as_places(x, landscape):
    """Where the tangent touches, as an array (n,) inside the box."""
    places = as_real_array(x, "x").astype(np.float64)
    if places.ndim > 1 or not places.size:
        raise ValueError(f"x must be a number or have shape (n,), got shape {places.shape}")
    places = np.atleast_1d(places)
    lower, upper = landscape.lower[0], landscape.upper[0]
    outside = ~((places >= lower) & (places <= upper))
    if outside.any():
        raise ValueError(f"x must be between lower = {lower} and upper = {upper}, got {places[outside][0]}")
    return places
