"""Compiled test functions beside the NumPy functions of the same name, on blocks of random and of extreme points."""

import ctypes

import numpy as np
import pytest

from fastgd import functions

COMPILED = {name: function for name, function in functions.BY_NAME.items() if hasattr(function, "compiled")}
SIGNATURE = ("int (intptr_t n_dim, intptr_t n_params, intptr_t n_points, intptr_t stride, const double *x, "
             "const double *params, double *f, void *user_data)")
POISON = 1e300
EXTREME = [0.0, -0.0, 5e-324, -1e-310, 1e-160, 1.0, -1.0, 4.0, 1e60, -1e154, 1e200, np.inf, -np.inf, np.nan]


def evaluated(name, x, n_points, n_params=0):
    """What the kernel returns, and an array of one value per column of x, into which it writes those of the first."""
    api = ctypes.pythonapi
    api.PyCapsule_GetPointer.restype = ctypes.c_void_p
    api.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
    address = api.PyCapsule_GetPointer(COMPILED[name].compiled, SIGNATURE.encode())
    kernel = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_ssize_t] * 4, *[ctypes.c_void_p] * 4)(address)
    n_dim, stride = x.shape
    f = np.full(stride, POISON)
    status = kernel(n_dim, n_params, n_points, stride, x.ctypes.data, None, f.ctypes.data, None)
    return status, f


def blocks(name, widths, n_dims=range(1, 21)):
    """Random blocks (n_dim, stride) inside the bounds, with some columns more than the width, which are poisoned."""
    rng = np.random.default_rng(12)
    function = COMPILED[name]
    for n_dim in n_dims:
        if n_dim in function.n_dims:
            lower, upper = (side[:, None] for side in function.bounds(n_dim))
            for width in widths:
                x = rng.uniform(lower, upper, (n_dim, width + rng.integers(1, 12)))
                x[:, width:] = POISON
                yield x, width


@pytest.mark.parametrize("name", COMPILED)
def test_values_have_the_bits_of_the_numpy_function(name):
    """At columns that fill vector registers and at those that do not; nothing else is written."""
    for x, width in blocks(name, [8, 9, 16, 31, 64, 100, 128, 199, 200]):
        before = x.copy()
        status, f = evaluated(name, x, width)
        assert status == 0
        assert f[:width].tobytes() == COMPILED[name](x[:, :width].copy()).tobytes()
        assert np.all(f[width:] == POISON)
        assert x.tobytes() == before.tobytes()


@pytest.mark.parametrize("name", COMPILED)
def test_values_do_not_depend_on_the_columns_beside(name):
    for x, width in blocks(name, [40], n_dims=(1, 2, 3, 12)):
        _, f = evaluated(name, x, width)
        for column in (0, 1, 5, 38, 39):
            _, alone = evaluated(name, x[:, column:].copy(), 1)
            assert alone[0].tobytes() == f[column].tobytes()
        _, backwards = evaluated(name, x[:, width - 1::-1].copy(), width)
        assert backwards.tobytes() == f[width - 1::-1].tobytes()


@pytest.mark.parametrize("name", COMPILED)
def test_extreme_points(name):
    """Zeros of both signs, tiny numbers, overflow, infinities and nans."""
    rng = np.random.default_rng(13)
    for n_dim in (1, 2, 3, 9):
        if n_dim in COMPILED[name].n_dims:
            x = rng.choice(EXTREME, (n_dim, 200))
            x[:, : len(EXTREME)] = EXTREME
            with np.errstate(all="ignore"):
                expected = COMPILED[name](x)
            status, f = evaluated(name, x, 200)
            assert status == 0
            np.testing.assert_array_equal(f, expected)
            numbers = ~np.isnan(f)
            np.testing.assert_array_equal(np.signbit(f[numbers]), np.signbit(expected[numbers]))
            assert 0 < np.isfinite(f).sum() < 200


@pytest.mark.parametrize("name", COMPILED)
def test_minimum_is_where_it_is_said_to_be(name):
    function = COMPILED[name]
    for n_dim in (2, 5):
        if n_dim in function.n_dims:
            x = function.minimizers(n_dim).T.copy()
            _, f = evaluated(name, x, x.shape[1])
            np.testing.assert_allclose(f, function.minimum(n_dim), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", COMPILED)
def test_no_points_are_no_fault(name):
    status, f = evaluated(name, np.ones((2, 8)), 0)
    assert status == 0
    assert np.all(f == POISON)


@pytest.mark.parametrize("name", COMPILED)
def test_other_dimensions_and_parameters_are_refused(name):
    """Those that the NumPy function refuses; it takes no arguments beside x either."""
    for n_dim in range(1, 5):
        status, f = evaluated(name, np.ones((n_dim, 8)), 8)
        assert (status == 0) == (n_dim in COMPILED[name].n_dims)
        assert np.all(f == POISON) == (status != 0)
    status, f = evaluated(name, np.ones((2, 8)), 8, n_params=1)
    assert status != 0
    assert np.all(f == POISON)


def test_the_name_of_a_capsule_is_its_signature():
    get_name = ctypes.pythonapi.PyCapsule_GetName
    get_name.restype, get_name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    assert set(COMPILED) >= {"sphere", "rosenbrock", "himmelblau", "styblinski_tang"}
    for function in COMPILED.values():
        assert get_name(function.compiled).decode() == SIGNATURE
        assert function.compiled is function.compiled


def test_a_function_without_a_compiled_form_says_so():
    assert not hasattr(functions.ackley, "compiled")
    with pytest.raises(AttributeError, match="ackley has no compiled form; those that have one are sphere, "):
        functions.ackley.compiled  # noqa: B018
