"""Hessians, Jacobians, the check of a gradient, and covariances: how exact, at which points, and what they refuse."""

import copy
import ctypes
import math
import pickle
import shutil
import subprocess
from contextlib import nullcontext, suppress

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import curve_fit, rosen_hess
from scipy.optimize._numdiff import approx_derivative

import fastgd
from fastgd import check_gradient, functions, gradient, hessian, jacobian, maximize, minimize

from . import reference
from .problems import rosenbrock, slopes_of_rosenbrock, valley, wavy
from .test_difference import boxes, check_inside, spied

EPS = 2.0**-52
POINTS = np.random.default_rng(3).uniform(-1.5, 1.5, (4, 5, 2))
HESSIANS = np.array([[rosen_hess(x) for x in row] for row in POINTS])

SOURCE = """
#include <stdint.h>
#define PARAMETERS intptr_t n_dim, intptr_t n_params, intptr_t n_points, intptr_t stride, const double *x, \
    const double *params

double point(int n, double *x) { return x[0] * x[0] * x[1] + x[1] * x[1]; }

int block(PARAMETERS, double *f, void *data)
{
    for (intptr_t j = 0; j < n_points; j++)
        f[j] = (n_params ? params[j] : 1.0) * (x[j] * x[j] * x[stride + j] + x[stride + j] * x[stride + j]);
    return 0;
}

int slopes(PARAMETERS, double *g, void *data)
{
    for (intptr_t j = 0; j < n_points; j++) {
        double factor = n_params ? params[j] : 1.0;
        g[j] = factor * 2.0 * x[j] * x[stride + j];
        g[stride + j] = factor * (x[j] * x[j] + 2.0 * x[stride + j]);
    }
    return 0;
}

int pair(PARAMETERS, double *f, double *g, void *data)
{
    block(n_dim, n_params, n_points, stride, x, params, f, data);
    return slopes(n_dim, n_params, n_points, stride, x, params, g, data);
}
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory):
    """x0^2 x1 + x1^2 in C."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    folder = tmp_path_factory.mktemp("derivatives")
    (folder / "functions.c").write_text(SOURCE)
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", str(folder / "functions.c"), "-o",
                    str(folder / "functions.so")], check=True)
    loaded = ctypes.CDLL(str(folder / "functions.so"))
    double = ctypes.POINTER(ctypes.c_double)
    loaded.point.restype, loaded.point.argtypes = ctypes.c_double, [ctypes.c_int, double]
    for name, n_arrays in (("block", 3), ("slopes", 3), ("pair", 4)):
        function = getattr(loaded, name)
        function.restype = ctypes.c_int
        function.argtypes = [ctypes.c_ssize_t] * 4 + [double] * n_arrays + [ctypes.c_void_p]
    return loaded


def in_c(x):
    """What the C functions compute."""
    return x[0] * x[0] * x[1] + x[1] * x[1]


def hessian_in_c(x):
    zero = np.zeros(x.shape[:-1])
    return np.moveaxis(np.array([[2.0 * x[..., 1], 2.0 * x[..., 0]], [2.0 * x[..., 0], 2.0 + zero]]), (0, 1), (-2, -1))


# Ways to have the Hessian of Rosenbrock's function, and about how exact it is.
KINDS = {
    "values": (rosenbrock, {}, 1e-4),
    "vectorized": (rosenbrock, {"vectorized": True}, 1e-4),
    "rows": (lambda X: rosenbrock(X.T), {"vectorized": "rows"}, 1e-4),
    "unpacked": (lambda a, b: rosenbrock((a, b)), {"unpack": True}, 1e-4),
    "unpacked blocks": (lambda a, b: rosenbrock((a, b)), {"unpack": True, "vectorized": True}, 1e-4),
    "gradients": (rosenbrock, {"jac": slopes_of_rosenbrock}, 1e-4),
    "blocks of gradients": (rosenbrock, {"jac": slopes_of_rosenbrock, "vectorized": True}, 1e-4),
    "pairs": (lambda x: (rosenbrock(x), slopes_of_rosenbrock(x)), {"jac": True}, 1e-4),
    "args": (lambda x, a, b: a * rosenbrock(x) - b, {"args": (1.0, 2.0)}, 1e-4),
    "C": (functions.rosenbrock.compiled, {}, 1e-4),
}


@pytest.mark.parametrize("kind", KINDS)
def test_hessians_of_rosenbrock(kind):
    """SciPy has the closed form. The answers are symmetric, and those of a batch have the bits of single ones."""
    fun, options, tolerance = KINDS[kind]
    found = hessian(fun, POINTS, **options)
    np.testing.assert_allclose(found, HESSIANS, rtol=0, atol=tolerance)
    assert np.array_equal(found, found.swapaxes(-1, -2))
    for index in np.ndindex(4, 5):
        assert np.array_equal(hessian(fun, POINTS[index], **options), found[index])


