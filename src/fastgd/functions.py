"""Test functions whose minima are known, to try methods on.

Each is a `Function`. Coordinates come first, so one function takes a point ``(n_dim,)`` and, with ``vectorized=True``,
a block of them ``(n_dim, n_points)``. `BY_NAME` holds them all.
"""

import math
import operator
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = [
    "BY_NAME", "Function", "ackley", "beale", "bohachevsky", "booth", "branin", "coupled_paraboloid", "dixon_price",
    "easom", "elliptic_paraboloid", "freudenstein_roth", "goldstein_price", "griewank", "himmelblau",
    "ill_conditioned_quadratic", "levy", "matyas", "mccormick", "parabola", "powell", "rastrigin", "rosenbrock",
    "rotated_hyper_ellipsoid", "six_hump_camel", "sphere", "styblinski_tang", "sum_squares", "three_hump_camel", "trid",
    "wood", "x_cos_x", "zakharov",
]

JAMIL_YANG = (
    "M. Jamil, X.-S. Yang, 'A literature survey of benchmark functions for global optimisation problems', "
    "International Journal of Mathematical Modelling and Numerical Optimisation 4, 2013, pp. 150-194")
CLASSROOM = "An example of lectures on gradient descent"


@dataclass(frozen=True, eq=False, repr=False)
class Function:
    """A function to minimize, and what is known about it.

    Attributes
    ----------
    name : str
        Its name in `fastgd.functions`.
    n_dim : int
        The number of dimensions where none is given.
    n_dims : range
        The numbers of dimensions it can have.
    convex : bool
        Whether it is convex, on the whole space.
    smooth : bool
        Whether it has a derivative everywhere.
    source : str
        Where it was published, or where it is described.

    Examples
    --------
    >>> import fastgd, numpy as np
    >>> fastgd.functions.rosenbrock(np.array([-1.2, 1.0])).round(3)
    np.float64(24.2)
    >>> fastgd.functions.himmelblau.minimizers().round(3)
    array([[ 3.   ,  2.   ],
           [-2.805,  3.131],
           [-3.779, -3.283],
           [ 3.584, -1.848]])
    >>> starts = np.random.default_rng(0).uniform(*fastgd.functions.booth.bounds(), (100, 2))
    >>> result = fastgd.minimize(fastgd.functions.booth, starts, vectorized=True, learning_rate=0.1)
    >>> np.allclose(result.x, fastgd.functions.booth.minimizers(), atol=1e-6)
    True
    """

    name: str
    formula: Callable
    n_dim: int
    n_dims: range
    convex: bool
    smooth: bool
    source: str
    _box: Any  # this and the next two: a value, or a function of n_dim
    _minimizers: Any
    _minimum: Any
    _unimodal: Any

    def __call__(self, x, *args):
        """The value at a point (n_dim,), or the values at a block of points (n_dim, n_points)."""
        x = np.asanyarray(x)
        if x.ndim == 0:  # the one variable of a scalar problem
            x = x.reshape(1)
        self._checked(len(x))
        return self.formula(x, *args)

    def bounds(self, n_dim=None):
        """Where it is usually minimized: lower and upper bounds, each of shape (n_dim,)."""
        n_dim = self._checked(n_dim)
        return tuple(np.full(n_dim, side, dtype=float) for side in value_at(self._box, n_dim))

    def minimizers(self, n_dim=None):
        """All its global minimizers inside the bounds, of shape (n_minimizers, n_dim)."""
        n_dim = self._checked(n_dim)
        points = np.atleast_2d(np.asarray(value_at(self._minimizers, n_dim), dtype=float))
        return np.broadcast_to(points, (len(points), n_dim)).copy()

    def minimum(self, n_dim=None):
        """Its lowest value inside the bounds."""
        return float(value_at(self._minimum, self._checked(n_dim)))

    def unimodal(self, n_dim=None):
        """Whether every stationary point, of the whole space, is a global minimizer."""
        return bool(value_at(self._unimodal, self._checked(n_dim)))

    @property
    def compiled(self):
        """The function in C, as a capsule: `fun` of `fastgd.minimize`, which is many times as fast as NumPy.

        Its signature, which is also the capsule's name, is that of a block of points. It stays in this process:
        capsules cannot be pickled.

        Some functions have one; `hasattr` tells which. With a block of points in C order, of at least two columns, this
        object returns the same bits as its compiled form. For one point the order of a sum of 8 or more terms is
        NumPy's own.

        Raises
        ------
        AttributeError
            If this function has no compiled form.

        Examples
        --------
        >>> import fastgd
        >>> [name for name, function in fastgd.functions.BY_NAME.items() if hasattr(function, "compiled")]
        ['sphere', 'sum_squares', 'rosenbrock', 'himmelblau', 'styblinski_tang']
        """
        from ._core.objectives.kernels import CAPSULES

        if self.name not in CAPSULES:
            raise AttributeError(f"{self.name} has no compiled form; those that have one are {', '.join(CAPSULES)}")
        return CAPSULES[self.name]

    def _checked(self, n_dim):
        if n_dim is None:
            return self.n_dim
        n_dim = operator.index(n_dim)  # NumPy's integers would be looked for one by one in the range
        if n_dim not in self.n_dims:
            some = ", ".join(map(str, self.n_dims[:3])) + (", ..." if len(self.n_dims) > 3 else "")
            raise ValueError(f"{self.name} takes points of {some} dimensions, coordinates first; got {n_dim}")
        return n_dim

    def __reduce__(self):  # by name: the name in the module stands for this object, not for the formula
        return self.name

    def __repr__(self):
        return f"<fastgd.functions.{self.name}>"


