"""How errors of differences depend on their step."""

import numpy as np

from .._derivatives import gradient
from .._inputs import as_real_array
from ..difference import Difference
from ._figures import BLUE, VERMILION, axes_or_new, check_axes
from ._landscape import Landscape

EPS = 2.0**-52
N_STEPS = 600
ADAPTIVE = Difference(adaptive=True)


def step_size(fun, x, exact=None, args=(), *, vectorized=False, unpack=False, ax=None):
    """Draw the errors of forward and central differences against their step h, and what theory predicts.

    Rounding to double precision leaves an error of about ``d = eps |f| / 2`` in every value, thus ``2 d / h`` in the
    forward difference ``(f(x + h) - f(x)) / h`` and ``d / h`` in the central one, ``(f(x + h) - f(x - h)) / (2 h)``.
    The formulas themselves are off by ``h |f''| / 2`` and ``h**2 |f'''| / 6``. The sums are least at
    ``h = 2 sqrt(d / |f''|)`` and ``h = (3 d / |f'''|)**(1/3)`` [1]_, which are marked.

    Parameters
    ----------
    fun : callable, Objective, compiled or jitted function, or str
        A function of one variable, as in `fastgd.minimize`.
    x : float or array_like of shape (1,)
        Where the derivative is taken; `fun` gets a float or an array, as `x` is one.
    exact : float or callable, optional
        The derivative there, or a function of x that returns it. By default that of
        ``fastgd.Difference(adaptive=True)``, which is good to some 13 digits.
    args : tuple, optional
        Further arguments of `fun`, and of `exact`.
    vectorized, unpack : optional
        How `fun` is called, as in `fastgd.minimize`.
    ax : matplotlib Axes, optional
        Where to draw; a new figure by default.

    Returns
    -------
    matplotlib Axes
        Errors are relative to the derivative, unless this is 0.

    Raises
    ------
    TypeError, ValueError
        If an argument has the wrong type, shape or range, or f or its derivative is not finite at `x`.
    Exception
        Whatever `fun` raises.

    Notes
    -----
    The steps go up to ``max(1, abs(x))``. Where these lead out of the domain of f it should return nan, as NumPy's
    functions do; those of `math` raise.

    References
    ----------
    .. [1] W. H. Press, S. A. Teukolsky, W. T. Vetterling, B. P. Flannery, "Numerical Recipes", 3rd edition,
       Cambridge University Press, 2007, section 5.7.

    Examples
    --------
    >>> import fastgd, math
    >>> ax = fastgd.plot.step_size(math.sin, 1.0, exact=math.cos)
    >>> forward, central = (float(ax.lines[k].get_xdata()[0]) for k in (1, 4))
    >>> f"least errors at h = {forward:.1e} and {central:.1e}"
    'least errors at h = 2.1e-08 and 8.0e-06'
    """
    check_axes(ax)
    point = as_real_array(x, "x").astype(np.float64)
    if point.shape not in ((), (1,)):
        raise ValueError(f"x must be a number or have shape (1,), got shape {point.shape}")
    at = point.item()
    unit = max(1.0, abs(at))
    landscape = Landscape(fun, at - unit, at + unit, 1, (args, vectorized, unpack), is_scalar=point.ndim == 0)
    h = at + np.geomspace(EPS / 4.0, 1.0, N_STEPS) * unit - at  # so that x + h is exact
    h = np.unique(h[h > 0.0])
    with np.errstate(all="ignore"):  # the longest steps may lead out of the domain
        slope = exact_slope(landscape, x, at, exact)
        middle, = landscape.values(np.array([[at]]))
        above, below = landscape.values(at + h[:, None]), landscape.values(at - h[:, None])
        second, third = higher_derivatives(landscape, at, middle, unit)
    size = abs(slope) or 1.0
    noise = EPS / 2.0 * abs(middle)
    ax = axes_or_new(ax)
    for label, color, found, rounding, truncation, best in (
        ("forward, (f(x + h) $-$ f(x)) / h", VERMILION, (above - middle) / h, 2.0 * noise / h, h * second / 2.0,
         2.0 * np.sqrt(noise / second) if second else np.nan),
        ("central, (f(x + h) $-$ f(x $-$ h)) / 2h", BLUE, (above - below) / (2.0 * h), noise / h, h**2 * third / 6.0,
         np.cbrt(3.0 * noise / third) if third else np.nan),
    ):
        draw_errors(ax, h, abs(found - slope) / size, (rounding + truncation) / size, best, label, color)
    ax.set(xscale="log", yscale="log", xlim=(h[0], h[-1]), xlabel="step h",
           ylabel="relative error" if slope else "error", title=f"errors of differences at x = {at:.6g}")
    for handle in ax.legend(framealpha=0.85, fontsize="small", loc="lower left").legend_handles:
        handle.set(markersize=8, alpha=1.0)  # the dots are too small to tell their colours
    return ax


def exact_slope(landscape, x, at, exact):
    """The derivative, as a float."""
    args, vectorized, unpack = landscape.args, landscape.vectorized, landscape.unpack
    if exact is None:
        exact = gradient(landscape.fun, x, args, method=ADAPTIVE, vectorized=vectorized, unpack=unpack)
    elif callable(exact):
        further = args if isinstance(args, tuple) else (args,)
        exact = exact(at if landscape.is_scalar or unpack else np.array([at]), *further)
    slope = as_real_array(exact, "exact").astype(np.float64)
    if slope.size != 1 or not np.isfinite(slope).all():
        raise ValueError(f"exact must be a finite number, the derivative at x = {at}; got {exact}")
    return slope.item()


def higher_derivatives(landscape, at, middle, unit):
    """The sizes of the second and third derivatives, by central differences with steps that fit them; 0 where rounding
    hides them."""
    def values(*offsets):
        return landscape.values(at + np.array(offsets)[:, None])

    h = unit * EPS ** 0.25
    above, below = values(h, -h)
    second = abs(above - 2.0 * middle + below) / h**2
    second *= second > 4.0 * EPS * abs(middle) / h**2
    h = unit * EPS ** 0.2
    far_above, above, below, far_below = values(2.0 * h, h, -h, -2.0 * h)
    third = abs(far_above - 2.0 * above + 2.0 * below - far_below) / (2.0 * h**3)
    third *= third > 4.0 * EPS * abs(middle) / h**3
    if not np.isfinite([second, third]).all() and 0.0 < abs(at) < unit:  # x is small, and near the end of the domain
        return higher_derivatives(landscape, at, middle, abs(at))
    return second, third


def draw_errors(ax, h, errors, predicted, best, label, color):
    """Dots for the errors that are found, a line for those that theory predicts, and its least one marked."""
    ax.plot(h, np.where(errors > 0.0, errors, np.nan), ".", color=color, markersize=4, alpha=0.6, label=label,
            markeredgewidth=0.0)
    ax.lines[-1].set_zorder(1.0)
    if h[0] < best < h[-1]:
        least = np.exp(np.interp(np.log(best), np.log(h), np.log(predicted)))
        ax.plot(best, least, "o", color=color, markersize=9, markeredgecolor="white", markeredgewidth=1.4, zorder=4,
                label=f"least error in theory: h = {best:.1e}")
    ax.plot(h, predicted, color=color, linewidth=1.4)