@pytest.mark.parametrize("jac", [None, "exact"])
def test_hessians_of_a_traced_function_are_exact(jac):
    pytest.importorskip("numba")
    found = hessian(fastgd.jit(functions.rosenbrock.formula), POINTS, jac=jac)
    np.testing.assert_allclose(found, HESSIANS, rtol=1e-14, atol=1e-12)


def test_hessians_of_a_function_compiled_as_written():
    """Of these there is nothing exact."""
    pytest.importorskip("numba")

    @fastgd.jit
    def kinked(x):
        return x[0] * x[0] if x[0] > 0.0 else 3.0 * x[0] * x[0] + x[0] * x[1]

    np.testing.assert_allclose(hessian(kinked, [[1.0, 2.0], [-1.0, 2.0]]), [[[2, 0], [0, 0]], [[6, 1], [1, 0]]],
                               atol=1e-6)


def test_hessians_of_c_functions(library):
    expected = hessian_in_c(POINTS)
    np.testing.assert_allclose(hessian(library.point, POINTS), expected, atol=1e-6)
    np.testing.assert_allclose(hessian(library.block, POINTS), expected, atol=1e-6)
    np.testing.assert_allclose(hessian(library.block, POINTS, jac=library.slopes), expected, atol=1e-6)
    np.testing.assert_allclose(hessian(library.pair, POINTS, jac=True), expected, atol=1e-6)
    factors = np.random.default_rng(5).normal(size=(4, 5))
    for jac in (None, library.slopes):
        found = hessian(library.block, POINTS, jac=jac, batch_args=(factors,))
        np.testing.assert_allclose(found, factors[..., None, None] * expected, atol=1e-6)


@pytest.mark.parametrize("with_gradient", [False, True])
def test_hessians_in_several_variables(with_gradient):
    """Against mpmath. The errors are those of the formulas: of order h, from gradients, or h^2, and of rounding."""
    def exact(x, y, z):
        return x * mpmath.exp(y) + mpmath.sin(x * z) / y

    def fun(x):
        return x[0] * math.exp(x[1]) + math.sin(x[0] * x[2]) / x[1]

    def slopes(x):
        a, b = math.exp(x[1]), x[0] * x[2]
        return [a + x[2] * math.cos(b) / x[1], x[0] * a - math.sin(b) / x[1]**2, x[0] * math.cos(b) / x[1]]

    for point in np.random.default_rng(4).uniform(0.5, 2.0, (10, 3)):
        found = hessian(fun, point, jac=slopes if with_gradient else None)
        for i in range(3):
            for j in range(3):
                order = np.eye(3, dtype=int)[i] + np.eye(3, dtype=int)[j]
                assert found[i, j] == pytest.approx(float(mpmath.diff(exact, point.tolist(), tuple(map(int, order)))),
                                                    abs=4e-6)


@pytest.mark.parametrize("n_dim", [1, 2, 3, 8])
def test_what_a_hessian_costs(n_dim):
    """n (n + 1) + 1 values, or n + 1 gradients; no more."""
    x = np.linspace(1.0, 2.0, n_dim)
    fun, points = spied(valley)
    hessian(fun, x)
    assert len(points) == n_dim * (n_dim + 1) + 1 <= 2 * n_dim**2 + 1
    jac, points = spied(lambda x: 2.0 * x)
    hessian(lambda x: np.dot(x, x), x, jac=jac)
    assert len(points) == n_dim + 1
    pair, points = spied(lambda x: (np.dot(x, x), 2.0 * x))
    hessian(pair, x, jac=True)
    assert len(points) == n_dim + 1


@given(box=boxes(), vectorized=st.booleans(), with_gradient=st.booleans())
def test_hessian_never_looks_outside(box, vectorized, with_gradient):
    lower, upper, x = box
    fun, points = spied(lambda x: x[0] * x[1] - 3 * x[2])
    jac, others = spied(lambda x: np.array([x[1], x[0], 0.0 * x[2] - 3]))
    too_tight = (lower < upper) & (upper - lower < 16 * EPS * abs(x))
    with suppress(ValueError) if too_tight.any() else nullcontext():
        found = hessian(fun, x, jac=jac if with_gradient else None, bounds=(lower, upper), vectorized=vectorized)
        assert (found[lower == upper] == 0).all()
        assert np.array_equal(found, found.T)
    check_inside(others if with_gradient else points, lower, upper)