def value_at(value, n_dim):
    return value(n_dim) if callable(value) else value


def dimensions(least, step=1):
    """As many as one likes."""
    return range(least, sys.maxsize, step)


#: All functions, by name.
BY_NAME: dict[str, Function] = {}


def function(source, *, box, minimizers=0.0, minimum=0.0, n_dim=2, n_dims=None, convex=False, unimodal=None,
             smooth=True):
    """Makes a formula a `Function`; without `n_dims` it has `n_dim` dimensions only, and convex ones are unimodal."""

    def decorate(formula):
        made = Function(formula.__name__, formula, n_dim, n_dims or range(n_dim, n_dim + 1), convex, smooth, source,
                        box, minimizers, minimum, convex if unimodal is None else unimodal)
        object.__setattr__(made, "__doc__", formula.__doc__)
        return BY_NAME.setdefault(made.name, made)

    return decorate


def numbers(x):
    """1, 2, ..., n_dim, a column if x is a block."""
    return np.arange(1.0, len(x) + 1.0).reshape(-1, *[1] * (x.ndim - 1))


# Quadratics, and other convex functions.


@function("K. A. De Jong, 'An analysis of the behavior of a class of genetic adaptive systems', dissertation, "
          "University of Michigan, 1975, function F1", box=(-5.12, 5.12), n_dims=dimensions(1), convex=True)
def sphere(x):
    """The squared distance from 0; with two variables, the paraboloid of revolution."""
    return np.sum(x**2, axis=0)


@function(JAMIL_YANG, box=(-10, 10), n_dims=dimensions(1), convex=True)
def sum_squares(x):
    """A sphere whose coordinate i weighs i."""
    return np.sum(numbers(x) * x**2, axis=0)


@function("H.-P. Schwefel, 'Numerical Optimization of Computer Models', Wiley, 1981, problem 1.2",
          box=(-65.536, 65.536), n_dims=dimensions(1), convex=True)
def rotated_hyper_ellipsoid(x):
    """The squares of the partial sums x[0], x[0] + x[1], ...; its axes are not those of the coordinates."""
    return np.sum(np.cumsum(x, axis=0) ** 2, axis=0)


@function("The quadratic with a prescribed condition number; H. Akaike, 'On a successive transformation of probability "
          "distribution and its application to the analysis of the optimum gradient method', Annals of the Institute "
          "of Statistical Mathematics 11, 1959, pp. 1-16, explains why steepest descent is slow on it",
          box=(-5, 5), n_dim=10, n_dims=dimensions(2), convex=True)
def ill_conditioned_quadratic(x, condition=1e4):
    """A quadratic whose Hessian has eigenvalues from 1 to `condition`, at equal ratios.

    A reflection turns its axes away from those of the coordinates (which it swaps in 2 dimensions), or methods with a
    rate per coordinate would not see the condition. To set the condition pass ``args=(1e6,)`` to `fastgd.minimize`.
    """
    eigenvalues = condition ** ((numbers(x) - 1.0) / (len(x) - 1.0))
    return 0.5 * np.sum(eigenvalues * (x - 2.0 / len(x) * np.sum(x, axis=0)) ** 2, axis=0)


@function(CLASSROOM, box=(-10, 10), minimizers=2.0, n_dim=1, convex=True)
def parabola(x):
    """The function (x - 2)² of one variable, multiplied out."""
    return x[0] ** 2 - 4.0 * x[0] + 4.0


@function(CLASSROOM, box=(-10, 10), convex=True)
def elliptic_paraboloid(x):
    """Five times as steep in one direction as in the other."""
    return 0.2 * x[0] ** 2 + x[1] ** 2


