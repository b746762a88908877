"""Gradient descent with learning_rate="auto": the spectral projected gradient against the algorithm in plain NumPy, and
what its line search promises."""

import functools
import math

import numpy as np
import pytest
import scipy.optimize
from hypothesis import given
from hypothesis import strategies as st

import fastgd
from fastgd import Status, functions

from . import reference
from .problems import CHECKS_OF_JAC, bits, counted, rosenbrock, slopes_of_rosenbrock, valley, wavy

EPSILON = 2.0**-52

minimize = functools.partial(fastgd.minimize, method="gd")


def slopes_of_valley(x):
    slopes = [2 * (i + 1) * x[i] + 0.4 * x[i] * x[i] * x[i] for i in range(len(x))]
    slopes[0] = slopes[0] + x[-1]
    slopes[-1] = slopes[-1] + x[0]
    return np.array(slopes)


def slopes_of_wavy(x):
    slopes = -2 * np.sin(x / 2) + 10 * x / 3
    slopes[0] += 2 * x[0] * np.exp(x[0] * x[0])
    slopes[-1] -= 2 * x[-1] / (3 + x[-1] * x[-1]) ** 2
    return slopes


def steep(x):
    """A quartic so narrow that first steps are far too long."""
    return 1e4 * (x[0] * x[0] - x[1]) * (x[0] * x[0] - x[1]) + x[1] * x[1] * x[1] * x[1] + (x[0] - 2) * (x[0] - 2)


def slopes_of_steep(x):
    a = 2e4 * (x[0] * x[0] - x[1])
    return np.array([2 * a * x[0] + 2 * (x[0] - 2), -a + 4 * x[1] * x[1] * x[1]])


