"""Gradients by differences: how exact, from which points, and never from outside the bounds."""

import math
from contextlib import nullcontext, suppress
from fractions import Fraction

import mpmath
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.optimize import approx_fprime
from scipy.optimize._numdiff import approx_derivative

from fastgd import Status, gradient, minimize

from . import reference
from .problems import bits, rosenbrock, slopes_of_rosenbrock, valley, wavy

EPS = 2.0**-52
CBRT_EPS = 2.0 ** (-52 / 3)


def spied(fun):
    """The function, and the points at which it is called."""
    points = []

    def spying(x, *more):
        points.extend(np.array(x, dtype=float).reshape(len(x), -1).T.tolist())
        return fun(x, *more)

    return spying, points


# In one variable: the name of a function in both modules, or a function and its twin in mpmath.
FUNCTIONS = {
    **{name: (getattr(math, name), getattr(mpmath, name)) for name in
       ("exp", "sin", "cos", "tan", "log", "sqrt", "atan", "tanh", "sinh", "cosh", "asinh", "log1p", "erf", "gamma")},
    "cube": (lambda u: u * u * u, lambda u: u**3),
    "reciprocal": (lambda u: 1 / u, lambda u: 1 / u),
    "bell": (lambda u: math.exp(-u * u), lambda u: mpmath.exp(-u * u)),
    "damped": (lambda u: u * math.exp(-u), lambda u: u * mpmath.exp(-u)),
}


@pytest.mark.parametrize("scale", [2.0**-27, 2.0**-13, 1.0, 2.0**13, 2.0**27])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_error_is_within_the_bound(name, scale):
    """|error| <= h^2 |f'''| / 6 + eps |f| / h and a few roundings, for x from 1e-8 to 1e8 of a function that varies
    on that scale."""
    fun, exact = FUNCTIONS[name]
    for u in (0.3, 0.7, 1.1, 2.9):
        slope, third = (float(mpmath.diff(exact, u, order)) for order in (1, 3))
        h = float(reference.rounded_step(scale * u, scale)) / scale
        bound = 1.01 * h**2 * abs(third) / 6 + 2 * EPS * (abs(fun(u)) / h + abs(slope))
        assert bound < 1e-8 * (abs(slope) + abs(third) + abs(fun(u)))
        result = minimize(lambda x: fun(x / scale), scale * u, x_scale=scale, maxiter=0)
        assert abs(result.jac * scale - slope) <= bound
        if scale <= u * scale and scale >= 1:
            assert result.jac == gradient(lambda x: fun(x / scale), scale * u)


def test_error_in_several_variables():
    """Every component is as exact as the bound for one variable says."""
    def exact(x, y, z):
        return x * mpmath.exp(y) + mpmath.sin(x * z) / y

    rng = np.random.default_rng(4)
    for point in rng.uniform(0.5, 2, (20, 3)):
        found = gradient(lambda x, y, z: x * math.exp(y) + math.sin(x * z) / y, point, unpack=True)
        for i in range(3):
            order, cubic = np.eye(3, dtype=int)[i], 3 * np.eye(3, dtype=int)[i]
            slope = float(mpmath.diff(exact, point.tolist(), tuple(map(int, order))))
            third = float(mpmath.diff(exact, point.tolist(), tuple(map(int, cubic))))
            h = float(reference.rounded_step(point[i]))
            size = point[0] * math.exp(point[1]) + 1 / point[1]
            assert abs(found[i] - slope) <= 1.01 * h**2 * abs(third) / 6 + 4 * EPS * size / h


sizes = st.builds(lambda sign, exponent, m: sign * m * 10.0**exponent, st.sampled_from([-1, 1]),
                  st.integers(-8, 8), st.floats(1, 10))