@pytest.mark.parametrize("options", [{}, {"jac": slopes_of_rosenbrock}, {"vectorized": True}], ids=str)
@pytest.mark.parametrize("corner", [(-1.0, 0.5), (-1.0, 2.0), (0.5, 0.5), (0.5, 2.0)])
def test_hessians_in_corners(options, corner):
    """At bounds the formulas are one-sided: exact for quadratic functions, otherwise of order h."""
    bounds = ([-1.0, 0.5], [0.5, 2.0])
    found = hessian(rosenbrock, corner, bounds=bounds, **options)
    h = 2.0**-26 if "jac" in options else 2.0**-12
    np.testing.assert_allclose(found, rosen_hess(np.array(corner)), atol=2400 * h)
    found = hessian(lambda x: 3 * x[0] * x[0] + x[0] * x[1] - x[1] * x[1], corner, bounds=bounds)
    np.testing.assert_allclose(found, [[6.0, 1.0], [1.0, -2.0]], atol=1e-6)


def test_bounds_without_room_for_a_hessian():
    bounds = ([[0.0, 0.0], [0.0, 1.0]], [[2.0, 2.0], [2.0, np.nextafter(1.0, 2.0)]])
    with pytest.raises(ValueError, match=r"the bounds are too close: .* of point 1, "):
        hessian(valley, [[1.0, 1.0], [1.0, 1.0]], bounds=bounds)


@pytest.mark.parametrize("function", [hessian, jacobian])
def test_scalar_point(function):
    """For a number the function gets a float; there is one second derivative, and a derivative of each value."""
    def fun(x):
        assert type(x) is float
        return math.exp(x) if function is hessian else (math.exp(x), x * x)

    found = function(fun, 1)
    if function is hessian:
        assert type(found) is float
        assert found == pytest.approx(math.e, rel=1e-6)
    else:
        np.testing.assert_allclose(found, [math.e, 2.0], rtol=1e-9)


@pytest.mark.parametrize("vectorized", [False, True])
def test_points_that_are_not_finite(vectorized):
    """Their rows are nan, and nothing is asked there; a single one is an error."""
    x = np.array([[1.0, 2.0], [np.nan, 0.0], [3.0, np.inf], [0.5, 0.5]])
    fun, points = spied(in_c)
    found = hessian(fun, x, vectorized=vectorized)
    assert np.isnan(found[1:3]).all()
    assert np.array_equal(found[[0, 3]], hessian(fun, x[[0, 3]], vectorized=vectorized))
    slopes = jacobian(lambda x: np.array([fun(x), fun(x)]), x, vectorized=vectorized)
    assert np.isnan(slopes[1:3]).all()
    np.testing.assert_allclose(slopes[0], [[4.0, 5.0], [4.0, 5.0]])
    assert np.isfinite(points).all()
    assert jacobian(lambda x: x, x[1:3]).shape == (2, 0, 2)
    for function in (hessian, jacobian):
        with pytest.raises(ValueError, match=r"x must be finite, got x\[0\] = nan"):
            function(fun, x[1])
    with pytest.raises(ValueError, match=r"x must be finite, got x\[0\] = nan"):
        check_gradient(fun, slopes_of_rosenbrock, x)


def test_empty_batches():
    assert hessian(valley, np.empty((0, 3))).shape == (0, 3, 3)
    assert jacobian(lambda x: x, np.empty((0, 3))).shape == (0, 0, 3)
    with pytest.raises(ValueError, match=r"x has no points .*\(0, 3\)"):
        check_gradient(valley, lambda x: x, np.empty((0, 3)))


def test_exceptions_name_the_problem():
    def fun(x):
        if x[0] > 2.0:
            raise LookupError("planned")
        return x

    for function, asked in ((hessian, lambda x: fun(x)[0]), (jacobian, fun)):
        with pytest.raises(LookupError, match="planned") as caught:
            function(asked, [[[0.0], [1.0]], [[3.0], [1.0]]])
        assert caught.value.__notes__ == ["fastgd: raised for problem (1, 0)"]


# Three values, in + - * alone: the same bits for points and blocks.
def curve(x):
    return np.array([rosenbrock(x), x[0] * x[1], x[1] * x[1] * x[1]])


def slopes_of_curve(x):
    x = np.moveaxis(x, -1, 0)
    rows = [slopes_of_rosenbrock(x), np.array([x[1], x[0]]), np.array([0.0 * x[0], 3.0 * x[1] * x[1]])]
    return np.moveaxis(np.array(rows), (0, 1), (-2, -1))


@pytest.mark.parametrize("step", [None, 1e-4])
@pytest.mark.parametrize("bounds", [None, (POINTS, np.inf)])
@pytest.mark.parametrize("options", [{}, {"vectorized": True}, {"vectorized": "rows"}, {"unpack": True},
                                     {"unpack": True, "vectorized": True}], ids=str)
