"""fastgd.jit: compiled functions walk the paths of the Python functions that they are made of, and what cannot be
compiled gives the right answers all the same."""

import ctypes
import logging
import math
import pickle
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import mpmath
import numpy as np
import pytest
from scipy.optimize import rosen_hess

import fastgd
from fastgd import Difference, Status, functions, gradient, jit, maximize, minimize
from fastgd._inputs import Points
from tests.problems import bits

pytest.importorskip("numba")


def product(x, scale=1.0):
    """One term of + - * alone: its differences are those of values, bit for bit."""
    bowl = 1.0 + (x[0] - 1.0) * (x[0] - 1.0) * scale
    for i in range(1, len(x)):
        bowl = bowl * (2.0 + x[i] * x[i] + 0.5 * x[i] * x[i - 1])
    return bowl


def wavy(x):
    """Several terms, and functions that are not NumPy's own in a kernel."""
    return np.sum(np.exp(0.3 * x) + np.cos(2.0 * x) + x * x, axis=0) + np.tanh(x[0] * x[-1])


def branching(x):
    return x[0] ** 2 + x[1] ** 2 if x[0] > 0.5 else 2.0 * x[0] ** 2 + x[1] ** 2 + 0.25


@jit
def decorated(x):
    return (x[0] - 3.0) ** 2 + 1.0


STARTS = np.random.default_rng(0).uniform(-1.5, 1.5, (203, 3))


# The same as Python functions


@pytest.mark.parametrize("bounds", [None, (-1.6, [0.5, 1.6, 3.0]), ([-1.5, -2.0, -9.0], None)])
@pytest.mark.parametrize("jac", [None, Difference(step=1e-5)], ids=str)
@pytest.mark.parametrize("options", [{}, {"method": "adam", "learning_rate": 0.03, "ftol": 1e-9, "keep_best": True},
                                     {"method": "momentum", "maxfev": 200, "xtol": 1e-6}], ids=str)
def test_paths_are_those_of_values(options, jac, bounds):
    """A function of one term gives the bits of its Python form: numbers, counts and statuses."""
    x0 = STARTS if bounds is None else np.clip(STARTS, *(side if side is not None else np.inf for side in bounds))
    options = options | {"jac": jac, "bounds": bounds, "maxiter": 150}
    compiled = jit(product)
    found = minimize(compiled, x0, **options)
    assert compiled.kind == "traced"
    assert bits(found) == bits(minimize(product, x0, vectorized=True, **options))


@pytest.mark.parametrize("dtype", ["f4", "i2", ">f8", "g"])
@pytest.mark.parametrize("shape", [(3,), (1, 3), (40, 3)], ids=str)
def test_starts_of_another_dtype(dtype, shape):
    """The kernel is compared with the function at points of float64, whatever x0 is."""
    x0 = np.random.default_rng(4).uniform(-4.0, 4.0, shape).astype(dtype)
    compiled = jit(lambda x: np.sum((x - 0.3) ** 2 + 0.1 * x**4))
    found = minimize(compiled, x0, maxiter=20)
    assert compiled.kind == "traced"
    assert bits(found) == bits(minimize(compiled, x0.astype(float), maxiter=20))


def test_a_frozen_coordinate_and_active_bounds():
    """Coordinates that cannot move have gradient 0; at a bound the one-sided formula of values is used."""
    bounds = ([0.0, 0.7, -3.0], [0.5, 0.7, 3.0])
    x0 = np.clip(STARTS, *bounds)
    found = minimize(jit(product), x0, bounds=bounds)
    assert bits(found) == bits(minimize(product, x0, vectorized=True, bounds=bounds))
    assert np.all(found.x[:, 1] == 0.7)
    assert np.all(found.jac[:, 1] == 0.0)


@pytest.mark.parametrize(("fun", "x0"), [
    (lambda x: (1.0 + x[0]) * np.sqrt(x[0]), [[0.3], [4.0], [-1.0], [0.0]]),
    (lambda x: np.log(np.maximum(x[0], 0.0)), [[0.3], [4.0], [-1.0]]),
    (lambda x: x[0] * x[0] * x[0], [[-5.0], [1.0]]),
    (lambda x: 1.0 / x[0], [[0.0], [1e-7], [-2.0]]),
    (lambda x: x[0] * x[1] * 1e300, [[1.0, 1e5], [1e200, 1e200]]),
], ids=["root", "logarithm", "cubic", "pole", "overflow"])
@pytest.mark.parametrize("rate", [0.4, "auto"])
def test_values_that_are_not_finite(fun, x0, rate):
    """A compiled function ends its problems with the statuses of the Python function."""
    with np.errstate(all="ignore"):
        expected = minimize(fun, x0, vectorized=True, learning_rate=rate, maxiter=60)
    found = minimize(jit(fun), x0, learning_rate=rate, maxiter=60)
    np.testing.assert_array_equal(found.status, expected.status)
    np.testing.assert_allclose(found.x, expected.x, rtol=1e-9)
    assert np.all(found.success <= np.isfinite(found.fun))


def test_a_step_that_vanishes():
    """Where x + h is x the problem ends, and gradient() raises."""
    jac = Difference(step=1e-9)
    compiled = jit(product)
    assert minimize(compiled, [1e9, 0.0, 0.0], jac=jac).status == Status.STEP_UNDERFLOW
    with pytest.raises(ValueError, match="the step is too small"):
        gradient(compiled, [1e9, 0.0, 0.0], step=1e-9)
    assert minimize(compiled, [[np.nan, 0.0, 0.0], [1.0, 0.0, 0.0]]).status.tolist() == [Status.NONFINITE, Status.GTOL]


def test_batch_equals_singles():
    """A problem has the same bits alone, in any order, and beside problems that fail."""
    compiled = jit(wavy)
    batch = minimize(compiled, STARTS)
    order = np.random.default_rng(1).permutation(len(STARTS))
    assert bits(minimize(compiled, STARTS[order])) == bits(batch, order)
    for k in (0, 7, 150):
        single = minimize(compiled, STARTS[k])
        assert all(np.array_equal(single[name], batch[name][k]) for name in ("x", "fun", "jac", "nit", "nfev"))
    spoiled = STARTS.copy()
    spoiled[3] = 1e300
    rest = np.delete(np.arange(len(STARTS)), 3)
    assert bits(minimize(compiled, spoiled), rest) == bits(batch, rest)


def test_gradients_beyond_the_formulas():
    """Angles for which our sine does not hold are left to the C library, lane by lane."""
    points = np.random.default_rng(2).uniform(0.5, 1.0, (20, 1))
    points[::2] *= 1e-3
    h = 2.0**-40
    found = gradient(jit(lambda x: np.sin(1e10 * x[0])), points, step=h)[:, 0]
    for x, slope in zip(points[:, 0], found, strict=True):
        expected = (math.sin(1e10 * (x + h)) - math.sin(1e10 * (x - h))) / (2.0 * h)
        assert slope == expected if x > 0.1 else slope == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n_dim", [2, 10, 100])
