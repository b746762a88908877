"""The user's function on a box: its values are found as `minimize` finds them."""

import numpy as np

from .._core import derivatives
from .._derivatives import gradient
from .._differences import at_points
from .._inputs import Points, as_args, as_count, as_real_array
from .._objective import as_objective


class Landscape:
    """A function of n_dim variables, and the box in which it is drawn.

    With `is_scalar` the function gets a float, as where x0 is one.
    """

    def __init__(self, fun, lower, upper, n_dim, options, is_scalar=False):
        self.fun = fun
        self.lower, self.upper = as_corner(lower, "lower", n_dim), as_corner(upper, "upper", n_dim)
        wrong = np.flatnonzero(~(self.lower < self.upper))
        if len(wrong):
            i = wrong[0]
            raise ValueError(f"lower must be below upper, got lower[{i}] = {self.lower[i]}, upper[{i}] = "
                             f"{self.upper[i]}")
        self.n_dim = n_dim
        self.is_scalar = is_scalar
        self.args, self.vectorized, self.unpack = options

    def values(self, rows):
        """Its values at points (n, n_dim), an array (n,)."""
        points = Points(np.ascontiguousarray(rows, np.float64), rows.shape)
        # The objective is made for one point, as the shape of that decides how fun is called.
        model = Points(points.rows[:1], () if self.is_scalar else rows.shape)
        made = as_objective(self.fun, model, as_args(self.args), None, self.vectorized, self.unpack, ())
        with np.errstate(all="ignore"):  # the box may lead out of the domain
            return at_points(derivatives.values, points, made)[0].reshape(-1)

    def slopes(self, x):
        """Its derivatives at places (n,), for functions of one variable."""
        options = {"vectorized": self.vectorized, "unpack": self.unpack}
        with np.errstate(all="ignore"):
            if self.is_scalar:
                return np.array([gradient(self.fun, place, self.args, bounds=(self.lower[0], self.upper[0]), **options)
                                 for place in x.tolist()])
            return gradient(self.fun, x[:, None], self.args, bounds=(self.lower, self.upper), **options)[:, 0]

    def curve(self, n_points):
        """Places (n,) and the values there."""
        x = np.linspace(self.lower[0], self.upper[0], as_number_of_points(n_points))
        return x, self.values(x[:, None])

    def grid(self, n_points):
        """Coordinates along both axes, (n,) each, and the values there, (n, n), rows of equal x[1]."""
        first, second = (np.linspace(*ends, as_number_of_points(n_points))
                         for ends in zip(self.lower, self.upper, strict=True))
        rows = np.stack([plane.ravel() for plane in np.meshgrid(first, second)], axis=1)
        return first, second, self.values(rows).reshape(len(second), len(first))


def univariate(fun, lower, upper, options):
    """A landscape of one variable, which `fun` gets as a float if both bounds are numbers."""
    return Landscape(fun, lower, upper, 1, options, is_scalar=np.ndim(lower) == np.ndim(upper) == 0)


def as_corner(bound, name, n_dim):
    """A bound for every variable, finite."""
    corner = as_real_array(bound, name).astype(np.float64)
    if corner.shape not in ((), (n_dim,)):
        raise ValueError(f"{name} must be a number or have shape ({n_dim},), one for each variable of the picture; got "
                         f"shape {corner.shape}")
    if not np.isfinite(corner).all():
        raise ValueError(f"{name} must be finite, got {bound}")
    return np.broadcast_to(corner, n_dim)


def as_number_of_points(n_points):
    if as_count(n_points, "n_points") < 2:
        raise ValueError("n_points must be at least 2, got 1")
    return n_points


def spans_decades(values, share=0.0):
    """Whether positive numbers need a logarithmic scale: they span three decades, but for a share of the smallest."""
    return values.min() > 0.0 and values.max() > 1e3 * np.quantile(values, share)