def test_jacobian(options, bounds, step):
    """Each row has the bits of the gradient of that value. Those of a batch are those of its points."""
    fun = {"rows": lambda X: curve(X.T).T}.get(options.get("vectorized"), curve)
    if "unpack" in options:
        fun = lambda a, b: curve((a, b))  # noqa: E731
    found = jacobian(fun, POINTS, bounds=bounds, step=step, **options)
    np.testing.assert_allclose(found, slopes_of_curve(POINTS), atol=1e-4 if step else 1e-6)
    for value in range(3):
        assert np.array_equal(found[..., value, :], gradient(lambda x, k=value: curve(x)[k], POINTS, bounds=bounds,
                                                             step=step))
    for index in np.ndindex(4, 5):
        single = jacobian(fun, POINTS[index], bounds=bounds and (POINTS[index], np.inf), step=step, **options)
        assert np.array_equal(single, found[index])


def test_jacobian_equals_scipy_with_the_same_steps():
    for x in POINTS.reshape(-1, 2):
        expected = approx_derivative(curve, x, method="3-point", abs_step=reference.rounded_step(x))
        assert np.array_equal(jacobian(curve, x), expected)


def test_jacobian_of_wavy_functions_does_not_depend_on_the_batch():
    """Not even where NumPy has other instructions for full vector registers."""
    points = np.random.default_rng(8).uniform(-1.0, 1.0, (300, 3))
    fun = lambda X: np.array([wavy(X), np.sin(X[0])])  # noqa: E731
    whole = jacobian(fun, points, vectorized=True)
    for size in (1, 2, 7, 31, 100):
        assert np.array_equal(jacobian(fun, points[:size], vectorized=True), whole[:size])


def test_jacobian_in_many_calls(monkeypatch):
    """Points that do not fit into one call go into several."""
    whole = jacobian(curve, POINTS, vectorized=True, bounds=(POINTS, np.inf))
    calls = []
    monkeypatch.setattr("fastgd._derivatives.MOST_NUMBERS", 14)

    def counting(X):
        calls.append(X.shape)
        return curve(X)

    assert np.array_equal(jacobian(counting, POINTS, vectorized=True, bounds=(POINTS, np.inf)), whole)
    assert len(calls) == 6
    assert all(width % 8 == 0 and width != n_dim for n_dim, width in calls)


@given(box=boxes(), step=st.sampled_from([None, 1e-5, 0.3, 100.0]), vectorized=st.booleans())
def test_jacobian_never_looks_outside(box, step, vectorized):
    lower, upper, x = box
    fun, points = spied(lambda x: np.array([x[0] + 2 * x[1], -3 * x[2]]))
    too_tight = (lower < upper) & (upper - lower < 16 * EPS * abs(x))
    with suppress(ValueError) if too_tight.any() else nullcontext():
        found = jacobian(fun, x, bounds=(lower, upper), step=step, vectorized=vectorized)
        assert (found[:, lower == upper] == 0).all()
        check_inside(points, lower, upper)


@pytest.mark.parametrize("vectorized", [False, True, "rows"])
def test_batch_args_of_a_jacobian(vectorized):
    """Each problem's own data come behind its point; what the function does with its arguments is of no matter."""
    matrices = np.random.default_rng(6).normal(size=(4, 5, 3, 2))

    def pointwise(x, shift, A):
        found = A @ x + shift
        x[:] = np.nan
        return found

    def blocks(X, shift, A):
        if vectorized == "rows":
            return np.einsum("jki,ji->jk", A, X) + shift
        return np.einsum("kij,ij->kj", A, X) + shift

    found = jacobian(blocks if vectorized else pointwise, POINTS, (2.0,), vectorized=vectorized, batch_args=(matrices,))
    np.testing.assert_allclose(found, matrices, atol=1e-9)


def test_memory_that_a_function_uses_again():
    memory = np.empty(2)

    def fun(x):
        memory[:] = x[0] * x[0], x[0]
        return memory

    np.testing.assert_allclose(jacobian(fun, [3.0]), [[6.0], [1.0]], atol=1e-9)


@pytest.mark.parametrize(("fun", "options", "error", "message"), [
    (lambda x: x[0], {}, ValueError, r"expected shape \(m,\), got \(\), whose .* fastgd.gradient"),
    (lambda x: [x], {}, ValueError, r"expected shape \(m,\), got \(1, 2\)"),
    (lambda x: x[:1 + (x[0] > 1.0)], {}, ValueError, r"expected shape \(2,\), got \(1,\)"),
    (lambda x: None, {}, TypeError, "what fun returns must be real numbers, got None"),
    (lambda x: x + 1j, {}, TypeError, "must be real numbers, got dtype complex128"),
    (lambda x: x[0], {"vectorized": True}, ValueError, r"expected shape \(m, 8\), got \(8,\)"),
    (lambda x: x.T, {"vectorized": True}, ValueError, r"expected shape \(m, 8\), got \(8, 2\)"),
    (lambda x: x.T, {"vectorized": "rows"}, ValueError, r"expected shape \(8, m\), got \(2, 8\)"),
    (3.0, {}, TypeError, "fun must be callable, got float"),
    (functions.rosenbrock.compiled, {}, TypeError, "fun is a compiled function, which has one value"),
    (lambda x: x, {"method": "2-point"}, ValueError, "method must be one of '3-point'"),
    (lambda x: x, {"stepp": 1}, TypeError, "did you mean 'step'"),
    (lambda x: x, {"step": 1e-30}, ValueError, "the step is too small, got step = 1e-30"),
    (lambda x: x, {"bounds": (2.0, 3.0)}, ValueError, "x must be inside the bounds"),
    (lambda x: x, {"vectorized": "columns"}, ValueError, "vectorized must be one of"),
])
def test_bad_input_of_a_jacobian(fun, options, error, message):
    with pytest.raises(error, match=message):
        jacobian(fun, [1.0, 4.0], **options)