def check_steps(points, x, x_scale=1.0):
    """x + h and x - h for every coordinate, with h the nearest power of two, then x, then the same with 5.8 h; where
    that shows no difference longer ones by turns, 8 times as long each, up to an eighth of the size of x. They are
    rounded only where numbers lie further apart than at x."""
    def check_pair(pair, i, stretch):
        ideal = CBRT_EPS * max(x_scale, abs(x[i]))
        h = 2.0 ** math.floor(math.log2(ideal))
        h *= stretch * (1 + (ideal >= 1.5 * h))
        for point, offset in zip(pair, (h, -h), strict=True):
            assert point[:i] + point[i + 1:] == x[:i] + x[i + 1:]
            error = abs(Fraction(point[i]) - Fraction(x[i]) - Fraction(offset))
            assert error <= (math.ulp(point[i]) / 2 if math.ulp(point[i]) > math.ulp(x[i]) else 0)

    n = len(x)
    assert points[2 * n] == x
    at = 4 * n + 1
    for i in range(n):
        check_pair(points[2 * i:2 * i + 2], i, 1)
        longer = [abs(Fraction(point[i]) - Fraction(x[i])) for point in points[2 * n + 1 + 2 * i:2 * n + 3 + 2 * i]]
        shorter = 2.0 ** round(math.log2(abs(Fraction(points[2 * i][i]) - Fraction(x[i]))))
        assert all(5.8 * shorter < length < 5.9 * shorter for length in longer)
        stretch = 32
        while stretch * shorter <= max(x_scale, abs(x[i])) / 8:
            check_pair(points[at:at + 2], i, stretch)
            stretch, at = 8 * stretch, at + 2
    assert at == len(points)


@given(x=st.lists(sizes, min_size=1, max_size=4))
def test_steps_are_exact(x):
    """x + h and x - h carry no rounding error but in a binade above that of x, for x from 1e-8 to 1e8."""
    fun, points = spied(lambda x: 3.0)
    gradient(fun, x)
    check_steps(points, x)


@given(x=st.lists(sizes, min_size=1, max_size=4), exponent=st.integers(-33, 33))
def test_scale_of_x_sets_the_step(x, exponent):
    """Where |x| is smaller than x_scale the step follows x_scale."""
    fun, points = spied(lambda x: 3.0)
    minimize(fun, x, x_scale=2.0**exponent, learning_rate=1.0, maxiter=0)
    check_steps(points, x, 2.0**exponent)


@pytest.mark.parametrize("step", [1e-5, 1e-3, 0.1, 2.0**-20])
@pytest.mark.parametrize("vectorized", [False, True])
def test_absolute_step_is_the_textbook_formula(step, vectorized):
    """(f(x + h) - f(x - h)) / (2h), bit for bit, for a point and for a batch."""
    points = np.random.default_rng(6).normal(size=(50, 3))
    found = gradient(valley, points, step=step, vectorized=vectorized)
    for point, slopes in zip(points.tolist(), found.tolist(), strict=True):
        for i in range(3):
            above, below = point.copy(), point.copy()
            above[i], below[i] = point[i] + step, point[i] - step
            assert slopes[i] == (valley(above) - valley(below)) / (2 * step)
        assert gradient(valley, point, step=step, vectorized=vectorized).tolist() == slopes


@pytest.mark.parametrize("step", [None, 1e-4])
@pytest.mark.parametrize("fun", [rosenbrock, valley, wavy])
def test_equals_the_numpy_reference(fun, step):
    """The formula in plain NumPy gives the same bits; in blocks, on all columns at once."""
    points = np.random.default_rng(6).normal(size=(64, 2)) * np.logspace(-8, 0, 64)[:, None]
    expected = reference.central_difference(fun, points.T.copy(), step).T
    assert np.array_equal(gradient(fun, points, step=step, vectorized=True), expected)
    if fun is not wavy:
        assert np.array_equal(gradient(fun, points, step=step), expected)


def test_equals_scipy_with_the_same_steps():
    """With steps that are powers of two SciPy's central difference has the same bits; its forward one errs more."""
    for point in np.random.default_rng(7).normal(scale=3, size=(30, 2)):
        found = gradient(rosenbrock, point)
        assert np.array_equal(found, approx_derivative(rosenbrock, point, method="3-point",
                                                       abs_step=reference.rounded_step(point)))
        exact = slopes_of_rosenbrock(point)
        assert np.abs(found - exact).max() < np.abs(approx_fprime(point, rosenbrock) - exact).max()


@pytest.mark.parametrize("step", [None, 1e-3])
def test_one_sided_equals_scipy(step):
    """At a bound the formula is SciPy's one-sided one of second order, up to rounding."""
    point = np.array([0.5, -0.25])
    h = step or reference.rounded_step(point)
    for bounds in ((point, np.inf), (-np.inf, point)):
        found = gradient(rosenbrock, point, bounds=bounds, step=step)
        expected = approx_derivative(rosenbrock, point, method="3-point", abs_step=h, bounds=bounds)
        np.testing.assert_allclose(found, expected, rtol=0, atol=100 * EPS * np.max(1 / h))