@pytest.mark.parametrize("fun", [functions.rosenbrock.formula, functions.styblinski_tang.formula], ids=str)
def test_accuracy_of_separable_differences(fun, n_dim):
    """The gradient of a traced sum is at least as accurate as that of the black box."""
    def slopes(x):
        x = [mpmath.mpf(float(c)) for c in x]
        if fun is functions.styblinski_tang.formula:
            return [2 * c**3 - 16 * c + 2.5 for c in x]
        ahead = [0, *(200 * (x[i + 1] - x[i] ** 2) for i in range(n_dim - 1))]
        return [ahead[i] + (-2 * x[i] * ahead[i + 1] - 2 * (1 - x[i]) if i < n_dim - 1 else 0) for i in range(n_dim)]

    points = np.random.default_rng(3).uniform(-2.0, 2.0, (20, n_dim))
    exact = np.array([[float(s) for s in slopes(x)] for x in points])
    ours = np.abs(gradient(jit(fun), points) - exact).max()
    black_box = np.abs(gradient(fun, points, vectorized=True) - exact).max()
    assert ours <= black_box
    assert ours < 1e-6 * np.abs(exact).max()


# How functions are called


def calls(kind):
    """The same function of three variables, scaled by args and shifted by data, in every form."""
    if kind == "unpacked":
        return lambda a, b, c, scale, shift: product([a - shift, b, c], scale)
    if kind == "rows":
        return lambda x, scale, shift: product([x[:, 0] - shift, x[:, 1], x[:, 2]], scale)
    return lambda x, scale, shift: product([x[0] - shift, x[1], x[2]], scale)


@pytest.mark.parametrize(("kind", "options"), [
    ("point", {}), ("columns", {"vectorized": True}), ("rows", {"vectorized": "rows"}), ("unpacked", {"unpack": True}),
    ("unpacked", {"unpack": True, "vectorized": True})])
def test_every_form_is_traced(kind, options):
    """Points, columns, rows and coordinates one by one; args are constants, and batch_args each problem's own."""
    compiled = jit(calls(kind), **options)
    shift = np.linspace(-1.0, 1.0, len(STARTS))
    found = minimize(compiled, STARTS, args=(0.75,), batch_args=(shift,))
    expected = minimize(calls("columns"), STARTS, args=(0.75,), batch_args=(shift,), vectorized=True)
    assert compiled.kind == "traced"
    assert bits(found) == bits(expected)
    alone = minimize(compiled, STARTS[5], args=(0.75,), batch_args=(shift[5],))
    assert np.array_equal(alone.x, found.x[5])


def test_data_of_several_shapes():
    """Matrices and vectors of every problem reach the function in C order."""
    rng = np.random.default_rng(4)
    matrices, targets = rng.normal(size=(40, 4, 3)), rng.normal(size=(40, 4))

    @jit
    def residuals(x, matrix, target):
        return np.sum((matrix @ x - target) ** 2)

    result = minimize(residuals, np.zeros((40, 3)), batch_args=(matrices, targets), gtol=1e-9, maxiter=5000)
    assert residuals.kind == "traced"
    expected = [np.linalg.lstsq(a, b)[0] for a, b in zip(matrices, targets, strict=True)]
    np.testing.assert_allclose(result.x, expected, atol=1e-7)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_data_of_narrow_types_are_not_compiled(dtype):
    """NumPy calculates with them in another way: bytes wrap around. The answers are those of Python."""
    data = np.full(9, 200, dtype)
    data[1] = 100
    compiled = jit(lambda x, d: (x[0] - (d - 128)) ** 2)
    with np.errstate(all="ignore"), pytest.warns(RuntimeWarning, match="neither float64 nor int64"):
        found = minimize(compiled, np.zeros((9, 1)), batch_args=(data,), learning_rate=0.3)
    assert found.x[1, 0] == pytest.approx(228 if dtype == np.uint8 else -28)


def test_whole_numbers_as_data():
    """They are numbers like others, for functions that are traced and for those that are not."""
    data = np.arange(-4, 5)
    for fun in (lambda x, d: (x[0] - 3 * d) ** 2 + 1, lambda x, d: (x[0] - 3 * d) ** 2 + 1 if d > 0 else x[0] * x[0]):
        found = minimize(jit(fun), np.ones((9, 1)), batch_args=(data,), learning_rate=0.3)
        expected = minimize(fun, np.ones((9, 1)), batch_args=(data,), learning_rate=0.3)
        np.testing.assert_allclose(found.x, expected.x, atol=1e-9)


def test_a_function_of_one_variable():
    """With a scalar x0 the function gets a number."""
    compiled = jit(lambda x: (x - 2.0) * (x - 2.0) + 1.0)
    result = minimize(compiled, 0.5)
    assert compiled.kind == "traced"
    assert abs(result.x - 2.0) < 1e-6
    assert type(result.x) is float
    assert gradient(compiled, 3.0) == pytest.approx(2.0)


def test_specializations_are_kept():
    """One for every number of dimensions, args, and shapes of data; the second run compiles nothing."""
    traces = []

    @jit
    def fun(x, scale=1.0, *data):
        traces.append(type(x))
        return scale * np.sum((x - sum(map(np.sum, data))) ** 2)

    options = [({}, 2), ({}, 3), ({"args": (2.0,)}, 2), ({"args": (2.0,), "batch_args": (np.ones((1, 2)),)}, 2),
               ({"args": (2.0,), "batch_args": (np.ones((1, 3)),)}, 2)]
    for more, n_dim in options:
        minimize(fun, np.ones((1, n_dim)), **more)
        n_traces, seconds = len(traces), fun.compile_time
        assert minimize(fun, np.full((1, n_dim), 3.0), **more).success.all()
        assert (len(traces), fun.compile_time) == (n_traces, seconds)
    assert sum(issubclass(kind, np.ndarray) and kind is not np.ndarray for kind in traces) == len(options)
    assert fun.compile_time > 0.0


def test_maximize_record_and_counts():
    """The sign is that of the function; every problem counts its points and no others."""
    compiled = jit(lambda x: -product(x))
    found = maximize(compiled, STARTS, on_error="record")
    assert bits(found) == bits(maximize(lambda x: -product(x), STARTS, vectorized=True, on_error="record"))
    run = minimize(jit(product), STARTS, method="adam", maxiter=7, gtol=0.0)
    assert np.all(run.nfev == 2 * 3 * 8 + 1 + (1 + 2 * 3))  # at the start f is known, and looked at again
    assert np.all(run.njev == 8)


