"""How gradients are taken from values."""

from dataclasses import dataclass

from ._inputs import as_float


@dataclass(frozen=True)
class Difference:
    """Central differences: (f(x + h) - f(x - h)) / (2h) in every coordinate.

    Parameters
    ----------
    step : float, optional
        The absolute step h, in units of x, used exactly as given. By default h is chosen for every coordinate: the
        power of two nearest to ``eps**(1/3) * max(x_scale, abs(x))``, about 6e-6 for x near 1, so that x + h and x - h
        carry no rounding error unless they are beyond the next power of two.

    Raises
    ------
    TypeError
        If a parameter is not a number.
    ValueError
        If it is not positive, or too small, or so large that 2h is not finite.

    Notes
    -----
    The error of the quotient is about ``eps * |f| / h`` from rounding and ``h**2 * |f'''| / 6`` from truncation; the
    default balances the two [1]_. Values that are computed in float32 have an eps of 1.2e-7: a step of 5e-3 is right
    for them, and the default would see rounding alone. Where the error exceeds `gtol`, a gradient that seems to be zero
    need not be. Inside bounds a pair of points that does not fit is replaced by
    ``(4 f(x + h) - f(x + 2h) - 3 f(x)) / (2h)``, of the same order, on the wider side of x.

    References
    ----------
    .. [1] W. H. Press, S. A. Teukolsky, W. T. Vetterling, B. P. Flannery, "Numerical Recipes", 3rd edition,
       Cambridge University Press, 2007, section 5.7.

    Examples
    --------
    >>> import fastgd
    >>> textbook = fastgd.Difference(step=1e-5)
    >>> result = fastgd.minimize(lambda x: x[0]**2 + x[1]**2, [2.0, 2.0], jac=textbook, learning_rate=0.02)
    >>> bool(abs(result.x).max() < 1e-6)
    True
    """

    step: float | None = None

    def __post_init__(self):
        if self.step is not None:
            object.__setattr__(self, "step", as_float(self.step, "step", open_below=True,
                                                            below=2.0**1023))  # 2h is finite
