"""How gradients are taken from values."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from ._inputs import as_choice, as_flag, as_float, as_real_array, check_range

# The orders that each formula can have; the first is the usual one.
ORDERS = {"2-point": (1,), "3-point": (2, 4, 6, 8), "5-point": (4,), "cs": (2,)}


@dataclass(frozen=True, eq=False)
class Difference:
    """How derivatives are taken from values of the function.

    Parameters
    ----------
    method : {"3-point", "2-point", "5-point", "cs"}, default "3-point"
        Central differences, ``(f(x + h) - f(x - h)) / (2h)``; forward differences, ``(f(x + h) - f(x)) / h``, for half
        the price and half the digits; central differences of order 4; or the complex step, ``imag(f(x + ih)) / h``,
        which is exact to rounding, for Python functions that take complex numbers.
    order : {2, 4, 6, 8}, optional
        Of central differences: their error is of order ``h**order``, for `order` evaluations in a coordinate.
    step : float or array_like of shape (n_dim,), optional
        The step h, in units of x, used exactly as given: the textbook formula, and nothing else. By default h is found.
    noise : float, array_like of the batch's shape, or "estimate", optional
        How much of f is noise: steps are then as long as that asks for. "estimate" measures it at x0, by 7 evaluations
        of each problem [2]_.
    adaptive : bool, default False
        Extrapolate central differences with 9 steps, from an eighth of ``max(x_scale, abs(x))`` down to a 65,536th of
        that, and take the extrapolation of the least error [3]_: nearly all digits, for 18 evaluations in a coordinate.

    Raises
    ------
    TypeError, ValueError
        If a parameter has the wrong type, is out of its range, or does not go with another.

    Notes
    -----
    The error of a central difference is about ``eps * |f| / h`` from rounding and ``h**2 * |f'''| / 6`` from
    truncation. The default begins with the power of two nearest to ``eps**(1/3) * max(x_scale, abs(x))``, which
    balances the two for many functions [1]_, and compares the first gradient with another one by longer steps. Where
    they contradict each other, a step is looked for at which they agree [4]_: a few evaluations more in that
    coordinate. So values in single precision or rounded ones, and variables much smaller or larger than 1, get steps
    that fit. A small gradient is looked at in the same way before a run ends with success. Where `fun` raises at the
    longer steps alone, they count as too long.

    Other formulas and given steps are taken as they are. Inside bounds, points that do not fit are replaced by those of
    a formula of the same order on the wider side of x.

    References
    ----------
    .. [1] W. H. Press, S. A. Teukolsky, W. T. Vetterling, B. P. Flannery, "Numerical Recipes", 3rd edition,
       Cambridge University Press, 2007, section 5.7.
    .. [2] J. J. More, S. M. Wild, "Estimating computational noise", SIAM Journal on Scientific Computing 33, 2011,
       pp. 1292-1314.
    .. [3] C. J. F. Ridders, "Accurate computation of F'(x) and F'(x) F''(x)", Advances in Engineering Software 4, 1982,
       pp. 75-76.
    .. [4] P. E. Gill, W. Murray, M. A. Saunders, M. H. Wright, "Computing forward-difference intervals for numerical
       optimization", SIAM Journal on Scientific and Statistical Computing 4, 1983, pp. 310-321.

    Examples
    --------
    >>> import fastgd
    >>> textbook = fastgd.Difference(step=1e-5)
    >>> result = fastgd.minimize(lambda x: x[0]**2 + x[1]**2, [2.0, 2.0], jac=textbook, learning_rate=0.02)
    >>> bool(abs(result.x).max() < 1e-4)
    True
    """

    method: str = "3-point"
    order: int | None = None
    step: Any = None
    noise: Any = None
    adaptive: bool = False

    def __post_init__(self):
        if isinstance(self.method, (int, float)):
            raise TypeError(f"method must be a name, got {self.method!r}: a step is given by its name, step=...")
        orders = ORDERS[as_choice(self.method, "method", tuple(ORDERS))]
        if self.order is not None:
            as_choice(self.order, f"order with method={self.method!r}", orders)
        object.__setattr__(self, "order", self.order or orders[0])
        if self.step is not None:
            object.__setattr__(self, "step", as_step(self.step))
        if self.noise is not None and not isinstance(self.noise, str):
            noise = as_real_array(self.noise, "noise").astype(np.float64)
            check_range(noise, "noise", 0.0, np.inf, False)
            object.__setattr__(self, "noise", noise)
        elif self.noise is not None:
            as_choice(self.noise, "noise", ("estimate",))
        as_flag(self.adaptive, "adaptive")
        if self.noise is not None and (self.step is not None or self.method != "3-point" or self.order != 2):
            raise ValueError("noise asks for steps that fit it, by the default formula: it goes without step, order "
                             "and another method")
        if self.adaptive and (self.step is not None or self.noise is not None or self.method != "3-point"
                              or self.order != 2):
            raise ValueError("adaptive=True chooses steps and orders itself: it goes without step, noise, order and "
                             "another method")

    @property
    def steps(self):
        """The given steps as an array, or None."""
        return None if self.step is None else np.atleast_1d(np.asarray(self.step, np.float64))


def as_step(step):
    """A positive float, or an array of them."""
    if np.ndim(step) == 0:
        return as_float(step, "step", open_below=True, below=2.0**1023)  # 2h is finite
    steps = as_real_array(step, "step").astype(np.float64)
    if steps.ndim != 1:
        raise ValueError(f"step must be a number or one for each coordinate, got shape {steps.shape}")
    check_range(steps, "step", 0.0, 2.0**1023, True)
    steps.flags.writeable = False
    return steps