@pytest.mark.parametrize("fun", [valley, wavy])
@pytest.mark.parametrize("bounds", [None, (-1, 1)])
def test_size_of_the_batch_does_not_matter(fun, bounds):
    """A point's gradient has the same bits in every batch, and by blocks as point by point for + - *."""
    points = np.random.default_rng(8).uniform(-1, 1, (5000, 3))
    points[::7, 1] = 1.0
    largest = gradient(fun, points, vectorized=True, bounds=bounds)
    for size in (1, 2, 7, 31, 32, 33, 300):
        assert np.array_equal(gradient(fun, points[:size], vectorized=True, bounds=bounds), largest[:size])
    rows = gradient(lambda X: fun(X.T), points, vectorized="rows", bounds=bounds)
    np.testing.assert_allclose(rows, largest, rtol=1e-9, atol=1e-9)
    if fun is valley:
        assert np.array_equal(rows, largest)
        assert np.array_equal(gradient(fun, points[:300], bounds=bounds), largest[:300])


@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize("shape", [(2,), (5, 2), (4, 2, 2), (2, 1, 2, 2)])
def test_shape_of_the_points(shape, vectorized):
    """The answer has the shape of x, row by row; arguments for each follow their row."""
    points = np.random.default_rng(9).normal(size=shape)
    factors = np.random.default_rng(10).normal(size=shape[:-1])
    exact = 2 * factors * slopes_of_rosenbrock(np.moveaxis(points, -1, 0))
    found = gradient(lambda x, c, factor: c * factor * rosenbrock(x), points, (2.0,), vectorized=vectorized,
                     batch_args=(factors,))
    assert found.shape == shape
    np.testing.assert_allclose(found, np.moveaxis(exact, 0, -1), rtol=1e-6, atol=1e-6)


def test_scalar_point():
    """For a number the function gets a float and the gradient is one."""
    found = gradient(lambda x: math.exp(x), 1)
    assert type(found) is float
    assert found == pytest.approx(math.e, rel=1e-9)


ends = st.one_of(st.integers(-3, 3).map(float), st.floats(-1e6, 1e6), st.just(0.0))
widths = st.one_of(st.just(0.0), st.floats(-17, 3).map(lambda e: 10.0**e), st.sampled_from([2.0**-17, np.inf]))


@st.composite
def boxes(draw, n_dim=3):
    """Bounds and a point inside: on a bound, next to it, or anywhere."""
    lower = np.array([draw(ends) for _ in range(n_dim)])
    upper = lower + [draw(widths) for _ in range(n_dim)]
    if draw(st.booleans()):  # mirrored, so that infinite bounds are below, too
        lower, upper = -upper, -lower
    x = []
    for low, high in zip(lower, upper, strict=True):
        place = draw(st.sampled_from(["low", "high", "next to low", "next to high", "between"]))
        low, high = np.clip([low, high], -1e7, 1e7)
        x.append({"low": low, "high": high, "next to low": np.nextafter(low, high),
                  "next to high": np.nextafter(high, low),
                  "between": min(max(low + draw(st.floats(0, 1)) * (high - low), low), high)}[place])
    return lower, upper, np.array(x)


def check_inside(points, lower, upper):
    points = np.array(points)
    assert points.size
    assert ((points >= lower) & (points <= upper)).all()


@given(box=boxes(), step=st.sampled_from([None, 1e-5, 0.3, 100.0]), vectorized=st.booleans())
def test_gradient_never_looks_outside(box, step, vectorized):
    """However tight the box and wherever the point, fun is called inside; only where there is hardly a number
    between the bounds may the step vanish, which is an error."""
    lower, upper, x = box
    fun, points = spied(lambda x: x[0] + 2 * x[1] - 3 * x[2])
    too_tight = (lower < upper) & (upper - lower < 16 * EPS * abs(x))
    with suppress(ValueError) if too_tight.any() else nullcontext():
        found = gradient(fun, x, bounds=(lower, upper), step=step, vectorized=vectorized)
        assert (found[lower == upper] == 0).all()
    check_inside(points, lower, upper)


@given(box=boxes(), vectorized=st.booleans(), rate=st.sampled_from([1e-3, 0.3, 1e3, 1e9]))
def test_minimize_never_looks_outside(box, vectorized, rate):
    """Neither do the steps of a descent leave the box, however far they want to go."""
    lower, upper, x = box
    fun, points = spied(lambda x: (x[0] - 1) * (x[0] - 1) + x[1] * x[2])
    result = minimize(fun, np.array([x, x]), bounds=(lower, upper), vectorized=vectorized, learning_rate=rate,
                      maxiter=5)
    check_inside(points, lower, upper)
    check_inside(result.x, lower, upper)
    frozen = lower == upper
    assert (result.x[:, frozen] == x[frozen]).all()


