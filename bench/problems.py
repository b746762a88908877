"""The test problems of Moré, Garbow and Hillstrom: sums of squares with known starts and minima.

`PROBLEMS` holds all 35 problems of the paper, f(x) = sum of r_i(x)^2. A problem of any dimension is taken with 10
variables (or the nearest number that fits), and some of them again with 30. Twelve are repeated with ``_far`` behind
the name: they start ten times as far from the origin, as in the benchmark of Moré and Wild.

Residuals are plain NumPy, and may overflow far from the start.

J. J. Moré, B. S. Garbow, K. E. Hillstrom, Testing unconstrained optimization software, ACM Transactions on
Mathematical Software 7, 17-41, 1981. J. J. Moré, S. M. Wild, Benchmarking derivative-free optimization algorithms,
SIAM Journal on Optimization 20, 172-191, 2009.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.polynomial import chebyshev


@dataclass(frozen=True, eq=False)
class Problem:
    """A sum of squares to minimize.

    Attributes
    ----------
    name : str
        Name of the function and number of variables; unique in `PROBLEMS`.
    formula : callable
        The residuals of points as columns, (n_dim, n_points) -> (m, n_points), as an array or a tuple of its rows.
    start : ndarray of shape (n_dim,)
        The starting point, read-only.
    minimum : float
        The smallest known value of the sum of squares.
    other_minima : tuple of float
        Known larger values at which local methods stop: local minima, and limits of f towards infinity.
    """

    name: str
    formula: Callable[[np.ndarray], np.ndarray | tuple[np.ndarray, ...]]
    start: np.ndarray
    minimum: float
    other_minima: tuple[float, ...] = ()

    def __post_init__(self):
        start = np.array(self.start, dtype=float)
        start.setflags(write=False)
        object.__setattr__(self, "start", start)

    @property
    def n_dim(self):
        """Number of variables."""
        return len(self.start)

    def residuals(self, x):
        """The residuals at a point, (n_dim,) -> (m,), or at points as columns, (n_dim, n_points) -> (m, n_points)."""
        x = np.asarray(x)
        rows = self.formula(x[:, None] if x.ndim == 1 else x)
        if isinstance(rows, tuple):
            rows = np.vstack(rows)
        return rows[:, 0] if x.ndim == 1 else rows

    def value(self, x):
        """The sum of squares at one point."""
        return float((self.residuals(x) ** 2).sum())


def column(values):
    """Values for each residual or variable, to combine with points as columns."""
    return np.array(values, dtype=float)[:, None]


def up_to(last):
    """The paper's index i = 1, 2, ..., last as a column."""
    return column(range(1, last + 1))


def neighbours(x):
    """The rows x_(i-1) and x_(i+1), zero beyond the ends."""
    padded = np.pad(x, ((1, 1), (0, 0)))
    return padded[:-2], padded[2:]


def rosenbrock(x):
    """Problem 1, and its extension, problem 21."""
    odd, even = x[0::2], x[1::2]
    return 10 * (even - odd**2), 1 - odd


def freudenstein_roth(x):
    """Problem 2."""
    x1, x2 = x
    return -13 + x1 + ((5 - x2) * x2 - 2) * x2, -29 + x1 + ((x2 + 1) * x2 - 14) * x2


def powell_badly_scaled(x):
    """Problem 3."""
    x1, x2 = x
    return 1e4 * x1 * x2 - 1, np.exp(-x1) + np.exp(-x2) - 1.0001


def brown_badly_scaled(x):
    """Problem 4."""
    x1, x2 = x
    return x1 - 1e6, x2 - 2e-6, x1 * x2 - 2


def beale(x):
    """Problem 5."""
    x1, x2 = x
    return column([1.5, 2.25, 2.625]) - x1 * (1 - x2 ** up_to(3))


def jennrich_sampson(x):
    """Problem 6, m = 10."""
    i = up_to(10)
    return 2 + 2 * i - (np.exp(i * x[0]) + np.exp(i * x[1]))


def helical_valley(x):
    """Problem 7."""
    x1, x2, x3 = x
    turns = 0.25 - np.arctan2(x1, x2) / (2 * np.pi)  # the paper's theta: -1/4 to 3/4, with its jump at x1 = 0, x2 < 0
    return 10 * (x3 - 10 * turns), 10 * (np.hypot(x1, x2) - 1), x3


BARD_Y = column([.14, .18, .22, .25, .29, .32, .35, .39, .37, .58, .73, .96, 1.34, 2.10, 4.39])