def test_callback_and_trace():
    """Every iterate is shown, as for Python functions."""
    seen = []
    run = minimize(jit(product), STARTS[0], trace=1, callback=lambda x: seen.append(x.copy()))
    plain = minimize(product, STARTS[0], trace=1)
    assert np.array_equal(run.trace.x, plain.trace.x)
    assert len(seen) == run.nit


def test_two_threads():
    """One jitted function may be minimized, and compiled, by several threads at once."""
    compiled = jit(wavy)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda part: minimize(compiled, part), np.array_split(STARTS, 4)))
    assert np.array_equal(np.concatenate([part.x for part in found]), minimize(compiled, STARTS).x)


# Kernels


@pytest.mark.parametrize("name", functions.BY_NAME)
def test_all_test_functions_are_traced(name):
    """No function of fastgd.functions needs a fallback; values agree with NumPy's."""
    function = functions.BY_NAME[name]
    x0 = np.random.default_rng(5).uniform(*function.bounds(), (9, function.n_dim))
    compiled = jit(function)
    result = minimize(compiled, x0, maxiter=0)
    assert compiled.kind == "traced"
    np.testing.assert_allclose(result.fun, function(x0.T), rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(result.jac, gradient(function, x0, vectorized=True), rtol=1e-4, atol=1e-4)


def test_long_kernels_are_split(monkeypatch):
    """A kernel in parts computes the same bits."""
    from fastgd._jit import codegen

    x0 = np.random.default_rng(6).uniform(-1.0, 1.0, (9, 12))
    whole = minimize(jit(functions.ackley.formula), x0, maxiter=20)
    exact = minimize(jit(functions.griewank.formula), x0, maxiter=20, jac="exact")
    monkeypatch.setattr(codegen, "MOST_INSTRUCTIONS", 50)
    assert bits(minimize(jit(functions.ackley.formula), x0, maxiter=20)) == bits(whole)
    assert bits(minimize(jit(functions.griewank.formula), x0, maxiter=20, jac="exact")) == bits(exact)


def test_the_longest_kernels_are_of_values_alone(monkeypatch, caplog):
    """Differences that would take too long to compile come from values."""
    from fastgd._jit import codegen

    monkeypatch.setattr(codegen, "MOST_INSTRUCTIONS", 20)
    monkeypatch.setattr(codegen, "MOST_LINES", 200)
    compiled, x0 = jit(product), np.random.default_rng(6).uniform(-1.0, 1.0, (19, 7))
    with caplog.at_level(logging.DEBUG, logger="fastgd"):
        found = minimize(compiled, x0, maxiter=20)
    assert "differences by values" in caplog.text
    assert compiled.kind == "traced"
    assert bits(found) == bits(minimize(product, x0, maxiter=20, vectorized=True))
    monkeypatch.setattr(codegen, "MOST_LINES", 50)
    minimize(longer := jit(product), x0, maxiter=1)
    assert longer.kind == "compiled"  # as written, with its loop


def test_libm():
    """On request the elementary functions are those of the C library."""
    x0 = np.array([[0.3, 2.0], [-0.7, 5.0]])
    found = minimize(jit(lambda x: np.exp(x[0]) * np.sin(x[1]), libm=True), x0, maxiter=0)
    assert found.fun.tolist() == [math.exp(a) * math.sin(b) for a, b in x0]


@pytest.mark.parametrize("name", ["rosenbrock", "ackley", "griewank", "levy", "beale", "goldstein_price", "zakharov"])
def test_exact_gradients(name):
    """jac="exact" is the limit of differences of higher precision, and takes no evaluation of the function."""
    formula, n_dim = functions.BY_NAME[name].formula, functions.BY_NAME[name].n_dim
    x0 = np.random.default_rng(7).uniform(-1.0, 1.0, (5, n_dim))
    found = minimize(jit(formula), x0, jac="exact", maxiter=0)
    complex_step = [[formula(x.astype(complex) + 1e-30j * (np.arange(n_dim) == i)).imag / 1e-30 for i in range(n_dim)]
                    for x in x0]
    np.testing.assert_allclose(found.jac, complex_step, rtol=1e-12, atol=1e-12)
    assert np.all(found.nfev == 1)


def test_exact_gradients_of_equal_logarithms():
    """log(exp(a) + exp(b)) is smooth where a and b are equal: a logistic regression leaves its start at 0."""
    rng = np.random.default_rng(10)
    points, labels = rng.normal(size=(20, 3)), rng.choice([-1.0, 1.0], 20)
    loss = jit(lambda w: np.sum(np.logaddexp(0.0, -labels * (points @ w))))
    found = minimize(loss, np.zeros(3), jac="exact", maxiter=0, method="adam")
    np.testing.assert_allclose(found.jac, -0.5 * labels @ points, rtol=1e-14)


@pytest.mark.parametrize(("fun", "x0", "slope"), [
    (lambda x: np.sin(x[0]), 2e9, math.cos(2e9)), (lambda x: np.cos(1e6 * x[0]), 5e3, -1e6 * math.sin(5e9)),
    (lambda x: x[0] ** 2 - np.log(x[0]), -2.0, math.nan), (lambda x: np.log1p(x[0]), -2.0, math.nan),
    (lambda x: np.arctanh(x[0]), 2.0, math.nan), (lambda x: x[0] * np.exp(x[0] * x[0]) / np.inf, 100.0, math.nan),
    (lambda x: np.where(x[0] > 0.0, np.log(x[0]), x[0]), -2.0, 1.0)],
    ids=["sin", "cos", "log", "log1p", "arctanh", "overflow", "where"])
def test_exact_gradients_are_those_of_values(fun, x0, slope):
    """Beyond the formulas for small angles they come from the C library; where the function is a nan, so are they."""
    with np.errstate(all="ignore"):
        found = minimize(jit(fun), [[x0], [0.5]], jac="exact", maxiter=0, method="adam")
    np.testing.assert_allclose(found.jac[0, 0], slope, rtol=1e-13)


@pytest.mark.parametrize(("fun", "x0", "data"), [
    (lambda x, c: np.log(c) + x[0] ** 2 + x[1] ** 2, [3.0, 1.0], -1.0),
    (lambda x, c: c * np.sum(x**-2.0), [0.0, 1.0], 1.0), (lambda x, c: np.sum(np.abs(x) ** -0.5), [1.0, 0.0], 1.0),
    (lambda x, c: np.where(x[0] == 1.0, np.nan, x[0]) + x[1], [1.0, 0.0], 1.0),
    (lambda x, c: np.exp(c * x[0]) - np.exp(c * x[0]) + x[1] ** 2, [1000.0, 2.0], 1.0),
    (lambda x, c: np.inf + c * x[0] * x[1], [1.0, 2.0], 1.0)],
    ids=["data", "poles", "power", "condition", "difference", "constant"])
@pytest.mark.parametrize("bounds", [None, (-2000.0, 2000.0)], ids=["free", "bounded"])
def test_terms_that_are_no_numbers(fun, x0, data, bounds):
    """They spoil the differences in all coordinates, also those that they do not depend on; as with values."""
    x0, data = [x0, [0.5, 0.25]], np.array([data, 1.0])
    with np.errstate(all="ignore"):
        expected = minimize(fun, x0, batch_args=(data,), method="adam", maxiter=0, bounds=bounds)
    compiled = jit(fun)
    found = minimize(compiled, x0, batch_args=(data,), method="adam", maxiter=0, bounds=bounds)
    assert compiled.kind == "traced"
    assert found.status.tolist() == expected.status.tolist()
    np.testing.assert_allclose(found.jac, expected.jac, rtol=1e-6)
    assert np.all(np.isnan(found.jac[0, 1]))


# Exact Hessians


def hessians(compiled, x, *data):
    """The Hessians (n_points, n_dim, n_dim) at the points x (n_points, n_dim), each with its data."""
    minimize(compiled, x, batch_args=data, maxiter=0)
    assert compiled.kind == "traced"
    made = list(list(compiled._specializations.values())[-1].values())[-1]
    address = made.exact_hessian()
    assert address == made.exact_hessian() != 0
    (n_points, n_dim), stride = x.shape, 8 * (len(x) // 8 + 2)  # longer than what is computed
    params = np.concatenate([np.reshape(array, (n_points, -1)) for array in data] or [np.empty((n_points, 0))], axis=1)
    n_computed = stride - 8
    block, columns = (np.full((array.shape[1], stride), 0.5) for array in (x, params))
    block[:, :n_points], columns[:, :n_points] = x.T, params.T
    out = np.full((n_dim * (n_dim + 1) // 2, stride), -777.0)
    size, pointer = ctypes.c_ssize_t, ctypes.c_void_p
    kernel = ctypes.CFUNCTYPE(ctypes.c_int, *[size] * 4, *[pointer] * 4)(address)
    assert kernel(n_dim, len(columns), n_computed, stride, *(a.ctypes.data for a in (block, columns, out)), None) == 0
    assert np.all(out[:, n_computed:] == -777.0)
    found = np.empty((n_points, n_dim, n_dim))
    for i in range(n_dim):
        for j in range(i + 1):
            found[:, i, j] = found[:, j, i] = out[i * (i + 1) // 2 + j, :n_points]
    return found


def rosenbrock(x):
    return np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2)


@pytest.mark.parametrize("n_dim", [2, 10, 40])
@pytest.mark.parametrize("libm", [False, True])
def test_exact_hessian_of_a_band(n_dim, libm):
    """As SciPy has it, and 0 outside of the band."""
    x = np.random.default_rng(3).uniform(-2.0, 2.0, (13, n_dim))
    found = hessians(jit(rosenbrock, libm=libm), x)
    np.testing.assert_allclose(found, [rosen_hess(row) for row in x], rtol=1e-13, atol=1e-10)
    assert np.all(found[:, abs(np.subtract.outer(range(n_dim), range(n_dim))) > 1] == 0.0)


IN_MPMATH = SimpleNamespace(
    exp=mpmath.exp, log=mpmath.log, sin=mpmath.sin, hypot=mpmath.hypot, abs=mpmath.fabs, minimum=min, maximum=max,
    where=lambda condition, a, b: a if condition else b,
    logaddexp=lambda a, b: mpmath.log(mpmath.exp(a) + mpmath.exp(b)))


def mixture(x, scale, centers, m=np):
    """All kinds of operations on three coordinates; x[2] meets the others in two terms alone."""
    total = m.exp(-scale * x[0]) * m.sin(x[1]) + m.log(1.0 + x[0] ** 2) * m.abs(x[1]) ** 2.5
    total += m.hypot(x[0] - centers[0], scale * x[1]) + m.logaddexp(x[0], x[2] * scale)
    total += m.where(x[0] < centers[1], x[0] ** 3 * x[1], x[1] ** 4) + m.minimum(x[2] ** 2, centers[0] + 2.0)
    return total + m.maximum(x[0] * x[2], m.abs(x[1])) ** 2 + m.exp(0.1 * x[0]) ** scale


@pytest.mark.parametrize("libm", [False, True])
def test_exact_hessians_with_data(libm):
    """Against mpmath, at points of many branches."""
    rng = np.random.default_rng(4)
    x, scale, centers = rng.uniform(-2.0, 2.0, (21, 3)), rng.uniform(0.5, 2.0, 21), rng.uniform(-1.0, 1.0, (21, 2))
    found = hessians(jit(mixture, libm=libm), x, scale, centers)
    with mpmath.workdps(50):
        for row, a, c, hessian in zip(x, scale, centers, found, strict=True):
            point, data = tuple(map(mpmath.mpf, row)), (mpmath.mpf(a), [mpmath.mpf(value) for value in c])
            for i, j in np.ndindex(3, 3):
                orders = tuple((k == i) + (k == j) for k in range(3))
                exact = float(mpmath.diff(lambda *y, data=data: mixture(y, *data, IN_MPMATH), point, orders))
                assert abs(hessian[i, j] - exact) <= 1e-13 * (abs(exact) + np.abs(hessian).max())


@pytest.mark.parametrize("name", ["ackley", "griewank", "levy", "beale", "goldstein_price", "zakharov"])
def test_exact_hessians_of_test_functions(name):
    """The limit of differences of exact gradients."""
    function, h = functions.BY_NAME[name], 1e-6
    compiled = jit(function.formula)
    x = np.random.default_rng(7).uniform(0.2, 1.0, (5, function.n_dim))
    found = hessians(compiled, x)
    for j in range(function.n_dim):
        moved = [minimize(compiled, x + step * np.eye(function.n_dim)[j], jac="exact", maxiter=0).jac
                 for step in (h, -h)]
        size = np.abs(found).max()
        np.testing.assert_allclose(found[:, :, j], (moved[0] - moved[1]) / (2.0 * h), rtol=1e-6, atol=1e-7 * size)


@pytest.mark.parametrize(("fun", "x0", "curvature"), [
    (lambda x: np.sin(x[0]), 2e9, -math.sin(2e9)), (lambda x: np.cos(1e6 * x[0]), 5e3, -1e12 * math.cos(5e9)),
    (lambda x: x[0] ** 2 - np.log(x[0]), -2.0, math.nan), (lambda x: np.log1p(x[0]) + 0.0 * x[0], -2.0, math.nan),
    (lambda x: np.where(x[0] > 0.0, np.log(x[0]), x[0] ** 2), -2.0, 2.0)],
    ids=["sin", "cos", "log", "log1p", "where"])
def test_exact_hessians_are_those_of_values(fun, x0, curvature):
    """Beyond the formulas for small angles they come from the C library; where the function is a nan, so are they."""
    with np.errstate(all="ignore"):
        found = hessians(jit(fun), np.array([[x0], [0.5]]))
    np.testing.assert_allclose(found[0, 0, 0], curvature, rtol=1e-13)
    assert math.isfinite(found[1, 0, 0])


def test_exact_hessians_in_parts(monkeypatch):
    """Long kernels are compiled in parts, with the same numbers."""
    from fastgd._jit import codegen

    x = np.random.default_rng(5).uniform(-1.0, 1.0, (9, 6))
    whole = [hessians(jit(fun), x) for fun in (functions.ackley.formula, rosenbrock)]
    monkeypatch.setattr(codegen, "MOST_INSTRUCTIONS", 50)
    parts = [hessians(jit(fun), x) for fun in (functions.ackley.formula, rosenbrock)]
    np.testing.assert_array_equal(parts, whole)


def test_objectives_have_hessians_on_request(monkeypatch):
    """Those of traced functions, if the kernel is not too long."""
    from fastgd._jit import codegen, jitted

    kept = []
    monkeypatch.setattr(jitted, "CompiledBlock", lambda *args, **options: kept.append(options["hessian"]))
    points = Points(np.ones((1, 5)), (5,))

    def make(fun, **options):
        jit(fun).objective(points, (), None, (), False, (None, None), **options)
        return kept.pop()

    assert make(rosenbrock) == 0
    assert make(rosenbrock, hessian=True) != 0
    assert make(branching, hessian=True) == 0
    monkeypatch.setattr(codegen, "MOST_LINES", 100)
    assert make(rosenbrock, hessian=True) == 0  # the graph is too long,
    monkeypatch.setattr(codegen, "MOST_LINES", 300)
    monkeypatch.setattr(codegen, "MOST_INSTRUCTIONS", 20)
    assert make(lambda x: np.sum(np.exp(x)) ** 2, hessian=True) == 0  # or what its operations come to


# What cannot be traced


def test_a_branch_on_a_value():
    """It is compiled as it is written, and takes the paths of Python."""
    compiled = jit(branching)
    x0 = STARTS[:, :2]
    found = minimize(compiled, x0, method="adam", learning_rate=0.05, maxiter=100)
    assert compiled.kind == "compiled"
    expected = minimize(branching, x0, method="adam", learning_rate=0.05, maxiter=100)
    np.testing.assert_allclose(found.x, expected.x, rtol=1e-9, atol=1e-12)
    with pytest.raises(ValueError, match=r"jac='exact'.*compiled, because TraceError"):
        minimize(compiled, x0, jac="exact")


def test_loops_on_values_of_longer_points():
    """Points of many coordinates are arrays; data reach them too."""
    @jit
    def fun(x, centers, power):
        total = 0.0
        for i in range(len(x)):
            distance = abs(x[i] - centers[i])
            total += distance**power if distance < 1.0 else 2.0 * distance - 1.0
        return total

    rng = np.random.default_rng(8)
    x0, centers = rng.normal(size=(30, 20)), rng.normal(size=(30, 20))
    found = minimize(fun, x0, batch_args=(centers, np.full(30, 2.0)))
    assert fun.kind == "compiled"
    np.testing.assert_allclose(found.x, centers, atol=1e-5)


def test_points_that_are_taken_apart():
    """Functions in plain Python often unpack their argument, and call math."""
    @jit
    def fun(point):
        a, b = point
        return math.exp(a * a) + (b * b if b > 0.0 else 0.5 * b * b)

    assert minimize(fun, STARTS[:, :2]).fun == pytest.approx(1.0)
    assert fun.kind == "compiled"


def test_masks_in_a_vectorized_function():
    """What NumPy selects by values is compiled as it is written, or called as Python; the answers are the same."""
    def fun(x):
        values = x[0] ** 2 + x[1] ** 2
        values[x[0] > 0.5] += 1.0
        return values

    compiled = jit(fun, vectorized=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        found = minimize(compiled, STARTS[:, :2], learning_rate=0.2)
    expected = minimize(fun, STARTS[:, :2], vectorized=True, learning_rate=0.2)
    assert compiled.kind in ("compiled", "vectorized")
    np.testing.assert_allclose(found.x, expected.x, atol=1e-12)


def test_a_function_in_c():
    """Special functions of SciPy are unknown to all: the function stays Python, and a warning says so."""
    special = pytest.importorskip("scipy.special")
    compiled = jit(lambda x: special.gamma(x[0]) + x[1] * x[1])
    with pytest.warns(RuntimeWarning, match=r"is not compiled, but called as Python \(pointwise\): .*gamma") as caught:
        result = minimize(compiled, [2.0, 1.0])
    assert caught[0].filename == __file__
    assert compiled.kind == "pointwise"
    assert result.x[0] == pytest.approx(1.4616321449683623, abs=1e-6)


def test_a_function_that_prints(capsys):
    """It prints what Python prints: numbers, and no symbols."""
    def fun(x):
        print("x is", float(x[0]))
        return (x[0] - 1.0) * (x[0] - 1.0)

    compiled = jit(fun)
    with pytest.warns(RuntimeWarning, match="prints"):
        found = minimize(compiled, [3.0])
    assert found.x[0] == pytest.approx(1.0)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) >= found.nfev
    assert all(float(line.removeprefix("x is")) for line in lines)


def test_a_function_that_changes_its_argument():
    """Its changes are its own."""
    def fun(x):
        x -= 1.0
        x[1] *= 3.0
        return x[0] * x[0] * (1.0 + x[1] * x[1]) + x[1] * x[1]

    x0 = STARTS[:, :2].copy()
    found = minimize(jit(fun), x0)
    np.testing.assert_array_equal(x0, STARTS[:, :2])
    np.testing.assert_allclose(found.x, 1.0, atol=1e-5)
    assert minimize(fun, x0[0]).fun == pytest.approx(found.fun[0], abs=1e-10)


def test_a_function_that_changes_its_data():
    """It gets the error that NumPy has for arrays that cannot be written to, as without jit."""
    def fun(x, data):
        data += 1.0
        return x[0] * data[0]

    with pytest.raises(ValueError, match="read-only"):
        minimize(fun, STARTS, batch_args=(STARTS,))
    with pytest.warns(RuntimeWarning, match="not compiled"), pytest.raises(ValueError, match="read-only"):
        minimize(jit(fun), STARTS, batch_args=(STARTS,))


def test_random_values_are_not_compiled():
    """A function that returns another value every time is not one that a kernel can be compared with."""
    rng = np.random.default_rng(9)
    compiled = jit(lambda x: x[0] * x[0] + 1e-3 * rng.random())
    with pytest.warns(RuntimeWarning, match="different values at the same point"):
        minimize(compiled, [1.0], maxiter=2)
    assert compiled.kind == "pointwise"


def test_a_function_that_raises():
    """Its exception is the same object, with a note that names problem and iteration."""
    error = ArithmeticError("no")

    def fun(x):
        raise error

    with pytest.warns(RuntimeWarning, match="ArithmeticError: no"), pytest.raises(ArithmeticError) as caught:
        minimize(jit(fun), [[1.0], [2.0]])
    assert caught.value is error
    assert "problem 0" in error.__notes__[-1]


def test_without_numba(monkeypatch):
    """Where LLVM is missing functions are called as they are, and a warning says what to install."""
    monkeypatch.setitem(sys.modules, "llvmlite", None)
    monkeypatch.delitem(sys.modules, "fastgd._jit.machine", raising=False)
    monkeypatch.delattr("fastgd._jit.machine", raising=False)
    compiled = jit(product, vectorized=True)
    with pytest.warns(RuntimeWarning, match=r'pip install "fastgd\[jit\]"'):
        found = minimize(compiled, STARTS)
    assert compiled.kind == "vectorized"
    assert bits(found) == bits(minimize(product, STARTS, vectorized=True))


def test_a_kernel_that_disagrees_is_not_used(monkeypatch):
    """If the kernel returned anything but the function's values at x0, the function would be called instead."""
    from fastgd._jit import codegen

    monkeypatch.setitem(codegen.INSTRUCTIONS, "multiply", lambda a, b: a * b + 1e-6)
    compiled = jit(product)
    assert np.array_equal(minimize(compiled, STARTS, maxiter=1).nit, np.ones(len(STARTS)))
    assert compiled.kind == "compiled"


def raises_below(x):
    if x[0] < 0.0:
        raise LookupError("below zero")
    return (x[0] + 1.0) ** 2 + x[1] ** 2


def looks_up(x):
    k = 0
    while k < x[0]:
        k += 1
    return TABLE[k] + x[1] ** 2


TABLE = np.linspace(3.0, 0.0, 50)


@pytest.mark.parametrize(("fun", "start", "error", "message"), [
    (raises_below, [3.0, 0.0], LookupError, "below zero"), (looks_up, [70.0, 0.0], IndexError, "index 7")],
    ids=["raise", "index"])
def test_exceptions_of_compiled_functions(fun, start, error, message):
    """They are those of the Python function, with a note; an index out of bounds reads nothing."""
    starts = np.array([[1.0, 0.0], [2.0, 0.5], start])
    compiled = jit(fun)
    minimize(compiled, starts[:2], maxiter=0, method="adam")
    assert compiled.kind == "compiled"
    with pytest.raises(error, match=message) as caught:
        minimize(compiled, starts, method="adam", learning_rate=2.0)
    with pytest.raises(error) as plain:
        minimize(fun, starts, method="adam", learning_rate=2.0)
    assert type(caught.value) is type(plain.value)
    assert caught.value.args == plain.value.args
    assert "raised for problem" in caught.value.__notes__[-1]
    found = minimize(compiled, starts, method="adam", learning_rate=2.0, maxiter=3, on_error="record")
    assert found.status.tolist() == minimize(fun, starts, method="adam", learning_rate=2.0, maxiter=3,
                                             on_error="record").status.tolist()


def test_exceptions_tell_the_data_of_their_problem():
    """The function is called again with the args and data of the problem at fault."""
    def fun(x, limit, data, number):
        if data[1] > limit:
            raise LookupError(number)
        return x[0] ** 2 + data[0] * number

    x0, data = np.ones((200, 1)), np.zeros((200, 2))
    compiled = jit(fun)
    minimize(compiled, x0, (14.0,), batch_args=(data, np.arange(200)), maxiter=0, method="adam")
    assert compiled.kind == "compiled"
    data[57] = data[157] = 15.0
    with pytest.raises(LookupError) as caught:
        minimize(compiled, x0, (14.0,), batch_args=(data, np.arange(200)))
    assert caught.value.args == (57,)
    assert "problem 57" in caught.value.__notes__[-1]


def factorial(x, n):
    product = 1
    for k in range(1, n + 1):
        product *= k
    return 1.0 / product if x[0] > 0.0 else x[0]


def handles(x, n):
    try:
        return 1.0 / math.sqrt(x[0])
    except Exception:
        return 7.0


@pytest.mark.parametrize("fun", [
    factorial, handles, lambda x, n: 2.0 * int(x[0]), lambda x, n: 1.0 * math.floor(x[0]),
    lambda x, n: 1.0 * 2**n if x[0] > 0.0 else 0.0, lambda x, n: 1.0 * (1 << n) if x[0] > 0.0 else 0.0,
    lambda x, n: 1.0 * (7 // n) if x[0] > 0.0 else 0.0],
    ids=["factorial", "handler", "int", "floor", "power", "shift", "quotient"])
def test_what_numba_does_in_another_way(fun):
    """Python's integers have no limit and are not made of a nan; exceptions of arithmetic are handled in Python."""
    compiled = jit(fun)
    with pytest.warns(RuntimeWarning, match="not compiled"):
        minimize(compiled, [[1.5, 2.0]], batch_args=(np.array([3]),), maxiter=0, method="adam")
    assert compiled.kind == "pointwise"


def test_large_integers_are_not_compiled():
    """Nanoseconds since 1970 are no floats: looked at in every call, also when smaller ones were compiled for."""
    start = 1_700_000_000_000_000_000
    times = start + np.array([5000, 100, 7000])
    fun = lambda x, t: (x[0] - (t - 1_700_000_000_000_000_000)) ** 2  # noqa: E731
    compiled = jit(lambda x, t: (x[0] - t) ** 2)
    assert minimize(compiled, np.zeros((3, 1)), batch_args=(np.arange(3),)).x[2, 0] == pytest.approx(2.0)
    assert compiled.kind == "traced"
    for function in (jit(fun), compiled):
        with pytest.warns(RuntimeWarning, match="beyond 2"):
            found = minimize(function, np.zeros((3, 1)), batch_args=(times,), maxiter=0, method="adam")
        expected = minimize(function.fun, np.zeros((3, 1)), batch_args=(times,), maxiter=0, method="adam")
        np.testing.assert_array_equal(found.fun, expected.fun)


class Settings:
    scale = 1.0


@pytest.mark.parametrize("thing", [Settings, Settings(), lambda: Settings.scale], ids=["class", "object", "function"])
def test_args_that_may_change(thing, monkeypatch):
    """Functions, classes and objects of classes are looked at again every time; numbers and arrays are not."""
    traced = []

    def fun(x, thing):
        if type(x) is not np.ndarray:
            traced.append(thing)
        return x[0] ** 2 + (thing() if type(thing) is type(jit) else thing.scale)

    compiled = jit(fun)
    assert minimize(compiled, [0.0], (thing,)).fun == 1.0
    monkeypatch.setattr(Settings, "scale", 50.0)
    assert minimize(compiled, [0.0], (thing,)).fun == 50.0
    n_traces = len(traced)
    minimize(compiled, np.ones((9, 1)), (thing,), chunk_size=2)
    assert len(traced) == n_traces + 1
    args = (2.0, np.float64(3.0), np.arange(3), {"a": [np.ones(2)], "b": np.dtype(float)}, float)
    if hasattr(np.sin, "__qualname__"):  # before NumPy 2.2 pickle has to search all modules for it
        args += (np.sin,)
    compiled = jit(lambda x, *args: args[0] * x[0] ** 2)
    minimize(compiled, [0.0], args)
    assert len(compiled._specializations) == 1


@pytest.mark.parametrize("fun", [lambda x: np.sum(x**2), lambda x: x[:1] ** 2,
                                 lambda x: np.sum(x**2, axis=0, keepdims=True), lambda x: np.sum(x**2, axis=1)],
                         ids=["sum", "row", "kept", "axis"])
def test_vectorized_functions_of_the_wrong_shape(fun):
    """They get the error of the plain path."""
    for x0 in (STARTS, STARTS[:, :1]):
        with pytest.raises(ValueError, match="one value per point") as plain:
            minimize(fun, x0, vectorized=True)
        with pytest.warns(RuntimeWarning, match="not compiled"), pytest.raises(ValueError, match="one value") as caught:
            minimize(jit(fun, vectorized=True), x0)
        assert str(caught.value) == str(plain.value)


def test_a_number_is_a_float():
    """As it is for a function that is not compiled."""
    kinds = []
    compiled = jit(lambda x: kinds.append(type(x)) or (x - 1.0) ** 2)
    minimize(compiled, 2.0)
    assert kinds[:2] == [float, float]
    assert np.float64 not in kinds


# The face


def test_a_decorator():
    """With and without options; the function can still be called."""
    @jit(vectorized=True)
    def fun(x):
        """A bowl."""
        return np.sum(x * x, axis=0)

    assert (fun.__name__, fun.__doc__, fun.kind, fun.compile_time) == ("fun", "A bowl.", None, 0.0)
    assert fun(np.array([3.0, 4.0])) == 25.0
    assert repr(fun).endswith("fun: not compiled yet>")
    assert minimize(fun, [1.0, 2.0]).success
    assert ": traced, " in repr(fun)


@pytest.mark.parametrize("fun", [decorated, jit(branching), jit(functions.rosenbrock)], ids=str)
def test_pickling(fun):
    """By the name of the function; it compiles itself again where it arrives."""
    minimize(fun, [0.5, 0.25])
    copy = pickle.loads(pickle.dumps(fun))
    assert copy is fun or copy.kind is None
    assert minimize(copy, [0.5, 0.25]).x.tobytes() == minimize(fun, [0.5, 0.25]).x.tobytes()


def test_pickling_of_closures():
    """By cloudpickle, where it is installed; without it pickle says what is wrong."""
    center = 1.5
    fun = jit(lambda x: (x[0] - center) ** 2)
    try:
        import cloudpickle  # noqa: F401
    except ImportError:
        with pytest.raises((AttributeError, pickle.PicklingError)):
            pickle.dumps(fun)
        return
    assert minimize(pickle.loads(pickle.dumps(fun)), [0.0]).x[0] == pytest.approx(center)


@pytest.mark.parametrize(("wrong", "error", "match"), [
    (lambda: jit(3), TypeError, "fun must be callable, got int"),
    (lambda: jit(product, vectorized="columns"), ValueError, "vectorized must be one of"),
    (lambda: jit(product, unpack=1), TypeError, "unpack must be True or False"),
    (lambda: jit(product, vectorized="rows", unpack=True), ValueError, "unpack=True"),
    (lambda: minimize(jit(product), [1.0, 2.0], vectorized=True), TypeError, "does not go with vectorized"),
    (lambda: minimize(jit(product), [1.0, 2.0], unpack=True), TypeError, "does not go with unpack"),
    (lambda: minimize(jit(product), [1.0, 2.0], jac=lambda x: x), TypeError, "jac of a jitted function"),
    (lambda: minimize(jit(product), [1.0, 2.0], jac=True), TypeError, "jac of a jitted function must be"),
    (lambda: minimize(product, [1.0, 2.0], jac="exact"), ValueError, "made by fastgd.jit"),
    (lambda: minimize(jit(product), [1.0, 2.0], jac="exakt"), ValueError, "did you mean 'exact'"),
    (lambda: minimize(jit(product), [[1.0, 2.0]], batch_args=(np.ones(2),)), ValueError, "leading axes"),
])
def test_wrong_arguments(wrong, error, match):
    """They get an error that says what was expected."""
    with pytest.raises(error, match=match):
        wrong()


def test_wrong_results_get_the_errors_of_python():
    """What the function returns is checked as ever."""
    with pytest.warns(RuntimeWarning, match="not compiled"), pytest.raises(ValueError, match="shape"):
        minimize(jit(lambda x: x), [1.0, 2.0])
    with pytest.warns(RuntimeWarning, match="not compiled"), pytest.raises(TypeError, match="complex"):
        minimize(jit(lambda x: x[0] + 1j), [1.0, 2.0])


def test_import_is_lazy():
    """`import fastgd` does not import numba, nor LLVM."""
    import subprocess

    code = "import fastgd, sys; fastgd.jit; print([m for m in ('numba', 'llvmlite') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"
    assert "jit" in dir(fastgd)


# What numba and symbols would compute otherwise


def sum_of_truths(x):
    return np.sum((x - 1.0) ** 2) + 3.0 * ((x[0] > 0) + (x[1] > 0))


def taylor(x):
    total, factorial, k, term = 1.0, 1, 1, 1.0
    while abs(term) > 1e-12 and k < 60:
        factorial = factorial * k
        term = x[0] ** k / factorial
        total += term
        k += 1
    return total + x[1] ** 2


def fibonacci(x):
    a, b, total = 1, 1, x[1] ** 2
    while x[0] / b > 1e-20:
        a, b = b, a + b
        total += x[0] / b
    return total


def median_of_logarithms(x):
    return 0.0 if x[0] > 1e5 else np.median(np.log(x) ** 2)


def poles(x):
    return 0.0 if x[1] > 1e5 else np.sum(x**2) + 1.0 / (1.0 + x[0] ** -2)


def half_precision(x):
    return np.exp(x[0] > 0) + np.sum(x**2) if x[1] < 1e5 else 0.0


def single_precision(x):
    return np.sum(np.float32(x[0]) * 0.1 + x**2) if x[1] < 1e5 else 0.0


def rounded_into_integers(x):
    whole = np.array([1, 2, 3])
    if x[0] > 0:
        whole[1] = x[0]
    return np.sum((whole - x[1]) ** 2)


def recorded_warnings(x):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        value = np.sum(x**2 - np.log(x))
    return 1e10 if caught else value


def called_errors(x):
    flags = []
    with np.errstate(all="call", call=lambda error, flag: flags.append(error)):
        value = np.sum(x**2 - np.log(x))
    return 1e10 if flags else value


@np.errstate(invalid="raise")
def decorated(x):
    return np.sum(x**2 - np.log(x))


def rounded_types(x):
    scale = 1.0 if np.issubdtype(x.dtype, np.floating) else 2.0
    return scale * np.sum((x - 3.0) ** 2) + np.sqrt(x[0] - 1.0)


@pytest.mark.parametrize("fun", [
    sum_of_truths, taylor, fibonacci, median_of_logarithms, poles, half_precision, single_precision,
    rounded_into_integers, recorded_warnings, called_errors, decorated, rounded_types,
], ids=lambda fun: fun.__name__)
@pytest.mark.filterwarnings("ignore:.*not compiled")
@pytest.mark.filterwarnings("ignore:.*encountered in")
def test_values_far_from_where_it_was_compiled(fun):
    """They are NumPy's, however the function is called: a kernel that computes otherwise passes for it nowhere."""
    compiled = jit(fun)
    first = [-1.0, -2.0] if fun is sum_of_truths else [1.0, 2.0]  # which hide it
    for x in (first, [6.0, 1.0], [-1.0, 2.0], [0.0, 2.0], [0.7, -0.4], [1.0, 1.0], [2.5, 3.5]):
        try:
            expected = minimize(fun, x, maxiter=0).fun
        except FloatingPointError:
            with pytest.raises(FloatingPointError):
                minimize(compiled, x, maxiter=0)
        else:
            np.testing.assert_allclose(minimize(compiled, x, maxiter=0).fun, expected, rtol=1e-12)


@pytest.mark.parametrize("change", [
    lambda k, x: np.insert(k, 1, x[0]), lambda k, x: k.fill(x[0]), lambda k, x: k.put(0, x[0]),
    lambda k, x: np.put(k, 0, x[0]), lambda k, x: np.copyto(k, x[:1], casting="unsafe"),
    lambda k, x: np.pad(k, 1, constant_values=x[0]), lambda k, x: k.flat.__setitem__(0, x[0]),
    lambda k, x: np.array(k).__setitem__(0, x[0]), lambda k, x: np.full(3, k[0]).__setitem__(0, x[0]),
    lambda k, x: np.zeros(4, dtype=k.dtype).__setitem__(0, x[0]),
], ids=range(10))
@pytest.mark.filterwarnings("ignore:.*not compiled")
def test_numbers_that_are_rounded_into_whole_ones(change):
    """Whole numbers to start from hide it, and points beside them show it."""
    def fun(x, k):
        copy = k.copy()
        changed = change(copy, x)
        return np.sum(((copy if changed is None else changed) - x[1]) ** 2)

    data = (np.array([[1, 2, 3]]),)
    compiled = jit(fun)
    for x in ([[1.0, 2.0]], [[1.5, 2.0]], [[2.75, 0.5]]):
        assert minimize(compiled, x, batch_args=data, maxiter=0).fun == minimize(fun, x, batch_args=data, maxiter=0).fun


def test_points_of_the_check_are_inside_the_bounds():
    seen = []

    def fun(x):
        if type(x) is np.ndarray:
            seen.append(x.copy())
        return np.sum(x**2)

    lower, upper = np.array([[-1.0, 0.5], [1.0, -2.0]]), np.array([[-1.0, 0.5], [np.inf, -1.99]])
    minimize(jit(fun), lower, bounds=(lower, upper), maxiter=3)
    assert len(seen) >= 6
    assert all(((lower <= x) & (x <= upper)).all(axis=1).any() for x in seen)
    assert any((x != lower).any(axis=1).all() for x in seen)


def test_few_args_stay_compiled():
    compiled = jit(lambda x, a: (x[0] - a) ** 2)
    for k in [*range(40), 39, 0, 39]:
        assert abs(minimize(compiled, [k + 1.0], (float(k),), learning_rate=0.4).x[0] - k) < 1e-6
    assert len(compiled._specializations) == 32


def test_exact_gradient_of_a_power_of_zero():
    def fun(x, p):
        return np.sum((x[0] * 0.5 + x[1] ** p - 1.0) ** 2)

    data = (np.array([[0.0, 1.0, 2.0]]),)
    exact = minimize(jit(fun), [[0.0, 0.0]], batch_args=data, jac="exact", maxiter=0)
    np.testing.assert_allclose(exact.jac, minimize(fun, [[0.0, 0.0]], batch_args=data, maxiter=0).jac, atol=1e-9)


def grid(x):
    total, n, m = 0.0, 2, 3
    for i in range(n):
        for j in range(m - 1):
            d = x[i * m + j] - x[i * m + j + 1]
            total += d * d if d > 0 else -0.5 * d
    return total


def correlations(x):
    total, n, offset = 0.0, len(x), 0
    for h in range(1, n):
        offset += h
        for i in range(n - h):
            total += x[i + h] * x[i] if x[i] > 0 else x[(i + n // 2) % 6] / (i + h + 1)
    return total + offset


def pairs(x):
    total, count = 0.0, 0
    for i in range(2):
        for j in range(i):
            r = 0.0
            for k in range(3):
                r += (x[3 * i + k] - x[3 * j + k]) ** 2
            count += r > 1.0
            total += r if r > 1.0 else 1.0
    return total + count + i * i


@pytest.mark.parametrize("fun", [grid, correlations, pairs], ids=lambda fun: fun.__name__)
def test_indices_and_counts_are_no_integers_of_any_size(fun):
    compiled = jit(fun)
    x = np.random.default_rng(3).normal(size=(40, 6))
    found = minimize(compiled, x, maxiter=0)
    assert compiled.kind == "compiled"
    np.testing.assert_allclose(found.fun, [fun(row) for row in x], rtol=1e-12)


@pytest.mark.parametrize("step", ["a = a * k", "a = a * 3", "a = a + a", "a, b = b, a + b", "a = b + a\n    b = a + b"])
def test_integers_that_grow_in_a_loop(step):
    names = {}
    exec("def fun(x):\n  a, b, k = 1, 1, 1\n  while k < 90 and x[0] > -1e5:\n    "
         f"{step}\n    k += 1\n  return x[0]**2 / (a + b)", names)
    fun = names["fun"]
    compiled = jit(fun)
    with pytest.warns(RuntimeWarning, match="integers of any size|calculates with integers"):
        found = minimize(compiled, [2.0], maxiter=0)
    assert found.fun == fun(np.array([2.0]))