@function(CLASSROOM, box=(-10, 10), minimizers=(1.0, 0.0, 0.0), minimum=-1.0, n_dim=3, convex=True)
def coupled_paraboloid(x):
    """A quadratic of three variables, of which the second and third are coupled."""
    return x[0] ** 2 - 2.0 * x[0] + x[1] ** 2 + x[2] ** 2 + x[2] * x[1]


@function(JAMIL_YANG, box=(-10, 10), minimizers=(1.0, 3.0), convex=True)
def booth(x):
    """The squared residuals of two linear equations."""
    return (x[0] + 2.0 * x[1] - 7.0) ** 2 + (2.0 * x[0] + x[1] - 5.0) ** 2


@function(JAMIL_YANG, box=(-10, 10), convex=True)
def matyas(x):
    """A narrow quadratic along the diagonal: its condition number is 25."""
    return 0.26 * (x[0] ** 2 + x[1] ** 2) - 0.48 * x[0] * x[1]


@function("S. Surjanovic, D. Bingham, 'Virtual library of simulation experiments: test functions and datasets', Simon "
          "Fraser University, 2013", box=lambda n: (-n * n, n * n), minimum=lambda n: -n * (n + 4) * (n - 1) / 6,
          minimizers=lambda n: [i * (n + 1 - i) for i in range(1, n + 1)], n_dims=dimensions(2), convex=True)
def trid(x):
    """A quadratic with a tridiagonal Hessian, whose condition number grows as the square of n_dim."""
    return np.sum((x - 1.0) ** 2, axis=0) - np.sum(x[1:] * x[:-1], axis=0)


@function(JAMIL_YANG, box=(-5, 10), n_dims=dimensions(1), convex=True)
def zakharov(x):
    """A sphere with a steep quartic wall in one direction."""
    wall = np.sum(0.5 * numbers(x) * x, axis=0) ** 2
    return np.sum(x**2, axis=0) + wall + wall**2


@function("M. J. D. Powell, 'An iterative method for finding stationary values of a function of several variables', "
          "The Computer Journal 5, 1962, pp. 147-151", box=(-4, 5), n_dim=4, n_dims=dimensions(4, 4), convex=True)
def powell(x):
    """Powell's singular function: at its minimum two of four eigenvalues of the Hessian are 0."""
    a, b, c, d = x[0::4], x[1::4], x[2::4], x[3::4]
    quadratic = (a + 10.0 * b) ** 2 + 5.0 * (c - d) ** 2
    return np.sum(quadratic + ((b - 2.0 * c) ** 2) ** 2 + 10.0 * ((a - d) ** 2) ** 2, axis=0)


# Curved valleys, and functions of few minima.


@function("H. H. Rosenbrock, 'An automatic method for finding the greatest or least value of a function', The Computer "
          "Journal 3, 1960, pp. 175-184; Y.-W. Shang, Y.-H. Qiu, 'A note on the extended Rosenbrock function', "
          "Evolutionary Computation 14, 2006, pp. 119-126, on its second minimum from 4 dimensions on",
          box=(-5, 10), minimizers=1.0, n_dims=dimensions(2), unimodal=lambda n: n < 4)
def rosenbrock(x):
    """A steep curved valley with an almost flat floor."""
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2, axis=0)


def dixon_price_minimizers(n):
    point = [2.0 ** (2.0 ** (1 - i) - 1.0) for i in range(1, n + 1)]
    return [point, [*point[:-1], -point[-1]]]


@function("L. C. W. Dixon, R. C. Price, 'The truncated Newton method for sparse unconstrained optimisation using "
          "automatic differentiation', Journal of Optimization Theory and Applications 60, 1989, pp. 261-275",
          box=(-10, 10), minimizers=dixon_price_minimizers, n_dims=dimensions(2))
def dixon_price(x):
    """A chain in which each coordinate is the square root of half the one before; the last one has either sign."""
    return (x[0] - 1.0) ** 2 + np.sum(numbers(x)[1:] * (2.0 * x[1:] ** 2 - x[:-1]) ** 2, axis=0)


@function("E. M. L. Beale, 'On an iterative method for finding a local minimum of a function of more than one "
          "variable', Technical Report 25, Statistical Techniques Research Group, Princeton University, 1958",
          box=(-4.5, 4.5), minimizers=(3.0, 0.5))