def bard(x):
    """Problem 8."""
    x1, x2, x3 = x
    u = up_to(15)
    v = 16 - u
    return BARD_Y - (x1 + u / (v * x2 + np.minimum(u, v) * x3))


GAUSSIAN_Y = column([.0009, .0044, .0175, .0540, .1295, .2420, .3521, .3989,
                     .3521, .2420, .1295, .0540, .0175, .0044, .0009])


def gaussian(x):
    """Problem 9."""
    x1, x2, x3 = x
    t = (8 - up_to(15)) / 2
    return x1 * np.exp(-x2 * (t - x3) ** 2 / 2) - GAUSSIAN_Y


MEYER_Y = column([34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744,
                  8261, 7030, 6005, 5147, 4427, 3820, 3307, 2872])


def meyer(x):
    """Problem 10."""
    x1, x2, x3 = x
    t = 45 + 5 * up_to(16)
    return x1 * np.exp(x2 / (t + x3)) - MEYER_Y


def gulf(x):
    """Problem 11, m = 99. The paper prints a factor m i; without it, f = 0 at (50, 25, 1.5) as stated there."""
    x1, x2, x3 = x
    t = up_to(99) / 100
    y = 25 + (-50 * np.log(t)) ** (2 / 3)
    return np.exp(-np.abs(y - x2) ** x3 / x1) - t


def box(x):
    """Problem 12, m = 10."""
    x1, x2, x3 = x
    t = up_to(10) / 10
    return np.exp(-t * x1) - np.exp(-t * x2) - x3 * (np.exp(-t) - np.exp(-10 * t))


def powell_singular(x):
    """Problem 13, and its extension, problem 22."""
    a, b, c, d = x[0::4], x[1::4], x[2::4], x[3::4]
    return a + 10 * b, np.sqrt(5) * (c - d), (b - 2 * c) ** 2, np.sqrt(10) * (a - d) ** 2


def wood(x):
    """Problem 14."""
    x1, x2, x3, x4 = x
    return (10 * (x2 - x1**2), 1 - x1, np.sqrt(90) * (x4 - x3**2), 1 - x3,
            np.sqrt(10) * (x2 + x4 - 2), (x2 - x4) / np.sqrt(10))


KOWALIK_OSBORNE_Y = column([.1957, .1947, .1735, .1600, .0844, .0627, .0456, .0342, .0323, .0235, .0246])
KOWALIK_OSBORNE_U = column([4, 2, 1, .5, .25, .167, .125, .1, .0833, .0714, .0625])


def kowalik_osborne(x):
    """Problem 15."""
    x1, x2, x3, x4 = x
    u = KOWALIK_OSBORNE_U
    return KOWALIK_OSBORNE_Y - x1 * (u**2 + u * x2) / (u**2 + u * x3 + x4)


def brown_dennis(x):
    """Problem 16, m = 20."""
    x1, x2, x3, x4 = x
    t = up_to(20) / 5
    return (x1 + t * x2 - np.exp(t)) ** 2 + (x3 + x4 * np.sin(t) - np.cos(t)) ** 2


OSBORNE_1_Y = column([
    .844, .908, .932, .936, .925, .908, .881, .850, .818, .784, .751, .718, .685, .658, .628, .603, .580,
    .558, .538, .522, .506, .490, .478, .467, .457, .448, .438, .431, .424, .420, .414, .411, .406])


def osborne_1(x):
    """Problem 17."""
    x1, x2, x3, x4, x5 = x
    t = 10 * (up_to(33) - 1)
    return OSBORNE_1_Y - (x1 + x2 * np.exp(-t * x4) + x3 * np.exp(-t * x5))


def biggs_exp6(x):
    """Problem 18, m = 13."""
    x1, x2, x3, x4, x5, x6 = x
    t = up_to(13) / 10
    y = np.exp(-t) - 5 * np.exp(-10 * t) + 3 * np.exp(-4 * t)
    return x3 * np.exp(-t * x1) - x4 * np.exp(-t * x2) + x6 * np.exp(-t * x5) - y


OSBORNE_2_Y = column([
    1.366, 1.191, 1.112, 1.013, .991, .885, .831, .847, .786, .725, .746, .679, .608, .655, .616, .606, .602,
    .626, .651, .724, .649, .649, .694, .644, .624, .661, .612, .558, .533, .495, .500, .423, .395, .375, .372,
    .391, .396, .405, .428, .429, .523, .562, .607, .653, .672, .708, .633, .668, .645, .632, .591, .559, .597,
    .625, .739, .710, .729, .720, .636, .581, .428, .292, .162, .098, .054])