@pytest.mark.parametrize(("options", "error", "message"), [
    ({"fun": 3.0}, TypeError, "fun must be callable, got float"),
    ({"jac": 3.0}, TypeError, "jac must be None"),
    ({"jac": "exact"}, ValueError, "takes a function made by fastgd.jit"),
    ({"jac": lambda x: x[:1]}, ValueError, r"jac must return the shape of its argument: expected \(2,\), got \(1,\)"),
    ({"method": "3-point"}, TypeError, r"hessian\(\) got an unexpected keyword argument 'method'"),
    ({"x": None}, TypeError, "x must be real numbers, got None"),
    ({"bounds": (2.0, 3.0)}, ValueError, "x must be inside the bounds"),
])
def test_bad_input_of_a_hessian(options, error, message):
    with pytest.raises(error, match=message):
        hessian(**{"fun": valley, "x": [1.0, 4.0], **options})


def spoiled(x):
    """The gradient of Rosenbrock's function with a wrong sign in its second component, where x0 > 0."""
    return slopes_of_rosenbrock(x) * np.array([1.0 + 0.0 * x[0], np.where(x[0] > 0.0, -1.0, 1.0)])


@pytest.mark.parametrize("options", [{}, {"vectorized": True}], ids=str)
def test_check_of_a_gradient(options):
    """What is right is found right, what is wrong is found where it is; singles as in the batch."""
    right = check_gradient(rosenbrock, slopes_of_rosenbrock, POINTS, **options)
    assert right.ok.shape == (4, 5)
    assert right.ok.all()
    assert (abs(right.jac - right.difference) <= right.error + 1e-12).all()
    wrong = check_gradient(rosenbrock, spoiled, POINTS, **options)
    assert np.array_equal(wrong.ok, POINTS[..., 0] <= 0.0)
    assert wrong.worst[2] == 1
    assert POINTS[wrong.worst[:2]][0] > 0.0
    assert repr(wrong) == wrong.message == wrong["message"]
    n_wrong = np.count_nonzero(~wrong.ok)
    assert wrong.message.startswith(f"The gradient is wrong at {n_wrong} of 20 points: jac[")
    assert "can be trusted" in wrong.message
    assert f"{wrong.jac[wrong.worst]:.9g}" in wrong.message
    assert f"{wrong.difference[wrong.worst]:.9g}" in wrong.message
    for index in np.ndindex(4, 5):
        single = check_gradient(rosenbrock, spoiled, POINTS[index], **options)
        assert single.ok is bool(wrong.ok[index])
        assert np.array_equal(single.difference, wrong.difference[index])
        assert np.array_equal(single.error, wrong.error[index])
        assert single.ok or single.worst == 1


def test_check_of_every_kind_of_gradient(library):
    for fun, jac in ((library.block, library.slopes), (library.pair, True),
                     (lambda x: (in_c(x), np.array([2 * x[0] * x[1], x[0] * x[0] + 2 * x[1]])), True)):
        check = check_gradient(fun, jac, POINTS)
        assert check.ok.all()
        np.testing.assert_allclose(check.difference, check.jac, atol=1e-8)
    factors = np.arange(20.0).reshape(4, 5)
    assert check_gradient(library.block, library.slopes, POINTS, batch_args=(factors,)).ok.all()
    assert check_gradient(lambda a, b: a * b, lambda a, b: (b, a), [2.0, 3.0], unpack=True).ok
    assert check_gradient(lambda X, c: c * X[:, 0], lambda X, c: c[:, None] + 0.0 * X, [[2.0], [3.0]],
                          vectorized="rows", batch_args=([4.0, 5.0],)).ok.tolist() == [True, True]
    assert not check_gradient(lambda X, c: c * X[:, 0], lambda X, c: c[:, None] + 0.0 * X, [[2.0, 1.0]],
                              vectorized="rows", batch_args=([4.0],)).ok
    check = check_gradient(lambda x: x**3, lambda x: 3.0 * x**2, 2.0)
    assert check.ok is True
    assert (type(check.jac), type(check.difference), type(check.error), check.worst) == (float, float, float, ())