def beale(x):
    """A bent valley between plateaus; it falls slowly towards infinity along y = 1, and has a saddle at (0, 1)."""
    y = x[1]
    return (1.5 - x[0] * (1.0 - y)) ** 2 + (2.25 - x[0] * (1.0 - y**2)) ** 2 + (2.625 - x[0] * (1.0 - y * y**2)) ** 2


@function("D. M. Himmelblau, 'Applied Nonlinear Programming', McGraw-Hill, 1972", box=(-5, 5), minimizers=(
    (3.0, 2.0), (-2.805118086952745, 3.131312518250573), (-3.779310253377747, -3.2831859912861696),
    (3.5844283403304917, -1.8481265269644036)))
def himmelblau(x):
    """Two quadratic equations in two unknowns, which have four solutions."""
    return (x[0] ** 2 + x[1] - 11.0) ** 2 + (x[0] + x[1] ** 2 - 7.0) ** 2


@function("F. Freudenstein, B. Roth, 'Numerical solution of systems of nonlinear equations', Journal of the ACM 10, "
          "1963, pp. 550-556", box=(-10, 10), minimizers=(5.0, 4.0))
def freudenstein_roth(x):
    """Beside the global minimum there is a local one of 48.98 near (11.41, -0.90)."""
    y = x[1]
    return (x[0] - 13.0 + ((5.0 - y) * y - 2.0) * y) ** 2 + (x[0] - 29.0 + ((y + 1.0) * y - 14.0) * y) ** 2


@function("J. J. Moré, B. S. Garbow, K. E. Hillstrom, 'Testing unconstrained optimization software', ACM Transactions "
          "on Mathematical Software 7, 1981, pp. 17-41, problem 14", box=(-10, 10), minimizers=1.0, n_dim=4)
def wood(x):
    """Two coupled valleys of Rosenbrock's kind, with a saddle that is hard to leave near (-1, 1, -1, 1)."""
    valleys = 100.0 * (x[1] - x[0] ** 2) ** 2 + 90.0 * (x[3] - x[2] ** 2) ** 2
    coupled = 10.0 * (x[1] + x[3] - 2.0) ** 2 + 0.1 * (x[1] - x[3]) ** 2
    return valleys + (1.0 - x[0]) ** 2 + (1.0 - x[2]) ** 2 + coupled


@function("A. A. Goldstein, J. F. Price, 'On descent from local minima', Mathematics of Computation 25, 1971, "
          "pp. 569-574", box=(-2, 2), minimizers=(0.0, -1.0), minimum=3.0)
def goldstein_price(x):
    """Four minima, and values from 3 to a million inside the bounds."""
    x, y = x[0], x[1]
    first = (x + y + 1.0) ** 2 * (19.0 - 14.0 * x + 3.0 * x**2 - 14.0 * y + 6.0 * x * y + 3.0 * y**2)
    second = (2.0 * x - 3.0 * y) ** 2 * (18.0 - 32.0 * x + 12.0 * x**2 + 48.0 * y - 36.0 * x * y + 27.0 * y**2)
    return (1.0 + first) * (30.0 + second)


@function("F. H. Branin, 'Widely convergent method for finding multiple solutions of simultaneous nonlinear "
          "equations', IBM Journal of Research and Development 16, 1972, pp. 504-522", box=((-5, 0), (10, 15)),
          minimizers=((-math.pi, 12.275), (math.pi, 2.275), (3.0 * math.pi, 2.475)), minimum=5.0 / (4.0 * math.pi))
def branin(x):
    """Three global minima along a parabola."""
    a, b = 5.1 / (4.0 * math.pi**2), 5.0 / math.pi
    return (x[1] - a * x[0] ** 2 + b * x[0] - 6.0) ** 2 + 10.0 * (1.0 - 0.125 / math.pi) * np.cos(x[0]) + 10.0


@function(JAMIL_YANG, box=(-5, 5))
def three_hump_camel(x):
    """Three minima, of which the middle one is the lowest."""
    square = x[0] ** 2
    return (2.0 - 1.05 * square + square**2 / 6.0) * square + x[0] * x[1] + x[1] ** 2


@function("L. C. W. Dixon, G. P. Szegő, 'The global optimization problem: an introduction', in: Towards Global "
          "Optimisation 2, North-Holland, 1978, pp. 1-15", box=((-3, -2), (3, 2)), minimizers=(
              (0.08984201310031806, -0.7126564030207396), (-0.08984201310031806, 0.7126564030207396)),
          minimum=-1.0316284534898774)
def six_hump_camel(x):
    """Six minima in pairs, since f(-x) = f(x)."""
    square, other = x[0] ** 2, x[1] ** 2
    return (4.0 - 2.1 * square + square**2 / 3.0) * square + x[0] * x[1] + (4.0 * other - 4.0) * other