def osborne_2(x):
    """Problem 19."""
    heights, rates, centres = x[:4], x[4:8], x[8:]
    t = (up_to(65) - 1) / 10
    bells = sum(heights[k] * np.exp(-rates[k] * (t - centres[k - 1]) ** 2) for k in (1, 2, 3))
    return OSBORNE_2_Y - (heights[0] * np.exp(-rates[0] * t) + bells)


def watson(x):
    """Problem 20."""
    powers = (up_to(29) / 29) ** np.arange(len(x))
    slopes = powers[:, :-1] * np.arange(1, len(x))
    return slopes @ x[1:] - (powers @ x) ** 2 - 1, x[0], x[1] - x[0] ** 2 - 1


def penalty_1(x):
    """Problem 23."""
    return np.sqrt(1e-5) * (x - 1), (x**2).sum(axis=0) - 0.25


def penalty_2(x):
    """Problem 24."""
    i = up_to(len(x))
    e, y = np.exp(x / 10), np.exp(i / 10)
    return (x[0] - 0.2, np.sqrt(1e-5) * (e[1:] + e[:-1] - y[1:] - y[:-1]), np.sqrt(1e-5) * (e[1:] - np.exp(-1 / 10)),
            (i[::-1] * x**2).sum(axis=0) - 1)


def variably_dimensioned(x):
    """Problem 25."""
    weighted = (up_to(len(x)) * (x - 1)).sum(axis=0)
    return x - 1, weighted, weighted**2


def trigonometric(x):
    """Problem 26."""
    return len(x) - np.cos(x).sum(axis=0) + up_to(len(x)) * (1 - np.cos(x)) - np.sin(x)


def brown_almost_linear(x):
    """Problem 27."""
    return x[:-1] + x.sum(axis=0) - (len(x) + 1), x.prod(axis=0) - 1


def discrete_boundary_value(x):
    """Problem 28."""
    before, after = neighbours(x)
    h = 1 / (len(x) + 1)
    return 2 * x - before - after + h**2 * (x + h * up_to(len(x)) + 1) ** 3 / 2


def discrete_integral_equation(x):
    """Problem 29. Green's function min(s, t) - s t joins its two sums."""
    h = 1 / (len(x) + 1)
    t = h * up_to(len(x))
    return x + h / 2 * ((np.minimum(t, t.T) - t * t.T) @ (x + t + 1) ** 3)


def broyden_tridiagonal(x):
    """Problem 30."""
    before, after = neighbours(x)
    return (3 - 2 * x) * x - before - 2 * after + 1


def broyden_banded(x):
    """Problem 31. Besides x_i, the five variables before it and the one after it enter the i-th residual."""
    n = len(x)
    band = np.tri(n, k=1) - np.tri(n, k=-6) - np.eye(n)
    return x * (2 + 5 * x**2) + 1 - band @ (x * (1 + x))


def linear_full_rank(x):
    """Problem 32, m = 5 n."""
    n, m = len(x), 5 * len(x)
    return np.eye(m, n) @ x - 2 / m * x.sum(axis=0) - 1


def linear_rank_1(x):
    """Problem 33, m = 5 n."""
    n, m = len(x), 5 * len(x)
    return up_to(m) * (up_to(n) * x).sum(axis=0) - 1


def linear_rank_1_with_zeros(x):
    """Problem 34, m = 5 n. The first and last rows and columns of the matrix are zero."""
    n, m = len(x), 5 * len(x)
    factors = np.pad(up_to(m - 2), ((1, 1), (0, 0)))
    return factors * (up_to(n) * x)[1:-1].sum(axis=0) - 1


def chebyquad(x):
    """Problem 35, m = n: means of the Chebyshev polynomials shifted to [0, 1], less their integrals."""
    i = up_to(len(x))
    integrals = (i % 2 - 1) / (i**2 - 1 + i % 2)  # -1 / (i^2 - 1), and 0 for odd i
    return chebyshev.chebvander(2 * x - 1, len(x)).mean(axis=0).T[1:] - integrals


def problem(formula, start, minimum, *other_minima):
    """The problem named after its formula and its dimension."""
    return Problem(f"{formula.__name__}_{len(start)}", formula, start, minimum, other_minima)