def test_check_of_exact_gradients():
    pytest.importorskip("numba")
    assert check_gradient(fastgd.jit(functions.rosenbrock.formula), "exact", POINTS).ok.all()


# Of one variable: a function, and its derivative.
SLOPES = {
    "exp": (math.exp, math.exp),
    "sin": (math.sin, math.cos),
    "tan": (math.tan, lambda u: 1.0 + math.tan(u) ** 2),
    "log": (math.log, lambda u: 1.0 / u),
    "gamma": (math.gamma, lambda u: float(mpmath.gamma(u) * mpmath.digamma(u))),
    "steep": (lambda u: math.exp(30.0 * u), lambda u: 30.0 * math.exp(30.0 * u)),
    "high": (lambda u: 1e8 + u * u, lambda u: 2.0 * u),
    "cancelling": (lambda u: (1e6 * u - 1e6) ** 2, lambda u: 2e6 * (1e6 * u - 1e6)),
    "small": (lambda u: 1e-200 * math.exp(u), lambda u: 1e-200 * math.exp(u)),
    "large": (lambda u: 1e200 * math.exp(u), lambda u: 1e200 * math.exp(u)),
}


@pytest.mark.parametrize("scale", [1.0, 2.0**20])
@pytest.mark.parametrize("name", SLOPES)
def test_check_knows_how_exact_differences_are(name, scale):
    """What is right is found right whatever is added to f and whatever its units are; a tenth is never overlooked."""
    fun, slope = SLOPES[name]
    for u in np.random.default_rng(1).uniform(0.3, 1.2, 50):
        check = check_gradient(lambda x: fun(x / scale), lambda x: slope(x / scale) / scale, u * scale)
        assert check.ok
        assert not check_gradient(lambda x: fun(x / scale), lambda x: 1.1 * slope(x / scale) / scale, u * scale).ok


def test_check_where_differences_cannot_be_trusted():
    """Values in float32 hide the slope; the message says so."""
    check = check_gradient(lambda x: float(np.float32(x[0] * x[0])), lambda x: 2.0 * x, [1.1])
    assert check.ok
    assert "cannot be trusted" in check.message
    check = check_gradient(lambda x: math.nan, lambda x: 2.0 * x, [1.1])
    assert not check.ok
    assert "cannot be trusted" in check.message
    assert not check_gradient(lambda x: x @ x, lambda x: math.nan * x, [1.1]).ok


@given(box=boxes(), vectorized=st.booleans())
def test_check_never_looks_outside(box, vectorized):
    """Between equal bounds nothing is compared."""
    lower, upper, x = box
    fun, points = spied(lambda x: x[0] + 2 * x[1] - 3 * x[2])
    jac = lambda x: np.array([1.0 + 0 * x[0], 2.0 + 0 * x[1], -3.0 + 0 * x[2]])  # noqa: E731
    check = check_gradient(fun, jac, x, bounds=(lower, upper), vectorized=vectorized)
    check_inside(points, lower, upper)
    assert check.ok
    assert np.isinf(check.error[lower == upper]).all()


@pytest.mark.parametrize(("options", "error", "message"), [
    ({"jac": None}, TypeError, r"jac must be a gradient to check: .* got None"),
    ({"jac": "3-point"}, TypeError, r"jac must be a gradient to check: .* got '3-point'"),
    ({"jac": fastgd.Difference()}, TypeError, "jac must be a gradient to check"),
    ({"jac": 3.0}, TypeError, "jac must be None"),
    ({"jac": "exact"}, ValueError, "takes a function made by fastgd.jit"),
    ({"jac": lambda x: x[:1]}, ValueError, r"expected \(2,\), got \(1,\)"),
    ({"fun": None}, TypeError, "fun must be callable, got NoneType"),
    ({"step": 1.0}, TypeError, r"check_gradient\(\) got an unexpected keyword argument 'step'"),
])
def test_bad_input_of_a_check(options, error, message):
    with pytest.raises(error, match=message):
        check_gradient(**{"fun": valley, "jac": lambda x: x, "x": [1.0, 4.0], **options})


def polynomial(x, a, b, c):
    return a + b * x + c * x * x


SAMPLES = np.linspace(-1.0, 2.0, 40)
DATA = polynomial(SAMPLES, 1.0, -2.0, 0.5) + np.random.default_rng(2).normal(scale=0.1, size=(6, 40))


def squares(p, y):
    """The sum of squares of the residuals, for a point or a block."""
    return sum((polynomial(t, *p) - y[k]) ** 2 for k, t in enumerate(SAMPLES.tolist()))