@given(coefficients=st.tuples(*3 * [st.integers(-9, 9)]), place=st.integers(-40, 40), side=st.sampled_from([-1, 1]),
       room=st.sampled_from([np.inf, 1.0, 2.0**-10, 2.0**-16, 2.0**-17, 2.0**-19]))
def test_one_sided_formula_is_exact_on_quadratics(coefficients, place, side, room):
    """At a bound the derivative of a quadratic comes without truncation error: exactly, where nothing is rounded."""
    a, b, c = coefficients
    x = place / 8
    bounds = (x, x + room) if side > 0 else (x - room, x)
    assume(bounds[0] <= x <= bounds[1])
    assert gradient(lambda x: a * x * x + b * x + c, x, bounds=bounds) == 2 * a * x + b


def test_difference_is_central_where_it_fits():
    """Only coordinates at a bound are one-sided; the value at x is taken once."""
    fun, points = spied(rosenbrock)
    gradient(fun, [0.5, 0.0], bounds=([0.0, 0.0], [1.0, 1.0]))
    h, k = reference.rounded_step(np.array([0.5, 0.0]))
    longer = 5.848468629  # no power of two: these points have all their digits
    offsets = [(x - 0.5, y) for x, y in points]
    assert set(offsets[:5]) == {(0, 0), (h, 0), (-h, 0), (0, k), (0, 2 * k)}
    expected = [(longer * h, 0), (-longer * h, 0), (0, longer * k), (0, 2 * longer * k)]
    np.testing.assert_allclose(sorted(offsets[5:]), sorted(expected), rtol=1e-9, atol=1e-15)
    assert len(points) == 9


def test_value_at_x_is_needed_by_one_sided_formulas_alone():
    """Where a step is given, nothing is compared."""
    for lower, n_points in ((-1.0, 4), (0.0, 5)):
        fun, points = spied(rosenbrock)
        gradient(fun, [0.5, 0.0], bounds=([0.0, lower], [1.0, 1.0]), step=2.0**-17)
        assert len(points) == n_points


@pytest.mark.parametrize("vectorized", [False, True])
def test_infinite_bounds_change_nothing(vectorized):
    """Bounds that are nowhere give the bits of a run without any."""
    x0 = np.random.default_rng(1).uniform(-1, 1, (40, 2))
    options = {"learning_rate": 0.02, "maxiter": 10, "vectorized": vectorized}
    assert bits(minimize(valley, x0, bounds=(None, np.inf), **options)) == bits(minimize(valley, x0, **options))


def test_frozen_coordinates():
    """Where both bounds are one the coordinate stays, the others descend as if it were a constant."""
    result = minimize(lambda x: (x[0] - x[1]) * (x[0] - x[1]), [3.0, 1.0], bounds=([-np.inf, 1.0], [np.inf, 1.0]),
                      learning_rate=0.3)
    assert result.status == Status.GTOL
    assert result.x == pytest.approx([1.0, 1.0], abs=1e-6)
    assert (result.x[1], result.jac[1]) == (1.0, 0.0)


@pytest.mark.parametrize(("x_scale", "nearest"), [(1e-305, 2.0**-500), (5e-324, 2.0**-500), (1e305, 2.0**500)])
def test_scale_beyond_all_sizes(x_scale, nearest):
    """Steps neither underflow nor overflow."""
    def fun(x):
        return rosenbrock((x[0] / nearest, x[1] / nearest))

    x0 = np.array([-1.5, 0.5]) * nearest
    expected = minimize(fun, x0, x_scale=nearest, gtol=1e-6)
    assert bits(minimize(fun, x0, x_scale=x_scale, gtol=1e-6)) == bits(expected)
    assert expected.success
    np.testing.assert_allclose(expected.x / nearest, [1.0, 1.0], rtol=1e-6)


def test_step_whose_double_overflows():
    with pytest.raises(ValueError, match="step must satisfy"):
        gradient(np.arctan, 1.0, step=9e307)
    assert gradient(np.arctan, 1.0, step=8.9e307) == np.arctan(8.9e307) / 8.9e307


def test_bounds_without_room_for_a_step():
    """Between bounds that are a few of the smallest numbers apart there is no gradient, and no convergence."""
    assert minimize(lambda x: -x[0], [0.0], bounds=(0, 5e-324)).status == Status.STEP_UNDERFLOW
    assert minimize(lambda x: -x[0], [1.0], bounds=(1, 1)).status == Status.GTOL