T = np.arange(1, 11) / 11  # ten points inside [0, 1]

STANDARD = (
    problem(rosenbrock, [-1.2, 1], 0.0),
    problem(freudenstein_roth, [0.5, -2], 0.0, 48.9842536792),
    problem(powell_badly_scaled, [0, 1], 0.0),
    problem(brown_badly_scaled, [1, 1], 0.0),
    problem(beale, [1, 1], 0.0, 0.452008928571),
    problem(jennrich_sampson, [0.3, 0.4], 124.362182356, 259.580190134),
    problem(helical_valley, [-1, 0, 0], 0.0),
    problem(bard, [1, 1, 1], 8.21487730658e-3, 17.4286933333),
    problem(gaussian, [0.4, 1, 0], 1.12793276962e-8),
    problem(meyer, [0.02, 4000, 250], 87.9458551709),
    problem(gulf, [5, 2.5, 0.15], 0.0),
    problem(box, [0, 10, 20], 0.0, 0.0755887407550),
    problem(powell_singular, [3, -1, 0, 1], 0.0),
    problem(wood, [-3, -1, -3, -1], 0.0),
    problem(kowalik_osborne, [0.25, 0.39, 0.415, 0.39], 3.07505603849e-4, 1.02734304870e-3),
    problem(brown_dennis, [25, 5, -5, -1], 85822.2016263563),
    problem(osborne_1, [0.5, 1.5, -1, 0.01, 0.02], 5.46489469748e-5),
    problem(biggs_exp6, [1, 2, 1, 1, 1, 1], 0.0, 5.65564992550e-3),
    problem(osborne_2, [1.3, 0.65, 0.65, 0.7, 0.6, 3, 5, 7, 2, 4.5, 5.5], 4.01377362935e-2, 1.78981358688),
    problem(watson, [0] * 6, 2.28767005355e-3),
    problem(watson, [0] * 9, 1.39976013810e-6),
    problem(rosenbrock, [-1.2, 1] * 5, 0.0),
    problem(rosenbrock, [-1.2, 1] * 15, 0.0),
    problem(powell_singular, [3, -1, 0, 1] * 3, 0.0),
    problem(penalty_1, range(1, 11), 7.08765146709e-5),
    problem(penalty_2, [0.5] * 10, 2.93660537457e-4),
    problem(variably_dimensioned, 1 - np.arange(1, 11) / 10, 0.0),
    problem(trigonometric, [0.1] * 10, 0.0, 4.47356581281e-7, 2.79505612188e-5, 4.21863388792e-5,
            8.78822521822e-4),
    problem(brown_almost_linear, [0.5] * 10, 0.0, 1.0),
    problem(discrete_boundary_value, T * (T - 1), 0.0),
    problem(discrete_integral_equation, T * (T - 1), 0.0),
    problem(broyden_tridiagonal, [-1] * 10, 0.0),
    problem(broyden_tridiagonal, [-1] * 30, 0.0),
    problem(broyden_banded, [-1] * 10, 0.0, 2.68021992073, 3.05727843243),
    problem(broyden_banded, [-1] * 30, 0.0, 3.07621384737),
    problem(linear_full_rank, [1] * 10, 40.0),  # m - n
    problem(linear_rank_1, [1] * 10, 1225 / 101),  # m (m - 1) / (2 (2 m + 1))
    problem(linear_rank_1_with_zeros, [1] * 10, 1322 / 97),  # (m^2 + 3 m - 6) / (2 (2 m - 3))
    problem(chebyquad, np.arange(1, 9) / 9, 3.51687372568e-3),
    problem(chebyquad, T, 4.77271369638e-3, 6.50395480088e-3, 9.50062885022e-3),  # the paper states the second
)
FAR = {"rosenbrock_2", "freudenstein_roth_2", "helical_valley_3", "bard_3", "powell_singular_4", "brown_dennis_4",
       "osborne_2_11", "watson_6", "watson_9", "linear_full_rank_10", "linear_rank_1_10", "linear_rank_1_with_zeros_10"}


def far(problem):
    """The problem with a start ten times as far out. Moré and Wild start Watson's function at 1/2, not at zero."""
    start = problem.start if problem.start.any() else np.full(problem.n_dim, 0.5)
    return replace(problem, name=f"{problem.name}_far", start=10 * start)


PROBLEMS = STANDARD + tuple(far(problem) for problem in STANDARD if problem.name in FAR)