@pytest.mark.parametrize("options", [{}, {"vectorized": True}, {"method": "newton", "vectorized": True}], ids=str)
def test_covariance_is_that_of_curve_fit(options):
    """With scale=2 fun / (n - n_dim) for errors of unknown size; for each problem of a batch and for parts of it."""
    result = minimize(squares, np.zeros((2, 3, 3)), batch_args=(DATA.reshape(2, 3, 40),), **options)
    assert result.success.all()
    found = result.covariance(2.0 * result.fun / (40 - 3))
    assert found.shape == (2, 3, 3, 3)
    for index in np.ndindex(2, 3):
        expected = curve_fit(polynomial, SAMPLES, DATA.reshape(2, 3, 40)[index])[1]
        np.testing.assert_allclose(found[index], expected, rtol=1e-5, atol=1e-5 * expected.max())
        one = result[index]
        assert np.array_equal(one.covariance(2.0 * one.fun / (40 - 3)), found[index])
    assert np.array_equal(result[1].covariance(), result.covariance()[1])
    assert np.array_equal(result[1][::-1][0].covariance(), result.covariance()[1, 2])
    assert np.array_equal(result[:, [2, 0]].covariance(3.0), result.covariance(3.0)[:, [2, 0]])
    assert np.array_equal(result[result.fun < 0.0].covariance(), np.empty((0, 3, 3)))
    assert np.array_equal(result.best.covariance(), result[np.unravel_index(result.fun.argmin(), (2, 3))].covariance())


def test_covariance_of_known_errors():
    """f = chi^2 / 2: the scale is 1. A nonlinear model with an exact Hessian."""
    pytest.importorskip("numba")
    t, sigma = np.linspace(0.0, 3.0, 30), 0.01
    y = 2.0 * np.exp(-1.5 * t) + np.random.default_rng(7).normal(scale=sigma, size=30)

    def half_chi_square(p):
        return 0.5 * np.sum(((p[0] * np.exp(-p[1] * t) - y) / sigma) ** 2)

    result = minimize(fastgd.jit(half_chi_square), [1.0, 1.0])
    a, k = result.x
    e, r = np.exp(-k * t), a * np.exp(-k * t) - y
    mixed = np.sum(-a * t * e * e - r * t * e)
    H = np.array([[np.sum(e * e), mixed], [mixed, np.sum(a * a * t * t * e * e + r * a * t * t * e)]]) / sigma**2
    np.testing.assert_allclose(result.covariance(), np.linalg.inv(H), rtol=1e-10)
    expected = curve_fit(lambda t, a, k: a * np.exp(-k * t), t, y, [1.0, 1.0], np.full(30, sigma), True)[1]
    np.testing.assert_allclose(result.covariance(), expected, rtol=0.02)


H = np.array([[4.0, 1.0, 0.5], [1.0, 3.0, -1.0], [0.5, -1.0, 2.0]])


def bowl(x, H=H):
    return 0.5 * sum(H[i, j] * x[i] * x[j] for i in range(len(x)) for j in range(len(x)))


@pytest.mark.parametrize("jac", [None, lambda x: H @ x], ids=["values", "gradients"])
def test_covariance_of_a_maximum(jac):
    """That of f = log L is the inverse of the Hessian of -f."""
    result = maximize(lambda x: 5.0 - bowl(x), np.ones(3), jac=jac and (lambda x: -H @ x))
    np.testing.assert_allclose(result.covariance(), np.linalg.inv(H), atol=1e-6)
    result = minimize(bowl, np.ones((2, 3)), jac=jac)
    np.testing.assert_allclose(result.covariance(scale=[1.0, 2.0]),
                               np.array([np.linalg.inv(H), 2.0 * np.linalg.inv(H)]), atol=1e-6)


def test_coordinates_at_bounds_are_left_out():
    """The others have the covariance for that value of them; in each problem other ones may be at a bound."""
    lower = np.array([[-9.0, 0.5, -9.0], [-9.0, -9.0, -9.0], [0.5, 0.5, 0.5], [0.0, -9.0, -9.0]])
    upper = np.array([[9.0, 9.0, 9.0], [9.0, 9.0, 9.0], [9.0, 9.0, 9.0], [0.0, 9.0, 9.0]])
    fun, points = spied(lambda x: bowl(x))
    result = minimize(fun, np.clip(np.ones((4, 3)), lower, upper), bounds=(lower, upper))
    free = [[0, 2], [0, 1, 2], [], [1, 2]]
    points.clear()
    found = result.covariance()
    for problem in range(4):
        expected = np.full((3, 3), np.nan)
        rows = np.ix_(free[problem], free[problem])
        expected[rows] = np.linalg.inv(H[rows])
        np.testing.assert_allclose(found[problem], expected, atol=1e-6)
        assert np.array_equal(result[problem].covariance(), found[problem], equal_nan=True)
    check_inside(points, lower.min(axis=0), upper.max(axis=0))