def barrier(x):
    """Defined for positive coordinates alone; Python's own math would raise where NumPy has nan."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return (x - np.log(x)).sum(axis=0) + np.sqrt(x[0])


def slopes_of_barrier(x):
    slopes = 1 - 1 / x
    slopes[0] += 0.5 / math.sqrt(x[0])
    return slopes


def wall(x):
    """Close to 0 so steep that its curvature there lets nothing move elsewhere."""
    inverse = 1 / (x[0] * x[0])
    return inverse * inverse * inverse + (x[0] - x[-1]) * (x[0] - x[-1]) + x[-1] * x[-1]


def slopes_of_wall(x):
    inverse = 1 / (x[0] * x[0])
    away = 2 * (x[0] - x[-1])
    return np.array([-6 * (inverse * inverse * inverse) / x[0] + away, 2 * x[-1] - away])


CASES = {
    "valley": (valley, slopes_of_valley, [0.7, -1.9, 3.0]), "far valley": (valley, slopes_of_valley, [40.0, 80.0]),
    "rosenbrock": (rosenbrock, slopes_of_rosenbrock, [-1.2, 1.0]),
    "far rosenbrock": (rosenbrock, slopes_of_rosenbrock, [30.0, -20.0]),
    "wavy": (wavy, slopes_of_wavy, [1.5, -0.3, 2.0]), "steep": (steep, slopes_of_steep, [1.0, -1.0]),
    "barrier": (barrier, slopes_of_barrier, [0.01, 20.0, 5.0]), "wall": (wall, slopes_of_wall, [1e-3, 2.0]),
}
EACH = pytest.mark.parametrize(("fun", "slope", "x0"), CASES.values(), ids=CASES.keys())


# Against the algorithm in NumPy


@EACH
def test_iterates_are_those_of_the_numpy_twin(fun, slope, x0):
    """Every accepted point, and the number of values asked for, are those of SPG1 in plain NumPy, to the last bit."""
    path, n_values = reference.spectral_gradient(fun, slope, x0, 200)
    result = minimize(fun, x0, jac=slope, maxiter=200, gtol=1e-6, trace=1)
    assert np.array_equal(result.trace.x, path)
    assert result.nfev == n_values
    assert len(path) > 5


@pytest.mark.parametrize(("lower", "upper"), [
    ([-1.0, -1.0], [0.8, 2.0]), ([0.5, -np.inf], [np.inf, 1.0]), ([-0.5, 0.25], [-0.5, 3.0]),
    ([-1.5, 0.5], [1.5, 2.0])])
@pytest.mark.parametrize("name", ["valley", "rosenbrock", "wavy", "steep"])
def test_bounded_iterates_are_those_of_the_numpy_twin(name, lower, upper):
    """The same inside bounds, also where a coordinate is fixed and where the start lies on a bound."""
    fun, slope, x0 = CASES[name]
    x0, lower, upper = np.clip(x0[:2], lower, upper), np.array(lower), np.array(upper)
    path, n_values = reference.spectral_gradient(fun, slope, x0, 60, lower=lower, upper=upper)
    result = minimize(fun, x0, jac=slope, maxiter=60, gtol=1e-6, bounds=(lower, upper), trace=1)
    assert np.array_equal(result.trace.x, path)
    assert result.nfev == n_values


@pytest.mark.parametrize("name", ["valley", "rosenbrock", "wavy", "steep"])
def test_iterates_by_differences_are_those_of_the_numpy_twin(name):
    """With central differences by a given step, too; a gradient takes two values for every coordinate."""
    fun, _, x0 = CASES[name]
    step = 2.0**-17

    def slope(x):
        if name == "wavy":
            return reference.central_difference(fun, x[:, None], step)[:, 0]
        return reference.central_difference(fun, x, step)

    path, n_values = reference.spectral_gradient(fun, slope, x0, 30)
    result = minimize(fun, x0, jac=fastgd.Difference(step=step), maxiter=30, gtol=1e-6, trace=1)
    assert np.array_equal(result.trace.x, path)
    assert result.nfev == n_values + 2 * len(x0) * len(path)


@EACH
def test_gradients_that_come_with_values_are_not_asked_for_again(fun, slope, x0):
    """With jac=True the function is called once at every trial point."""
    def pair(x):
        value = fun(x)
        return value, slope(x) if np.isfinite(value) else np.full_like(x, np.nan)

    path, n_values = reference.spectral_gradient(fun, slope, x0, 200)
    result = minimize(pair, x0, jac=True, maxiter=200, gtol=1e-6, trace=1)
    assert np.array_equal(result.trace.x, path)
    assert result.nfev == result.njev == n_values


def test_gradients_that_come_with_values_are_not_asked_for_again_side_by_side():
    x0 = np.random.default_rng(8).normal(size=(300, 2))
    together, alone = (minimize(lambda x: (steep(x), slopes_of_steep(x)), x0, jac=True, vectorized=vectorized,
                                maxfev=40) for vectorized in (True, False))
    assert {Status.GTOL, Status.MAXFEV} <= set(together.status)
    assert np.array_equal(together.x, alone.x)
    assert np.array_equal(together.nfev, alone.nfev)


# What the search promises


def falls_enough(trace):
    """Grippo, Lampariello and Lucidi's condition between neighbours of a path, as far as rounding lets see."""
    for k in range(1, len(trace.fun)):
        highest = trace.fun[max(0, 4 * ((k - 1) // 4 - 1)):k].max()
        promised = trace.jac[k - 1] @ (trace.x[k] - trace.x[k - 1])
        assert promised <= 0
        assert trace.fun[k] <= highest + 4 * EPSILON * abs(highest) + (1 - 1e-9) * 1e-4 * promised


@pytest.mark.parametrize("bounds", [None, (-0.9, 2.5), ([0.2, -9, -9], 9)])
@pytest.mark.parametrize("differences", [False, True])
@EACH
def test_every_iterate_falls_enough(fun, slope, x0, differences, bounds):
    """f is below the highest value of this block of four iterations and the one before, by a part of what the slope
    promised; the run converges."""
    if bounds and fun is barrier:
        bounds = (0.001, 6.0)
    if bounds:
        bounds = tuple(np.broadcast_to(bound, 3)[:len(x0)] for bound in bounds)
        x0 = np.clip(x0, *bounds)
    result = minimize(fun, x0, jac=None if differences else slope, bounds=bounds, trace=1)
    falls_enough(result.trace)
    assert result.status == Status.GTOL


@pytest.mark.parametrize("options", [{}, {"bounds": (-1.5, 0.7)}, {"keep_best": True}, {"ftol": 1e-9}, {"maxfev": 31}],
                         ids=str)
@EACH
def test_evaluations_are_counted(fun, slope, x0, options):
    """nfev is the number of calls to the function, njev that of gradients, one for every iterate."""
    if "bounds" in options:
        x0 = np.clip(x0, *options["bounds"]) if fun is not barrier else [0.5] * len(x0)
    by_differences, calls = counted(fun)
    result = minimize(by_differences, x0, **options)
    assert result.nfev == len(calls)
    assert result.nfev <= options.get("maxfev", math.inf)
    (values, calls), (slopes, slope_calls) = counted(fun), counted(slope)
    if fun is not barrier or "bounds" not in options:
        result = minimize(values, x0, jac=slopes, **options)
        assert (result.nfev, result.njev) == (len(calls) - CHECKS_OF_JAC, len(slope_calls))
        assert result.njev == result.nit + 1


@given(seed=st.integers(0, 2**32 - 1), n_dim=st.integers(1, 5), differences=st.booleans())
def test_nothing_is_evaluated_outside_the_bounds(seed, n_dim, differences):
    """Neither by the search nor by differences; what is active at the minimum is exactly on its bound."""
    rng = np.random.default_rng(seed)
    lower = rng.normal(size=n_dim) * 10.0 ** rng.integers(-3, 3, n_dim)
    upper = lower + rng.exponential(size=n_dim) * 10.0 ** rng.integers(-3, 3, n_dim)
    center = rng.normal(size=n_dim) * 10.0 ** rng.integers(-2, 2, n_dim)
    weights = rng.uniform(0.5, 20, n_dim)

    def fun(x):
        assert (x >= lower).all()
        assert (x <= upper).all()
        return (weights * (x - center) ** 2).sum()

    def slope(x):
        fun(x)
        return 2 * weights * (x - center)

    result = minimize(fun, rng.uniform(lower, upper), jac=None if differences else slope, bounds=(lower, upper))
    exact = np.clip(center, lower, upper)
    active = exact != center
    assert result.x[active].tolist() == exact[active].tolist()
    np.testing.assert_allclose(result.x, exact, atol=1e-5 * (1 + np.abs(center).max()))


@pytest.mark.parametrize("differences", [False, True])
@EACH
def test_infinite_bounds_change_no_bit(fun, slope, x0, differences):
    free, bounded = (minimize(fun, x0, jac=None if differences else slope, bounds=bounds, maxiter=100)
                     for bounds in (None, (-np.inf, [np.inf] * len(x0))))
    assert bits(free) == bits(bounded)


@given(exponent=st.integers(-280, 280), x0=st.lists(st.integers(-80, 80), min_size=1, max_size=4).filter(any))
def test_first_step_changes_no_coordinate_by_more_than_1(exponent, x0):
    """However steep or flat the function is; along the steepest coordinate the first trial is at a distance of 1."""
    points = []

    def fun(x):
        points.append(x.copy())
        return 10.0**exponent * (x * x).sum()

    minimize(fun, np.array(x0) / 8, jac=lambda x: 10.0**exponent * 2 * x, maxiter=1, gtol=0.0)
    assert np.abs(points[1 + CHECKS_OF_JAC] - points[0]).max() == pytest.approx(1)


def test_first_step_beside_bounds_changes_no_coordinate_by_more_than_1():
    points = []

    def fun(x):
        points.append(x.copy())
        return 1000 * (x * x).sum()

    minimize(fun, [50.0, 0.0], jac=lambda x: 2000 * x, maxiter=1, bounds=(0, 200))
    assert 1e-3 < np.abs(points[1 + CHECKS_OF_JAC] - points[0]).max() <= 1


@pytest.mark.parametrize("name", ["rosenbrock", "beale", "wood", "powell", "trid"])
def test_bounds_do_not_slow_the_search_down(name):
    """In boxes around their starts problems take few iterations, and end as low as where L-BFGS-B goes from there."""
    fun = functions.BY_NAME[name]
    lower, upper = np.broadcast_arrays(*fun.bounds())
    rng = np.random.default_rng(0)
    corners = rng.uniform(lower, upper, (2, 200, len(lower)))
    lower, upper = corners.min(axis=0), corners.max(axis=0)
    result = minimize(fun, rng.uniform(lower, upper), vectorized=True, bounds=(lower, upper), maxiter=2000)
    assert set(result.status) <= {Status.GTOL, Status.STALLED}
    assert np.median(result.nit) < 80
    for problem in range(0, 200, 10):
        box = scipy.optimize.Bounds(lower[problem], upper[problem])
        further = scipy.optimize.minimize(fun, result.x[problem], bounds=box, method="L-BFGS-B")
        assert result.fun[problem] - further.fun <= 1e-8 * (1 + fun(corners[0, problem]))


@pytest.mark.parametrize("unit", [1e-2, 1e2, 1e4, 1e6, 1e8])
def test_unit_of_x(unit):
    """Whether x is small or large costs some more iterations, not many times as many."""
    result = minimize(lambda x: rosenbrock(x / unit), np.array([-1.2, 1.0]) * unit,
                      jac=lambda x: slopes_of_rosenbrock(x / unit) / unit, gtol=1e-6 / unit)
    assert result.success
    assert result.nit < 200


def test_gradient_beside_a_bound_is_not_rounding():
    """However large f, the run goes on to the bound as long as the gradient is seen well above its error."""
    result = minimize(lambda x: 1e6 + 1e3 * x[0], [1e-5], bounds=(0, 1))
    assert (result.x.tolist(), result.status) == ([0.0], Status.GTOL)


def test_narrow_bounds_do_not_hide_the_gradient():
    """Between bounds that are closer than gtol the minimum is still looked for."""
    result = minimize(lambda x: 1e14 * (x[0] - 3e-7) ** 2, [9e-7], bounds=(0, 1e-6), jac=lambda x: 2e14 * (x - 3e-7))
    assert result.x == pytest.approx([3e-7])


def run_scaled(name, factor, differences=False, bounds=None):
    fun, slope, x0 = CASES[name]
    return minimize(lambda x: factor * fun(x), x0, jac=None if differences else lambda x: factor * slope(x),
                    gtol=factor * 1e-6, maxiter=300, bounds=bounds, trace=1)


@pytest.mark.parametrize("exponent", [-200, -40, -3, 1, 25, 200])
@pytest.mark.parametrize("differences", [False, True])
@pytest.mark.parametrize("name", ["valley", "rosenbrock", "wavy"])
def test_unit_of_the_function(name, differences, exponent):
    """A power of two in front of f and of gtol changes no bit of the path: the method has no units of its own."""
    factor = 2.0**exponent
    result, scaled = run_scaled(name, 1.0, differences), run_scaled(name, factor, differences)
    assert np.array_equal(scaled.trace.x, result.trace.x)
    assert np.array_equal(scaled.trace.fun, factor * result.trace.fun)
    assert (scaled.nit, scaled.nfev, scaled.status) == (result.nit, result.nfev, result.status)


def test_unit_of_the_function_inside_bounds():
    result, scaled = (run_scaled("valley", factor, bounds=(-2, 3.5)) for factor in (1.0, 0.125))
    assert np.array_equal(scaled.trace.x, result.trace.x)


@pytest.mark.parametrize("bounds", [None, (-2.0, 0.9)])
@pytest.mark.parametrize("differences", [False, True])
@pytest.mark.parametrize("name", ["valley", "rosenbrock", "wavy", "steep"])
def test_reflection(name, differences, bounds):
    """The path on f(-x) from -x0 is the reflected path."""
    fun, slope, x0 = CASES[name]
    x0 = np.clip(x0, *(bounds or (None, 9.0)))

    def run(sign):
        return minimize(lambda x: fun(sign * x), sign * x0, trace=1,
                        jac=None if differences else lambda x: sign * slope(sign * x),
                        bounds=bounds and tuple(sorted(sign * bound for bound in bounds)))

    result, reflected = run(1.0), run(-1.0)
    assert np.array_equal(reflected.trace.x, -result.trace.x)
    assert np.array_equal(reflected.trace.fun, result.trace.fun)
    assert (reflected.nfev, reflected.status) == (result.nfev, result.status)


@pytest.mark.parametrize("fun", [rosenbrock, steep])
@pytest.mark.parametrize("options", [{}, {"bounds": (-3, [0.9, 3])}, {"jac": True}, {"maxfev": 60}], ids=str)
def test_searches_side_by_side(fun, options):
    """Lanes that search and lanes that take gradients do not disturb each other, however many trials each takes."""
    pair = "jac" in options
    slope = slopes_of_rosenbrock if fun is rosenbrock else slopes_of_steep
    x0 = np.random.default_rng(4).uniform(-3, [0.9, 3], (60, 2))

    def run(x0, **more):
        return minimize((lambda x: (fun(x), slope(x))) if pair else fun, x0, **options, **more)

    batch = run(x0, vectorized=True)
    assert len(np.unique(batch.nit)) > 10 or "maxfev" in options
    for problem in range(60):
        assert bits(run(x0[problem])) == bits(batch, problem)


# Where it ends


@pytest.mark.parametrize("vectorized", [False, True])
def test_function_with_walls(vectorized):
    """Where f is nan or infinite the search backs off, and the run converges to the minimum inside."""
    starts = np.array([[0.01, 20.0], [1e-4, 1e-4], [50.0, 1e-3], [0.3, 0.2]])
    result = minimize(barrier, starts, vectorized=vectorized, jac=None if vectorized else slopes_of_barrier)
    # 1 - 1/x + 1/(2 sqrt(x)) = 0 for the first coordinate
    first = ((-0.5 + math.sqrt(0.25 + 4)) / 2) ** 2
    assert (result.status == Status.GTOL).all()
    np.testing.assert_allclose(result.x, np.broadcast_to([first, 1.0], (4, 2)), atol=1e-5)


@pytest.mark.parametrize("distance", [0.01, 0.02, 0.03, 0.05])
@pytest.mark.parametrize("bounds", [None, (1e-3, 10)])
def test_atoms_that_begin_too_close(distance, bounds):
    """Two atoms thrown apart by the potential of Lennard-Jones, whose curvature was some 1e20 where they were, still
    find their distance: the sixth root of 2."""
    result = minimize(lambda r: 4 * (r**-12 - r**-6), distance, bounds=bounds)
    assert result.success
    assert result.x == pytest.approx(2 ** (1 / 6), abs=1e-6)


@pytest.mark.parametrize("start", [5.0, 6.0, 6.5])
def test_exponential_of_an_exponential(start):
    """From values of 1e64 and more the search comes down to the minimum, which SciPy finds in a bracket."""
    expected = scipy.optimize.minimize_scalar(lambda x: math.exp(math.exp(x)) + x * x, bracket=(-1, 0))
    result = minimize(lambda x: math.exp(math.exp(x)) + x * x, start)
    assert result.success
    assert result.fun == pytest.approx(expected.fun, rel=1e-12)


@pytest.mark.parametrize("bounds", [None, ([1e12, -9, -9], [1e12, 9, 9])])
def test_large_coordinate_does_not_hide_small_ones(bounds):
    """Steps far below the rounding of one coordinate are no reason to begin anew while they move the others."""
    result = minimize(lambda x: (x[0] / 1e12 - 1) ** 2 + 1e4 * (x[1] - 1) ** 2 + (x[2] - x[1]) ** 2, [1e12, 3.0, -2.0],
                      bounds=bounds, gtol=1e-9)
    assert result.success
    assert result.nit < 12
    np.testing.assert_allclose(result.x[1:], 1.0, atol=1e-9)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_minimum_at_a_wall(value):
    """Where f falls towards a wall the run ends before it, without claiming to have converged."""
    result = minimize(lambda x: x if x > 1 else value, 5.0)
    assert 1 < result.x < 1.001
    assert result.status in (Status.NONFINITE, Status.STALLED)
    assert result.fun == result.x


def test_lowest_iterate_on_a_kink():
    """Where f has no derivative the search may end higher than it was; without a success, as with `keep_best`, the
    answer is the lowest of the path."""
    def kink(x):
        return abs(x[0]) + 100 * abs(x[1])

    last, best = (minimize(kink, [1.3, 0.7], jac=lambda x: np.sign(x) * [1, 100], trace=1, keep_best=keep)
                  for keep in (False, True))
    assert not last.success
    assert bits(last) == bits(best)
    lowest = np.argmin(last.trace.fun)
    assert last.fun == best.fun == last.trace.fun[lowest] == best.trace.fun[lowest]
    assert np.array_equal(last.x, last.trace.x[lowest])
    assert np.array_equal(last.jac, last.trace.jac[lowest])
    assert last.fun < last.trace.fun[-1]


@pytest.mark.parametrize("offset", [1e6, -1e6, 1e12])
@pytest.mark.parametrize("differences", [False, True])
@pytest.mark.parametrize("eigenvalues", [[1.0, 2.0], [1.0, 30.0, 900.0]])
def test_constant_hides_the_minimum(offset, eigenvalues, differences):
    """On a large constant the descent ends soon after rounding hides any further descent, near the minimum."""
    c = np.array(eigenvalues)
    result = minimize(lambda x: offset + (c * (x - 1) ** 2).sum() / 2, np.zeros(len(c)),
                      jac=None if differences else lambda x: c * (x - 1))
    assert result.status in (Status.PRECISION, Status.GTOL)
    assert result.nit < 200
    error = EPSILON * abs(offset) * 2 ** (52 / 3) if differences else 0
    np.testing.assert_allclose(result.x, 1.0, atol=10 * error + 20 * math.sqrt(EPSILON * abs(offset)))


@pytest.mark.parametrize("differences", [False, True])
@pytest.mark.parametrize("bounds", [None, (-1, 1)])
def test_stationary_start(differences, bounds):
    """It is the answer: no search begins."""
    result = minimize(lambda x: (x * x).sum(), [0.0, 0.0], jac=None if differences else lambda x: 2 * x, bounds=bounds)
    assert (result.status, result.nit, result.fun) == (Status.GTOL, 0, 0.0)
    assert result.x.tolist() == [0, 0]
    corner = minimize(lambda x: x.sum(), [2.0, 3.0], jac=lambda x: np.ones(2), bounds=([2, 3], 9))
    assert (corner.status, corner.nit, corner.x.tolist()) == (Status.GTOL, 0, [2.0, 3.0])


def test_function_without_a_minimum():
    """A line is followed until f overflows or there are no iterations left; nothing is claimed."""
    result = minimize(lambda x: x, 0.0, jac=lambda x: 1.0, maxiter=2000)
    assert not result.success
    below = minimize(lambda x: x if x > -1e100 else -math.inf, 0.0, jac=lambda x: 1.0)
    assert below.status == Status.UNBOUNDED