@function(JAMIL_YANG, box=((-1.5, -3), (4, 4)), minimizers=(0.5 - math.pi / 3.0, -0.5 - math.pi / 3.0),
          minimum=-math.sqrt(0.75) - math.pi / 3.0)
def mccormick(x):
    """A wavy slope; beyond the bounds it has lower minima without end."""
    return np.sin(x[0] + x[1]) + (x[0] - x[1]) ** 2 - 1.5 * x[0] + 2.5 * x[1] + 1.0


@function(CLASSROOM, box=(-5, 12), minimizers=9.529334405361963, minimum=-0.47729425947979387, n_dim=1)
def x_cos_x(x):
    """The function x cos x + 9 of one variable; beyond the bounds its minima get lower and lower."""
    return x[0] * np.cos(x[0]) + 9.0


# Functions of many minima.


@function("M. A. Styblinski, T.-S. Tang, 'Experiments in nonconvex optimization: stochastic approximation with "
          "function smoothing and simulated annealing', Neural Networks 3, 1990, pp. 467-483", box=(-5, 5),
          minimizers=-2.903534027771177, minimum=lambda n: -39.16616570377141 * n, n_dims=dimensions(1))
def styblinski_tang(x):
    """Two minima in every coordinate, 2 to the power of n_dim in all."""
    square = x**2
    return 0.5 * np.sum((square - 16.0) * square + 5.0 * x, axis=0)


@function("H. Mühlenbein, M. Schomisch, J. Born, 'The parallel genetic algorithm as function optimizer', Parallel "
          "Computing 17, 1991, pp. 619-632, after L. A. Rastrigin", box=(-5.12, 5.12), n_dims=dimensions(1))
def rastrigin(x):
    """A sphere with a minimum near every point of whole coordinates."""
    return np.sum(x**2 + 10.0 * (1.0 - np.cos(2.0 * math.pi * x)), axis=0)


@function("D. H. Ackley, 'A Connectionist Machine for Genetic Hillclimbing', Kluwer, 1987", box=(-32.768, 32.768),
          n_dims=dimensions(1), smooth=False)
def ackley(x):
    """A rippled plain around a funnel, whose bottom is the point of a cone: it has no derivative there."""
    funnel = np.exp(-0.2 * np.sqrt(np.mean(x**2, axis=0)))
    return 20.0 - 20.0 * funnel + math.e - np.exp(np.mean(np.cos(2.0 * math.pi * x), axis=0))


@function("A. O. Griewank, 'Generalized descent for global optimization', Journal of Optimization Theory and "
          "Applications 34, 1981, pp. 11-39", box=(-600, 600), n_dims=dimensions(1))
def griewank(x):
    """A wide sphere under a product of cosines, with thousands of minima inside the bounds."""
    return 1.0 + np.sum(x**2, axis=0) / 4000.0 - np.prod(np.cos(x / np.sqrt(numbers(x))), axis=0)


@function("A. V. Levy, A. Montalvo, 'The tunneling algorithm for the global minimization of functions', SIAM Journal "
          "on Scientific and Statistical Computing 6, 1985, pp. 15-29", box=(-10, 10), minimizers=1.0,
          n_dims=dimensions(1))
def levy(x):
    """Parallel ripples of unequal height."""
    w = 1.0 + 0.25 * (x - 1.0)
    ripples = np.sum((w[:-1] - 1.0) ** 2 * (1.0 + 10.0 * np.sin(math.pi * w[:-1] + 1.0) ** 2), axis=0)
    last = (w[-1] - 1.0) ** 2 * (1.0 + np.sin(2.0 * math.pi * w[-1]) ** 2)
    return np.sin(math.pi * w[0]) ** 2 + ripples + last


@function("I. O. Bohachevsky, M. E. Johnson, M. L. Stein, 'Generalized simulated annealing for function optimization', "
          "Technometrics 28, 1986, pp. 209-217", box=(-100, 100))
def bohachevsky(x):
    """A wide bowl with shallow ripples."""
    waves = 0.3 * np.cos(3.0 * math.pi * x[0]) + 0.4 * np.cos(4.0 * math.pi * x[1])
    return x[0] ** 2 + 2.0 * x[1] ** 2 - waves + 0.7


@function(JAMIL_YANG, box=(-100, 100), minimizers=math.pi, minimum=-1.0)
def easom(x):
    """A narrow well in a plain so flat that nothing points to the well."""
    return -np.cos(x[0]) * np.cos(x[1]) * np.exp(-((x[0] - math.pi) ** 2) - (x[1] - math.pi) ** 2)