@pytest.mark.parametrize(("fun", "options"), [
    (lambda x: (x[0] + x[1]) * (x[0] + x[1]), {}),
    (lambda x: (1e-4 * x[0] + 1e3 * x[1] - 3.0) ** 2, {}),
    (lambda x: 1e6 + (x[0] + x[1]) * (x[0] + x[1]), {}),
    (lambda x: x[0] * x[0], {}),
    (lambda x: x[0] * x[0] - x[1] * x[1], {"maxiter": 0}),
    (lambda x: math.nan, {}),
    (lambda x: (x[0] + x[1]) * (x[0] + x[1]), {"jac": lambda x: np.full(2, 2.0 * (x[0] + x[1]))}),
], ids=["valley", "valley in other units", "high valley", "flat", "saddle", "nan", "with gradients"])
def test_parameters_that_are_not_determined(fun, options):
    """Their variances are infinite, and nothing is said of anything else; other problems do not feel it."""
    expected = [[np.inf, np.nan], [np.nan, np.inf]]
    assert np.array_equal(minimize(fun, [1.0, 0.5], **options).covariance(), expected, equal_nan=True)
    if "jac" not in options:
        both = minimize(lambda x, good: x[0] * x[0] + 2 * x[1] * x[1] if good else fun(x), [[1.0, 0.5], [1.0, 0.5]],
                        batch_args=([False, True],), **options).covariance()
        assert np.array_equal(both[0], expected, equal_nan=True)
        np.testing.assert_allclose(both[1], [[0.5, 0.0], [0.0, 0.25]], atol=1e-7)


@pytest.mark.parametrize("units", [1e-12, 1e8])
def test_units_do_not_decide_what_is_determined(units):
    """Of one parameter in other units only its own rows change."""
    pytest.importorskip("numba")
    scales = np.array([1.0, units, 1.0])
    result = minimize(fastgd.jit(lambda x: bowl(x / scales)), 0.1 * scales, maxiter=0)
    np.testing.assert_allclose(result.covariance() / np.outer(scales, scales), np.linalg.inv(H), rtol=1e-10)


def test_covariance_of_a_scalar():
    found = minimize(lambda x: 4.0 * (x - 1.0) * (x - 1.0), 0.0).covariance(2.0)
    assert type(found) is float
    assert found == pytest.approx(0.25, rel=1e-6)


def test_covariance_with_errors_recorded():
    def fun(x):
        if x[0] < -5.0:
            raise ArithmeticError("planned")
        return x[0] * x[0]

    result = minimize(fun, [[1.0], [-7.0], [np.nan]], on_error="record")
    np.testing.assert_allclose(result.covariance().ravel(), [0.5, np.inf, np.inf], rtol=1e-6)


def test_covariance_of_c_functions(library):
    for options in ({}, {"jac": library.slopes}):
        result = minimize(library.block, [[0.1, 0.5], [0.0, 0.2]], maxiter=0, batch_args=([2.0, 3.0],), **options)
        expected = [np.linalg.inv(c * hessian_in_c(x)) for c, x in zip((2.0, 3.0), result.x, strict=True)]
        np.testing.assert_allclose(result.covariance(), expected, atol=1e-6)
        np.testing.assert_allclose(result[1].covariance(), expected[1], atol=1e-6)


def test_covariance_calls_the_function_only_when_it_is_asked_for():
    fun, points = spied(valley)
    result = minimize(fun, [1.0, 2.0])
    assert len(points) == result.nfev
    result.covariance()
    # the steps are looked at as those of gradients are, then come f and the Hessian
    assert len(points) == result.nfev + (4 + 1 + 4) + (1 + 6)


@pytest.mark.parametrize("duplicate", [lambda x: pickle.loads(pickle.dumps(x)), copy.copy, copy.deepcopy],
                         ids=["pickle", "copy", "deepcopy"])
def test_a_duplicate_does_not_know_its_function(duplicate):
    """Nor would a function that cannot be pickled hinder one."""
    result = minimize(lambda x: valley(x), [[1.0, 2.0], [0.5, 0.5]])
    for twin in (duplicate(result), duplicate(result)[0]):
        with pytest.raises(ValueError, match="does not know its function"):
            twin.covariance()
    assert result.covariance().shape == (2, 2, 2)


@pytest.mark.parametrize(("scale", "error", "message"), [
    ("1", TypeError, "scale must be real numbers"), (None, TypeError, "scale must be real numbers, got None"),
    ([1.0, 2.0, 3.0], ValueError, r"expected \(2,\), got \(3,\)"),
])
def test_bad_scale(scale, error, message):
    with pytest.raises(error, match=message):
        minimize(valley, [[1.0, 2.0], [0.5, 0.5]]).covariance(scale)
