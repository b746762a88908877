"""Tracing: the graph of a NumPy function is that function, to rounding, or there is none."""

import contextlib
import copy
import fractions
import functools
import gc
import math
import operator
import pickle
import sys
import time
import warnings

import mpmath
import numpy as np
import pytest
import scipy.linalg
import scipy.spatial
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from scipy.optimize import rosen

pytest.importorskip("llvmlite")

from fastgd import functions
from fastgd._jit import codegen, graph, jitted, machine, reverse, trace

NAN, INF = math.nan, math.inf
SPECIAL = (NAN, INF, -INF, -0.0, 0.0, 1.0, -1.0, 0.5, -0.5, 2.0, -3.0, 0.3, 1.5, -2.5, 1e-300, 1e300, 5e-324, 710.0)
# Coordinates of which each function here gets three: ordinary ones, equal ones, and what floats have besides.
POINTS = [np.array(point) for point in (
    (0.3, 0.7, 1.9), (-1.2, 0.5, 2.0), (2.0, 2.0, 2.0), (-0.0, 0.0, -1.0), (NAN, 1.0, 2.0), (1.0, INF, -INF),
    (-INF, 2.0, NAN), (INF, INF, 1.0), (1.0, -3.5, 0.25))]


def traced(fun, n_dim=3, shapes=()):
    """The graph of fun(x, *data), where data are symbols too."""
    return trace.trace(jitted.Calling(fun, False, False, ()), n_dim, shapes, [float] * len(shapes), [0] * len(shapes))


class Kernel:
    """A graph compiled for values."""

    def __init__(self, made):
        self.library = machine.Library(codegen.value_kernel(made, codegen.WIDTH, False))
        self.address = self.library.address("value")

    def __call__(self, x, data=()):
        return machine.value_at(self.address, x, data)


def number(fun, x, *data):
    with np.errstate(all="ignore"):
        return float(np.asarray(fun(x.copy(), *data)).reshape(()))


def assert_close(found, expected, error=0.0):
    """To rounding: 8 times what one rounding of every operation may come to, since NumPy's functions have up to 4
    units; where that is not known, 8 units of the result."""
    tolerance = 8.0 * (error if 0.0 < error < INF else np.finfo(float).eps * abs(expected))
    assert found == expected or (math.isnan(found) and math.isnan(expected)) or (
        math.isfinite(found) and math.isfinite(expected) and abs(found - expected) <= tolerance), (found, expected)


def check(fun, made, points=POINTS, kernel=True):
    """The graph and the kernel agree with NumPy at all points where the function has a value; at how many."""
    run = Kernel(made) if kernel else None
    compared = 0
    for x in points:
        try:
            expected = number(fun, x)
        except (ValueError, ZeroDivisionError):
            continue
        by_graph, error = evaluated(made, x)
        assert_close(by_graph, expected, error)
        if kernel:
            assert_close(run(x), expected, error)
        compared += 1
    return compared


def evaluated(made, x, data=()):
    """The value of a graph, and about its rounding error."""
    with np.errstate(all="ignore"):
        return reverse.rounding_error(made, x, data)


def is_refused(fun, n_dim=3, shapes=()):
    try:
        traced(fun, n_dim, shapes)
    except Exception:  # whatever NumPy or Python make of symbols
        return True
    return False


def compiled_source(source):
    """A function of x, from statements and an expression, separated by semicolons."""
    *statements, value = source.split("; ")
    names = {"np": np, "math": math, "A": MATRIX, "c": COLUMN, "Fraction": fractions.Fraction, "operator": operator,
             "functools": functools, "copy": copy, "pickle": pickle, "f32": np.float32, "windows": sliding_window_view,
             "rosen": rosen}
    exec("\n    ".join(["def fun(x):", *statements, f"return {value}"]), names)
    return names["fun"]


def listed(sources):
    """Sources that stand in lines, or two spaces apart."""
    return [source for line in sources.strip().splitlines() for source in line.split("  ")]


MATRIX = np.array([[1.0, -2.0, 0.5], [0.25, 3.0, -1.0]])
COLUMN = np.array([0.5, -1.0, 2.0])


# Universal functions

TRUTH_ONLY = (np.bitwise_and, np.bitwise_or, np.invert)
ZERO_OF_EITHER_SIGN = (np.minimum, np.maximum, np.fmin, np.fmax)


def arguments_of(ufunc):
    """Of a ufunc: all combinations of special numbers."""
    grid = np.array(np.meshgrid(*[SPECIAL] * ufunc.nin)).reshape(ufunc.nin, -1).T
    return grid if ufunc.nin == 1 else grid[::3] if ufunc.nin == 2 else grid[::31]


def applied(ufunc, numbers):
    if ufunc is np.power and np.ndim(numbers[0]) == 0:
        return numbers[0] ** numbers[1]  # np.power of two numbers takes the square root if the second is 0.5
    return ufunc(*[value > 0.4 for value in numbers]) if ufunc in TRUTH_ONLY else ufunc(*numbers)


@pytest.mark.parametrize("ufunc", trace.SCALAR, ids=lambda ufunc: ufunc.__name__)
def test_every_ufunc_agrees_at_special_numbers(ufunc):
    """Of symbols, by the graph and by the kernel: also nan, infinities, zeros of both signs, subnormal numbers."""
    made = traced(lambda x: applied(ufunc, x), ufunc.nin)
    run = Kernel(made)
    for x in arguments_of(ufunc):
        expected = number(lambda x: applied(ufunc, x), x)
        for found in (float(made.evaluate(x, ())[made.root]), run(x)):
            assert_close(found, expected)
            if expected == 0.0 and ufunc not in ZERO_OF_EITHER_SIGN:
                assert math.copysign(1.0, found) == math.copysign(1.0, expected), x


@pytest.mark.parametrize("ufunc", trace.SCALAR, ids=lambda ufunc: ufunc.__name__)
def test_every_ufunc_agrees_on_a_column(ufunc):
    """The array (n_dim, 1) that vectorized functions get gives the nodes that single symbols give."""
    def of_column(x):
        pairs = [x, np.roll(x, 1, axis=0)][:ufunc.nin]
        return np.sum(applied(ufunc, pairs), axis=0)

    made = traced(lambda x: of_column(x[:, None]))
    alone = traced(lambda x: np.sum([1.0 * applied(ufunc, [x[i], x[i - 1]][:ufunc.nin]) for i in range(3)]))
    for x in POINTS:
        expected = number(of_column, x[:, None])
        by_graph, error = evaluated(made, x)
        assert_close(by_graph, expected, error)
        assert_close(evaluated(alone, x)[0], expected, error)


# Operators, and functions of NumPy. Lines of source in one variable x, whose value is a number.

OPERATORS = listed("""
x[0] + x[1] * x[2] - x[0] / x[1]  (x + x[0] * x - x / x[1]).sum()  -x[0] + +x[1]  (-x).sum() - (+x)[0]
abs(x[0]) + abs(x).sum()  x[0] ** 2 + x[1] ** 3.0 + x[2] ** -1  x[0] ** 4 + x[1] ** -2 + x[2] ** 0 + x[0] ** 1
x[0] ** 0.5  (x ** 0.5)[1]  np.power(x, 0.5).sum() + np.power(x[0], 0.5)  (x ** 2.5).sum()  (x ** -1.5)[0]
(x ** 7).sum() + (x ** -3)[1]  x[0] ** x[1]  (2.0 ** x).sum() + 2 ** x[0] + (-8) ** x[1]  (x ** [1, 2, 3]).sum()
(c ** x).sum() + (x ** c).sum()  1 + x[0] - (2 - x[1]) * 3 / (1 / x[2])  (1 + x - (2 - x) * 3 / (1 / x)).sum()
np.float64(2.5) * x[0] - np.float64(1.5) / x[1] + (np.float64(3) - x[2]) + (x[0] - np.float64(3))
np.int64(2) * x[0] - np.int32(7) + np.float32(0.1) * x[1] + np.uint8(200) * x[2] + True * x[0]
(c * x[0] + x[1] * c - c / x[2]).sum()  (c + x - (c - x) * (x / c)).sum()
(x * np.array([1, 2, 3]) + x * np.float32([0.1, 0.2, 0.3]) + x * np.array([True, False, True])).sum()
(x * [1, 2, 3] + (1, 2, 3) - x).sum()
(x[0] < x[1]) * 1.0 + (x[0] <= x[1]) * 2.0 + (x[0] > x[1]) * 4.0 + (x[0] >= x[1]) * 8.0
(x[0] == x[1]) * 1.0 + (x[0] != x[1]) * 2.0 + (x[0] == x[0]) * 4.0 + (x[0] != 2) * 8.0
((x < 1) * 1.0 + (1 <= x) * 2.0 + (x > c) * 4.0 + (c >= x) * 8.0 + (x == 2.0) * 16.0 + (0 != x) * 32.0).sum()
((x[0] > 0) & (x[1] > 0)) + 2.0 * ((x[0] > 0) | (x[1] > 0)) + 4.0 * ~(x[0] > 0)
(((x > 0) & (x < 1)) * 1.0 + ((x > 1) | (x < 0)) * 2.0 + (~(x > 0)) * 4.0).sum()
((x > 0) & np.array([True, False, True])).sum() + ((x[0] > 0) & True) + ((x[0] > 0) | False) + (False | (x[1] > 0))
((x[0] > 0) == (x[1] > 0)) + 1.0 * ((x[0] > 0) < (x[1] > 0)) + ((x[0] > 0) != True)  (x[0] > 0) + 1.0  x[0] > 0
(x[0] > 0) * 2 - (x[1] > 0) * 3 + (x[2] > 1) / 2  1.0 / -((x > 5).sum()) + 1.0 / ((x[0] > 5) * -1)
x[0] is None or x[0]  (x[0] == None) + x[1]  abs(-x[0]) + operator.add(x[0], x[1]) + functools.reduce(operator.mul, x)
sum(x) + sum([x[0], x[1]], x[2]) + sum(value for value in x) + math.prod(x)
1.0 / (x[0] + 0.0) + 1.0 / (0.0 + x[1]) + 1.0 / (x[2] - 0.0)  1.0 / (x[0] + -0.0)
1.0 / (x[1] - -0.0) + 1.0 / (x[0] * 1.0)  1.0 / sum(x[:1])  1.0 / np.sum(x[:1])
isinstance(x[0], float) + 2.0 * isinstance(x[0], np.floating) + 4.0 * isinstance(x[0] > 0, np.bool_) + np.isscalar(x[0])
""")

FUNCTIONS = listed("""
np.where(x > 0, x, 2 * x).sum()  np.where(x[0] > 1, 1.0, x[1])  np.where([True, False, True], x, 0)[1]
np.where(x > 0, np.sqrt(x), -x).sum()  np.where(x > 0, 1, -1) @ x  np.where(x > 0, x > 1, x < -1).sum()
np.where(x[0] > 0, x[1] > 0, 0.5)  np.where(x, 1.0, 2.0).sum()  np.sum(np.where(x[:, None] > x, x, 0.0))
np.minimum(x, 1.0).sum()  np.maximum(0.0, x).sum()  np.fmin(x, 1).sum()  np.fmax(x, c).sum()  np.clip(x, 0, 1).sum()
np.clip(x[0], 0.0, x[1])  x.clip(0, 1).sum()  x.clip(min=0.5).sum()  x.clip(max=0.5).sum()  x.clip(None, 1.5)[0]
np.clip(x, a_min=0.5, a_max=1).sum()  np.clip(x, 0.2, None).sum()
np.clip(x, None, c).sum()  np.sign(x).sum()  np.heaviside(x, 0.5).sum()  np.hypot(x, 2).sum()
np.arctan2(x, c).sum()  np.abs(x).sum()  np.square(x).sum()  np.cbrt(x).sum()  np.fabs(x)[0]  np.reciprocal(x).sum()
np.logaddexp(x, 0).sum()  np.logaddexp.reduce(x)  np.sinc(x).sum()  np.round(x).sum()  np.round(x, 2)[0]
x.round(1)[1]  np.trunc(x)[1]  np.sum(x)  x.sum()  np.sum(x, axis=0)  np.sum(x, 0, keepdims=True)
np.sum(x, initial=2.0)  np.sum(x, dtype=float)  np.sum(np.outer(x, x), axis=1) @ x
np.sum(np.outer(x, c), axis=(0, 1))  np.outer(x, c).sum(axis=-1, keepdims=True)[2, 0]  np.sum([x[0], x[1]])
np.sum(x[0])  np.sum(x[:0])  np.prod(x[:0])  np.max(x[0])  np.mean(x[1])  np.prod(x)  x.prod()  np.mean(x)
x.mean(keepdims=True)[0]  np.mean(np.outer(x, c), axis=0)[1]  np.var(x)  np.std(x)  x.var(ddof=1)
np.std(x, axis=0, keepdims=True)[0]  np.var(np.outer(c, x), axis=1)[0]  np.max(x)  x.min()  np.amax(x, axis=0)
np.max(x, initial=1.0)  np.min(x, 0)  np.ptp(x)  np.max(np.outer(x, c), axis=1).sum()  np.fmin.reduce(x)
np.fmax.reduce(np.outer(c, x), axis=0)[0]  np.any(x > 1)  np.all(x > 0)  (x > 1).any()  (x > 0).all(axis=0)
np.any(x[:1]) * 1.0  np.all(x) * 2.0  np.any(np.outer(x, c) > 1, axis=1).sum()  np.sum(x > 1)  (x > 0).mean()
np.cumsum(x > 0)[-1]  np.prod(x > 0)  (x > 0) @ x  (x > 0).astype(float).sum()  ((x > 0).astype(int) * x)[0]
x.astype(float)[1]  x.astype(np.float64, copy=True)[2]  np.cumsum(x)[1]  x.cumsum()[2]  np.cumprod(x).sum()
np.cumsum(np.outer(x, c), axis=1)[0, 2]  np.add.accumulate(x)[1]  np.diff(x).sum()  np.diff(x, 2)[0]
np.diff(x, prepend=0.0)[0]  np.diff(np.outer(x, c), axis=0)[1, 0]  np.ediff1d(x)[0]  np.dot(x, x)  np.dot(x, c)
x.dot(c)  np.dot(A, x).sum()  np.dot(x[0], c)[1]  np.dot(2.0, x)[0]  A.dot(x)[0]  x @ x  c @ x  (A @ x)[0]
(x @ A.T)[1]  (A @ np.outer(x, c))[0, 0]  (x[None, :] @ c)[0]  (A @ x) @ (A @ x)  np.matmul(A, x)[0]  np.inner(x, c)
np.inner(A, x)[1]  np.vdot(x, c)  np.outer(x, c)[0, 1]  np.multiply.outer(x, c)[1, 2]  np.einsum("i,i->", x, c)
np.einsum("i,ij,j", A[:, 0], A, x)  np.einsum("ij,j->i", A, x)[0]  np.einsum("ii", np.outer(x, c))
np.tensordot(x, c, 1)  np.tensordot(A, x, axes=(1, 0))[1]  np.kron(x, c)[4]  np.cross(x, c)[0]  np.linalg.norm(x)
np.linalg.norm(x, 2)  np.linalg.norm(x, 1)  np.linalg.norm(x - c, np.inf)  np.linalg.norm(x, -np.inf)
np.linalg.norm(np.outer(x, c), axis=1)[0]  np.linalg.norm(np.outer(x, c))  np.linalg.norm(np.outer(x, c), "fro")
np.linalg.norm(np.outer(x, c), 1, axis=0, keepdims=True)[0, 1]  np.linalg.norm(x[0])  np.linalg.norm([x[0], x[1]])
np.linalg.multi_dot([x, A.T, A, x])  np.linalg.matrix_power(np.outer(x, c), 2)[0, 1]  np.stack([x, c])[0, 1]
np.concatenate([x, [1.0], c]).sum()  np.vstack([x, c])[0, 1]  np.hstack([c, x])[4]  np.column_stack([x, c])[1, 0]
np.append(x, 1)[0]  np.roll(x, 1)[0]  np.flip(x)[0]  np.r_[x, 1][0]  np.c_[x, x][1, 1]  x.reshape(3, 1)[1, 0]
np.reshape(x, (1, 3)).ravel()[0]  np.outer(x, c).T[0, 1]  np.transpose(np.outer(x, c))[0, 2]  np.squeeze(x[None])[0]
np.expand_dims(x, 1)[2, 0]  np.broadcast_to(x, (2, 3))[1, 2]  np.tile(x, 2)[4]  np.repeat(x, 2)[1]
np.split(x, 3)[1].sum()  np.array_split(x, 2)[0].sum()  np.take(x, [0, 2]).sum()  x.take(1)
np.triu(np.outer(x, c))[0, 1]  np.trace(np.outer(x, c))  np.diag(x)[0, 0]  np.tril(np.outer(x, c))[2].sum()
np.swapaxes(np.outer(x, c), 0, 1)[0, 1]  np.convolve(x, [1.0, 2.0])[1]  np.correlate(x, c)[0]  np.trapezoid(x)
np.gradient(x)[0]  np.pad(x, 1, mode="edge")[0]  np.polyval([1, 2, 3], x).sum()  np.polyval(x, 2.0)
np.poly1d([1.0, 2.0])(x[0])  np.polynomial.Polynomial([1, 2])(x[1])
np.polynomial.polynomial.polyval(x, [1, 2, 3]).sum()  np.vander(x).sum()  np.average(x, weights=[1, 2, 3])
np.select([x > 1, x < 0], [x, 2 * x]).sum()  np.select([x[0] > 1, x[1] > 0], [x[2], 1.0], default=x[0])
np.isnan(x).sum()  np.isfinite(x).sum()  np.isinf(x).any()  np.isclose(x, 2.0).sum()
np.where(np.isnan(x), 0.0, x).sum()  np.where(np.isfinite(x), x, 1.0)[0]  np.zeros_like(x).sum()  np.ones_like(x) @ x
np.full_like(x, 0.5)[0]  np.empty_like(x).size  np.zeros_like(x, shape=(2, 2)).size  np.full(3, x[0]).sum()
np.meshgrid(x, c)[0][1, 2]  np.linspace(0.0, 1.0, 3) @ x  np.arange(3) @ x  len(x) * x.ndim * x.size
x[[0, 2, 2]].sum()  x[np.array([1, 0])][0]  x[np.array([True, False, True])].sum()  x[::2].sum()  x[::-1][0]  x[-2]
x[1:].sum() * x[:-1][0]  x[None, 1:, None][0, 1, 0]  x[...][1]  x.flat[2]
np.take_along_axis(x, np.array([2, 0]), 0)[0]  x.T[0]  x.real[1]  x.conj()[0]  x.tolist()[1]  x.copy()[2]
x.flatten()[0]  (x.imag + x)[1]  np.real(x)[2]
sum(a * b for a, b in zip(x, x[1:]))  sum(i * v for i, v in enumerate(x))  sum(v for _, v in np.ndenumerate(x))
np.array([x[0], x[1]]).sum()  np.asarray(x).sum()  np.array(x)[0]  np.asarray(x).mean()  np.prod(np.asarray(x))
np.exp(np.asarray(x)).sum()  np.sqrt(np.asarray(x) ** 2).sum()  np.var(np.array([x[0], 1.0, x[2]]))
np.abs(np.array(x))[0]  np.linalg.norm(np.asarray(x))  np.asarray(x) @ c  np.asarray(x) @ np.asarray(x)
np.cumsum(np.asarray(x))[1]  (np.array([[x[0], 1.0], [0.0, x[1]]]) @ [x[2], 2.0])[0]  np.array([1, x[1]]).sum()
np.dot([x[0], 1.0], [2.0, x[1]])  windows(x, 2).sum()  np.apply_along_axis(np.sum, 0, np.outer(x, c))[0]
np.insert(x, 1, 5.0)[1]  np.delete(x, 0)[0]  np.logical_and(x > 0, x < 1).sum()  np.logical_or(x, 0).sum()
np.logical_not(x).sum()  np.logical_and.reduce(x) * 1.0  np.logical_or.accumulate(x).sum()  np.copysign(2.0, x).sum()
np.deg2rad(x)[0]  np.degrees(x)[1]  np.nansum(c) * x[0]  np.add(x, 1, dtype=float).sum()
np.not_equal(x, 1, dtype=bool).sum()  np.add(x, x, where=True)[0]  np.multiply(x, c, out=np.empty_like(x)).sum()
np.add.reduce(x, keepdims=True)[0]  np.maximum.accumulate(x)[1]  np.block([x, c])[1]  np.rot90(np.outer(x, c))[0, 0]
np.moveaxis(np.outer(x, c), 0, 1)[0, 1]  np.atleast_2d(x)[0, 1]  (np.concatenate([[0], x, [1]]) ** 2).sum()
np.sign(np.append(x, 2))[3]  (1.0 / -np.where([True, False, False], 0, x))[0]  ((x * [x[0], 3, x[1]])[1]) ** 2
3.5  np.float32(0.1)  True  np.array([[x[0]]])  x[:1]
""")
if np.lib.NumpyVersion(np.__version__) >= "2.1.0":
    FUNCTIONS += ["np.clip(x, min=0.5).sum()", "np.clip(x, max=c).sum()"]


@pytest.mark.parametrize("source", OPERATORS + FUNCTIONS)
def test_functions_agree_with_numpy(source):
    """Graph and kernel have NumPy's value, to rounding, at all points, nan and infinities among them."""
    fun = compiled_source(source)
    assert check(fun, traced(fun)) >= 3


# What cannot be a fixed sequence of operations on doubles.
REFUSED = listed("""
max(x)  min(x[0], x[1])  sorted(x)[0]  round(x[0])  round(x[0], 2)  int(x[0])  float(x[0])  complex(x[0]).real
bool(x[0]) * 1.0  math.exp(x[0])  math.floor(x[0])  math.fsum(x)  math.hypot(x[0], x[1])  np.float64(x[0])
x[0] if x[0] > 0 else x[1]  x[0] and x[1]  not x[0]  1.0 if np.any(x > 0) else 2.0  1.0 if 2.0 in x else 3.0
len(set(x))  {x[0]: 1.0}[x[0]]  float(str(x[0]))  float(f"{x[0]:.3f}")  float("%f" % x[0])  x[x > 0].sum()
x[np.isfinite(x)].sum()  x[np.argsort(x)][0]  x[np.nonzero(x)].sum()  np.argmax(x) * 1.0  np.argmin(x) * 1.0
np.count_nonzero(x) * 1.0  np.sort(x)[0]  np.median(x)  np.percentile(x, 50)  np.unique(x).sum()
np.interp(x, [0, 1], [0, 1]).sum()  np.piecewise(x, [x > 0], [lambda v: v, lambda v: -v]).sum()
np.nan_to_num(x).sum()  np.nan_to_num(np.asarray(x)).sum()  np.nan_to_num(np.array([x[0], x[1]])).sum()  np.nansum(x)
np.nanmax(np.asarray(x))  np.allclose(x, 1.0) * 1.0  np.array_equal(x, x) * 1.0  np.asarray(x, dtype=float).sum()
np.array([x[0], x[1]], float).sum()  np.fromiter(x, float).sum()  x.astype(int).sum()  x.astype(np.float32).sum()
np.sum(x, dtype=np.float32)  np.sum(x, dtype=int)  np.add(x, 1, dtype=np.float32).sum()
np.zeros_like(x, dtype=int).sum() + x[0]  np.full_like(x, 0.5, dtype=int).sum()  np.subtract.reduce(x)
np.divide.reduce(x)  np.power.reduce(x)  np.subtract.accumulate(x)[2]  np.add.reduceat(x, [0, 1]).sum()
np.sum(x, where=x > 0)  np.sum(x, where=[True, False, True])  np.add(x, 1.0, out=np.zeros(3)).sum()
np.linalg.norm(np.outer(x, x), 2)  np.linalg.norm(x, 0)  np.linalg.det(np.outer(x, x))
np.linalg.solve(np.eye(3), x).sum()  x[x > 0] = 0.0; x.sum()  x[0] = "1"; x.sum()  x[0] = 1j; x.sum()
x[0] = None; x.sum()  x[0] = np.array([5.0, 6.0]); x.sum()  y = x > 0; y[0] = x[0]; y.sum() * 1.0
y = x > 0; y[0] = 2; y.sum() * 1.0  y = np.where(x > 0, 1, 2); y[0] = 0.5; y.sum() * 1.0
y = np.zeros_like(x > 0); y[0] = x[0]; y.sum()  y = np.zeros(3); y[0] = x[0]; y.sum()
y = np.zeros(3); y += x; y.sum()  np.add.at(x, 0, 1.0); x.sum()  np.copyto(x, 0.0, where=x > 0); x.sum()
np.putmask(x, x > 0, 0.0); x.sum()  np.fft.fft(x).real.sum()  np.random.default_rng(0).normal(x).sum()
(1j * x[0]).real  (x * np.array([1j, 2, 3])).real.sum()  (x[0] == 2 + 0j) * 1.0  (x[0] == Fraction(2)) * 1.0
(x[0] != "2") * 1.0  (x == "2").sum() * 1.0  x[0] * Fraction(1, 2)  x[0] * np.longdouble(2)
(x * np.array(["a", "b", "c"])).sum()  (x * np.ma.array(c, mask=[True, False, False])).sum()
(x @ np.matrix(np.eye(3))).sum()  x[0] * 10**400  np.exp(x > 0).sum() * 1.0  np.sqrt(x > 0).sum() * 1.0
np.reciprocal(np.where(x > 0, 2, 3)).sum() * 1.0  ((x > 0) + (x > 1)).sum()  (-(x > 0)).sum()  ((x[0] > 0) & 2) * 1.0
np.add(True, x > 0).sum()  (np.where(x > 0, f32(0.1), f32(0.3)) * f32(0.7)).sum() * 1.0
(np.where(x > 0, np.uint8(3), np.uint8(5)) - np.uint8(4)).sum() * 1.0
((x > 0) * np.int8([100, 100, 100]) * 2).sum() * 1.0  (2 ** np.where(x > 0, 1, 2)).sum() * 1.0  "x"  None  x  [x[0]]
x[0] + 0j  float(x.tobytes()[0])  float(x.ctypes.data)  copy.deepcopy(pickle.dumps(x))[0] * 1.0
""")


@pytest.mark.parametrize("source", REFUSED)
def test_what_looks_at_values_or_types_is_refused(source):
    """There is an exception rather than a function that NumPy's is not."""
    assert is_refused(compiled_source(source))


EITHER = listed("""
x[0] % 1.0  (x // 2).sum()  np.fmod(x, 1).sum()  divmod(x[0], 2)[0]  np.remainder(x, 2).sum()
np.logical_xor(x > 0, x > 1).sum() * 1.0  ((x > 0) ^ (x > 1)).sum() * 1.0  np.logaddexp2(x, 1).sum()
np.nextafter(x, 1).sum()  np.signbit(x).sum() * 1.0  np.modf(x)[0].sum()  np.vecdot(x, c)  np.hypot.reduce(x)
np.minimum(x > 0, x > 1).sum() * 1.0  np.maximum(np.asarray(x), 0.0).sum()
np.where(np.asarray(x) > 0, 1.0, 2.0).sum()  np.sign(np.asarray(x)).sum()  np.floor(np.asarray(x)).sum()
np.clip(np.asarray(x), 0, 1).sum()  np.linspace(x[0], x[1], 3)[1]  np.vectorize(lambda v: v * v)(x).sum()
np.linalg.norm(x, 3)  np.angle(x).sum()  np.cov(x) * 1.0  np.unwrap(x).sum()  np.histogram(x, [0, 1, 2])[0][0] * 1.0
np.searchsorted([0.0, 1.0], x).sum() * 1.0  np.digitize(x, [0.0, 1.0]).sum() * 1.0
np.bincount([0, 1, 1], weights=x).sum()  np.choose([0, 1, 0], [x, 2 * x]).sum()  np.ma.array(x).sum()  np.nanmean(x)
np.trim_zeros(x).sum()  np.roots(x).real.sum()  np.zeros(3, dtype=x.dtype).sum() + x[0]  (x > 0).sum() ** 2 * 1.0
(x[0] > 0) + (x[1] > 0)  x[0].clip(0, 1)  x.searchsorted(0.5) * 1.0  np.iscomplexobj(x) + np.isreal(x).sum() + x[0]
np.einsum("i,i,i", x, x, x)  np.asarray_chkfinite(x).sum()  np.emath.sqrt(x).real.sum()  np.lexsort([x])[0] * 1.0
np.i0(x).sum()  np.tri(3) @ x @ c  np.isin(x, [2.0]).sum() * 1.0  np.round(np.asarray(x), 1).sum()
np.cumulative_sum(x).sum()
""")


@pytest.mark.parametrize("source", EITHER)
def test_other_functions_are_right_or_refused(source):
    """Whether they are traced or not is left open; that they agree where they are is not."""
    fun = compiled_source(source)
    assert is_refused(fun) or check(fun, traced(fun), kernel=False)


# Several statements

STATEMENTS = listed("""
x -= 1.0; x[0] *= 2.0; x[1:] += x[:-1]; x[x.size - 1] = 3; y = x[:2]; y /= 4.0; np.multiply(x, 2.0, out=x); x.sum()
scale = np.arange(1, 4); inner = lambda v: sum(scale * v); inner(x) * scale[1] + functools.partial(np.sum, axis=0)(x)
y = np.zeros_like(x); y[0] = x[0] ** 2; y[1:2] = x[2]; y[-1] = True; z = np.empty(3, x.dtype); z[:] = y; -y[2] + z.sum()
x[1] = x[0] > 0; x[1] + x[1] + x @ x  x[0] = 0; 1.0 / -x[0] + x[1]
x[:] = 0, -1, True; np.sqrt(abs(x)).sum() + (-x)[2] + 1.0 / -x[0]  a = np.where(x > 0, 1, 2); a[0] = 5; a @ x
a, b, *rest = x; rest += [a * b]; functools.reduce(lambda total, v: 0.5 * total + v, rest)
total = []; total.extend(i * v for i, v in enumerate(x)); np.sum(total) + total.pop() * total[0]
y = x.copy(); y += 1.0; z = x; z *= 2.0; (y * x).sum()  y = x[1:]; y += x[:-1]; x[2] * x[1]
y = np.array([x[0], 0.0, 1.0]); y[1] += x[1]; y *= 2.0; y @ x  y = np.add(x, 1.0, out=x); y[0] = 7.0; x.sum()
x[[0, 2]] = x[[2, 0]]; x[0] - x[2] / x[1]
y = np.reshape(x, (3, 1)); y += 1.0; z = np.ravel(np.transpose(y)); z *= 2.0; x.sum()
np.fill_diagonal(y := np.outer(x, x), 0.5); y.sum()
with np.errstate(all="ignore"): y = np.sqrt(x).sum(); y if x.ndim == 1 and x.shape == (3,) and len(x) == 3 else 0.0
p = x[0]; for k in range(9): p = 3.5 * p * (x[1 + k % 2] - p); p
""")


@pytest.mark.parametrize("source", STATEMENTS)
def test_statements_agree_with_python(source):
    """Loops, closures, arrays written to: tracing runs the function, and leaves nothing behind."""
    fun = compiled_source(source)
    made = traced(fun)
    assert check(fun, made) >= 3
    assert traced(fun).nodes == made.nodes


def hides_errors(x):
    try:
        return math.log(x[0])
    except Exception:
        return 0.0


def hides_length(x):
    try:
        return sum(np.sin(x[0] + k) for k in range(trace.MOST_NODES))
    except Exception:
        return 0.0


def repairs(x):
    return np.nan_to_num(np.array([x[0], 1.0])).sum()


def relies_on_repairs(x):
    return repairs(x)


@pytest.mark.parametrize("fun", [hides_errors, hides_length, relies_on_repairs])
def test_what_would_hide_from_tracing_is_refused(fun):
    """Exceptions that the function catches; what NumPy leaves undone for arrays of objects."""
    assert is_refused(fun)


def test_a_function_that_remembers_symbols_is_refused():
    """Those of another run are nodes of another graph."""
    seen = []

    def fun(x):
        seen.append(x[0])
        return x[0] * seen[0]

    traced(fun)
    with pytest.raises(graph.TraceError, match="remembers"):
        traced(fun)


@pytest.mark.parametrize(("vectorized", "unpack"), [(False, True), (True, False), (True, True), ("rows", False)])
def test_forms_of_calls_give_the_same_function(vectorized, unpack):
    """Coordinates one by one, columns, rows: the graph is that of a point."""
    def fun(*x):
        x = x if unpack else x[0].T if vectorized == "rows" else x[0]
        return x[0] * np.exp(-x[1]) + np.maximum(x[1], x[2])

    made = trace.trace(jitted.Calling(fun, vectorized, unpack, ()), 3, (), (), ())
    assert made.nodes == traced(lambda x: fun(*x) if unpack else fun(x)).nodes
    assert made.root == len(made.nodes) - 1


# Data, and functions known from elsewhere

def test_data_are_symbols_in_c_order():
    """Numbers, vectors and matrices of a problem follow each other as `flat` lays them out."""
    def fun(x, number, vector, matrix, tensor):
        assert [np.shape(array) for array in (number, vector, matrix, tensor)] == shapes
        return number * (vector @ x) + (matrix @ x)[1] / matrix[0, 2] + tensor[1, 0, 0] * np.sum(tensor[..., 1])

    shapes = [(), (3,), (2, 3), (2, 1, 2)]
    made = traced(fun, 3, shapes)
    run, rng = Kernel(made), np.random.default_rng(3)
    for _ in range(5):
        x, data = rng.normal(size=3), [rng.normal(size=shape) for shape in shapes]
        value, error = evaluated(made, x, jitted.flat(data))
        expected = number(fun, x, *[array[()] for array in data])
        assert_close(value, expected, error)
        assert_close(run(x, jitted.flat(data)), expected, error)
    assert all(node.coordinates == 0 for node in made.nodes if node.operation == graph.DATUM)


def test_data_have_their_dtypes():
    """Whole numbers and truth values are not floats: what is another operation then is refused."""
    for dtype, source, is_right in (
            (bool, "np.sum(np.where(data, x, -1.0)) + data.sum() + (~data) @ x", True), (float, "-data @ x", True),
            (int, "-data @ x + np.sum(data * data) / 4 + np.sum(data == 1) + np.sqrt(data)[2]", True),
            (bool, "np.sum(-data) + x[0]", False), (bool, "np.exp(data) @ x", False), (np.int8, "data @ x", False),
            (int, "np.reciprocal(data) @ x", False), (int, "2 ** data @ x", False), (np.float32, "data @ x", False)):
        fun = eval(f"lambda x, data: {source}", {"np": np})
        calling, data = jitted.Calling(fun, False, False, ()), np.array([1, 0, 1 if dtype is bool else 9], dtype)
        if is_right:
            value, error = evaluated(trace.trace(calling, 3, [(3,)], [data.dtype], [9]), COLUMN, data)
            assert_close(value, number(fun, COLUMN, data), error)
        else:
            with pytest.raises(graph.TraceError):
                trace.trace(calling, 3, [(3,)], [data.dtype], [9])


@pytest.mark.parametrize("n_dim", [2, 3, 20])
def test_scipys_rosen_as_it_stands(n_dim):
    """Its np.asarray does not stop it."""
    assert check(rosen, traced(rosen, n_dim), np.random.default_rng(n_dim).normal(size=(10, n_dim))) == 10


@pytest.mark.parametrize("name", functions.BY_NAME)
@pytest.mark.parametrize("vectorized", [False, True])
def test_test_functions_agree_within_their_bounds(name, vectorized):
    """All of `fastgd.functions`, at up to three numbers of dimensions; of points and of blocks."""
    function = functions.BY_NAME[name]
    for n_dim in function.n_dims[:3]:
        made = trace.trace(jitted.Calling(function, vectorized, False, ()), n_dim, (), (), ())
        points = np.random.default_rng(n_dim).uniform(*function.bounds(n_dim), (10, n_dim))
        assert check(function, made, [*points, *function.minimizers(n_dim)], kernel=not vectorized) > 10


# The graph

@pytest.mark.parametrize("source", listed("""
total = 0.0; for v in x: total += v * v; np.sqrt(total)
np.sqrt(np.sum(x**2))  np.exp(sum(v + 1.0 for v in x))  np.exp(np.max(x + 1.0))  np.exp(np.mean(x))
np.log(x @ x)  np.any(x > 0)  np.linalg.norm(x)  np.sum(np.asarray(x) ** 2) ** 3  np.min(x) * np.max(x)
"""))
def test_long_reductions_are_trees(source):
    """A coordinate enters a few partial results, not one for every other coordinate."""
    made = traced(compiled_source(source), 1000)
    levels = math.ceil(math.log2(1000))
    for i in (0, 1, 499, 998, 999):
        assert sum(made.nodes[number].coordinates >> i & 1 for number in made.needed_by([made.root])) <= 2 * levels + 8


def test_equal_expressions_are_one_node():
    """However they were written, and constants among them are by their bits."""
    made = traced(lambda x: np.sin(x[0] * 2) + np.exp(np.sin(x[0] * 2.0)) + (x * np.float32(2))[0] + np.square(x)[1])
    assert sorted(node.operation for node in made.nodes) == sorted(
        ["coordinate", "number", "multiply", "sin", "exp", "add", "add", "coordinate", "multiply", "add"])
    assert len(made.nodes) == len({(node.operation, node.arguments) for node in made.nodes})
    zeros = traced(lambda x: np.copysign(x[0], 0.0 * x[1]) + np.arctan2(x[0], 0.0) + np.arctan2(x[0], -0.0))
    assert sorted(math.copysign(1.0, node.arguments[0]) for node in zeros.nodes
                  if node.operation == graph.NUMBER and node.arguments[0] == 0.0) == [-1.0, 1.0]


@pytest.mark.parametrize(("source", "expected"), [
    ("x[0] ** 0 * 3 + 4", 7.0), ("np.sqrt(x[0] ** 0 * 2)", math.sqrt(2.0)), ("np.sum(np.ones_like(x))", 3.0),
    ("(x[0] ** 0 > 0.5) & (x[0] ** 0 < 2.0)", 1.0), ("np.where(x[0] ** 0 > 2.0, x[0], 5.0)", 5.0),
    ("1.0 if x[0] ** 0 == 1.0 else x[0]", 1.0), ("np.log(x[0] ** 0 * 0.0)", -INF)])
def test_constants_are_folded(source, expected):
    """What does not depend on the point is a number, also where that is made of symbols."""
    made = traced(compiled_source(source))
    assert made.nodes == [graph.Node(graph.NUMBER, (expected,), 0, False)]


def test_neutral_numbers_leave_no_trace():
    """But 0.0 is not neutral for -0.0, which is left in then."""
    single = traced(lambda x: (x[0] * 1.0 / 1.0 - 0.0 + -0.0) ** 1 * np.float64(1.0))
    assert [node.operation for node in single.nodes] == ["coordinate"]
    assert [node.operation for node in traced(lambda x: sum([x[0] * x[0], 0.0])).nodes] == ["coordinate", "multiply"]
    assert traced(lambda x: 0.0 + x[0]).nodes[-1].operation == "add"


@pytest.mark.parametrize("source", listed("""
total = x[0]; for k in range(10**6): total = np.sin(total + k); total  for _ in range(10**7): y = x[0] * 2.0; y
np.sum(np.broadcast_to(1.0, (10**5, 10**5)) @ np.resize(x, 10**5))  np.sum(np.exp(x[:, None] + np.arange(10_000.0)))
"""))
def test_what_is_too_long_is_refused_soon(source):
    """Before it takes minutes, or memory for all that it would compute."""
    begin = time.perf_counter()
    with pytest.raises(graph.TraceError, match=r"operations|numbers"):
        traced(compiled_source(source))
    assert time.perf_counter() - begin < 10.0


# Functions that do more than calculate


def caught(x):
    try:
        value = math.log(x[0])
    except:  # noqa: E722
        value = -5.0
    return value + x[1]


def expected(x):
    try:
        return 1.0 / x[0] + x[1]
    except ZeroDivisionError:
        return 1e6


def with_raised_errors(x):
    with np.errstate(invalid="raise"):
        return np.log(x[0]) + x[1]


def returns_at_last(x):
    value = x[1]
    try:
        value = np.log(x[0])
    finally:
        value = value + 1.0
    return value


def suppresses(x):
    with contextlib.suppress(ZeroDivisionError):
        return 1.0 / x[0] + x[1]
    return 1e6


class Cleaning:
    """nan_to_num where nobody looks for it."""

    def __call__(self, x):
        return np.sum(CLEAN(np.log(x), nan=7.0))


CLEAN = np.nan_to_num


@pytest.mark.parametrize("fun", [
    caught, expected, with_raised_errors, returns_at_last, suppresses, Cleaning(),
    lambda x, helpers=(expected,): helpers[0](x), functools.partial(lambda scale, x: scale * expected(x), 2.0),
    lambda x: np.nan_to_num(list(x)).sum(), lambda x: scipy.linalg.norm(x) + x[0],
    lambda x: scipy.spatial.distance.euclidean(x, COLUMN)],
    ids=["bare", "specific", "errstate", "finally", "suppress", "object", "default", "partial", "list", "norm", "far"])
def test_what_a_kernel_cannot_stand_for(fun):
    """Handlers of exceptions that arithmetic raises, and functions that see what kind of array they get; under whatever
    name they are called."""
    with pytest.raises(graph.TraceError):
        traced(fun)


def test_with_statements_are_no_handlers():
    """Warnings that are silenced are none in a kernel either."""
    def fun(x):
        with np.errstate(all="ignore"), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.sum(np.sqrt(x)) + sum([v * v for v in x])

    assert check(fun, traced(fun)) == len(POINTS)


def test_tracing_leaves_the_tracer_of_others():
    """A debugger, or what measures coverage, is in its place again; so is the garbage collector."""
    def look(frame, event, argument):
        return None

    before = sys.gettrace()
    sys.settrace(look)
    try:
        traced(lambda x: x[0])
        after = sys.gettrace()
    finally:
        sys.settrace(before)
    assert after is look
    assert gc.isenabled()


def test_products_are_taken_in_order():
    """A part of them may be beyond the range where the whole is not."""
    point = np.array([1e-200, 1e-100, 1e200, 1e200, *[1.0] * 6])

    def loop(x):
        product = 1.0
        for v in x:
            product = product * v
        return product

    for fun in (np.prod, loop, lambda x: np.multiply.reduce(x.reshape(2, 5), axis=(0, 1))):
        assert check(fun, traced(fun, 10), [point, point[::-1], np.sqrt(point)]) == 3


@pytest.mark.parametrize(("source", "size", "is_right"), [
    ("np.sum(data * data) * x[0]", 2**20, True), ("np.sum(data * data) * x[0]", 2**40, False),
    ("data[0] - 2**40 - x[0]", 2**50, True), ("x[0] - (data[0] + 2**53)", 2**8, False),
    ("x[0] * (data[0] == 2**53 + 1)", 2**8, False), ("(x[0] - data[0]) ** 2 + 2**70", 2**53, True)])
def test_whole_numbers_are_exact(source, size, is_right):
    """In int64 they wrap around, and beyond 2^53 floats have gaps: what may come there is refused."""
    calling = jitted.Calling(eval(f"lambda x, data: {source}"), False, False, ())
    if is_right:
        data = np.array([size, -size, 3])
        value, error = evaluated(trace.trace(calling, 3, [(3,)], [np.int64], [size]), COLUMN, data)
        assert_close(value, number(calling.fun, COLUMN, data), error)
    else:
        with pytest.raises(graph.TraceError):
            trace.trace(calling, 3, [(3,)], [np.int64], [size])


@pytest.mark.parametrize("fun", [lambda x: np.sum(x**2), lambda x: x[:1] ** 2, lambda x: 3.0 * x[0, 0],
                                 lambda x: np.sum(x**2, axis=0, keepdims=True)], ids=["sum", "row", "number", "kept"])
def test_values_of_blocks_have_one_axis(fun):
    """What is a number of one column may be anything of several."""
    with pytest.raises(graph.TraceError, match="shape"):
        trace.trace(jitted.Calling(fun, True, False, ()), 3, (), (), ())


# Sums


@pytest.mark.parametrize(("source", "n_terms"), [
    ("rosen(x)", 4), ("3.0 * (np.sin(x[0]) - 2.0 * (x[1] * x[2] - 5.0)) / 4.0 - -x[1] + 7.0", 3),
    ("2.0 * (x[0] + x[1]) + 3.0 * (x[0] - x[1] * x[2])", 3), ("np.sum(np.cumsum(x * x))", 3),
    ("np.exp(x[0]) + x[1] * x[1] - np.exp(x[0])", 1), ("y = x[0]; for _ in range(300): y = y + y; y - x[1]", 2),
    ("1e200 * (1e200 * (x[0] * 1e-300)) + 1e-200 * (1e-200 * (x[1] * 1e300)) + 1e-320 * x[2]", 3),
    ("0.0 * x[0] + x[1] / 2.0 + 2.0 / x[2]", 3), ("np.exp(x[0] + x[1])", 1), ("3.0", 0)])
def test_summands_add_up(source, n_terms):
    """The multiples of the terms sum up to the function but for a constant, and there are no more than it has."""
    made = traced(compiled_source(source))
    terms, _ = made.summands()
    rests, size = [], 0.0
    for x in np.random.default_rng(5).normal(size=(10, 3)):
        values = made.evaluate(x, ())
        parts = [coefficient * float(values[node]) for coefficient, node in terms]
        rests.append(float(values[made.root]) - sum(parts))
        size = max(size, *map(abs, parts), 1e-300) if parts else 1.0
    assert np.ptp(rests) <= 1e-13 * size
    assert len(terms) <= n_terms
    assert all(math.isfinite(coefficient) and coefficient != 0.0 for coefficient, _ in terms)
    assert len({node for _, node in terms}) == len(terms)


@pytest.mark.parametrize(("source", "is_doubtful"), [
    ("rosen(x)", False), ("np.sum(np.log1p(np.exp(x)))", False), ("np.sum(1.0 / (1.0 + x**2 + abs(x)))", False),
    ("np.log(x @ x + 0.5)", False), ("np.sum(np.sqrt(x) / 3.0) + 7.0", False), ("np.sum(x**1.5)", False),
    ("np.sum(np.arctanh(np.exp(x)))", True), ("np.log(x @ x)", True),
    ("np.sum(np.log1p(x))", True), ("np.sum(1.0 / (np.exp(x) - 1.0))", True),
    ("np.sum(1.0 / x**2)", True), ("np.sum(np.abs(x) ** -0.5)", True), ("x[0] ** x[1] + x[2]", True),
    ("np.sum(np.where(x == 0.0, np.nan, x))", True), ("x[0] + np.inf", True), ("np.exp(x[0]) - np.exp(x[0])", True)])
def test_terms_with_poles_are_looked_at(source, is_doubtful):
    """Only those: it takes an evaluation more."""
    assert (traced(compiled_source(source)).doubt() is not None) == is_doubtful


# Expressions that hypothesis makes

COORDINATES = st.sampled_from(["x[0]", "x[1]", "x[2]"])
CONSTANTS = st.sampled_from([-2.5, -1.0, 0.0, 0.1, 0.5, 1.0, 2.0, 3.0, 1e3]).map("np.float64({!r})".format)
LEAVES = COORDINATES | CONSTANTS
# The last ones have no mpmath counterpart, or no derivative. Where a function jumps, or is not defined, it gets a
# coordinate, or what keeps away from there: one rounding could make the difference.
SMOOTH = ("np.exp({})", "np.sin({})", "np.cos({})", "np.tanh({})", "np.arctan({})", "np.arcsinh({})", "np.sinh({})",
          "np.cosh({})", "np.expm1({})", "(-{})", "({} ** 2)", "({} ** 3)", "np.square({})", "np.log(1.5 + {} ** 2)",
          "np.sqrt(0.5 + {} ** 2)", "((0.5 + {} ** 2) ** 2.5)", "((0.5 + {} ** 2) ** -1.5)", "np.log1p({} ** 2)",
          "(1.0 + {} ** 2) ** -2")
ROUGH = ("abs({})", "np.cbrt(1.0 + abs({}))", "np.log10(0.1 + abs({}))", "np.exp2({})", "np.log2(2.0 + abs({}))",
         "np.arcsin(0.9 * np.tanh({}))", "np.linalg.norm(x * {}, axis=0)", "np.sum(x * {}, axis=0)",
         "np.mean(x - {}, axis=0)", "np.prod(x + {}, axis=0)", "np.max(np.sin(x) * {}, axis=0)")
OF_TWO = ("({} + {})", "({} - {})", "({} * {})", "({} / (1.0 + {} ** 2))")
ROUGH_OF_TWO = ("np.minimum({}, {})", "np.maximum({}, {})", "np.fmin({}, {})", "np.clip({}, -1.0, 1.0 + abs({}))",
                "np.hypot({}, {})", "np.logaddexp({}, {})")
OF_LEAVES = ("np.floor({} + {})", "np.sign({} * {})", "np.rint({} - {})", "({} / {})", "np.arctan2({}, {})",
             "({} ** {})", "np.heaviside({}, {})", "np.copysign({}, {})", "(((({}) < 0.3) | (x[0] >= {})) * 1.0)")


def formatted(templates, *parts):
    return st.builds(lambda template, *values: template.format(*values), st.sampled_from(templates), *parts)


def chosen(parts):
    return st.builds("np.where({} {} {}, {}, {})".format, LEAVES, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]),
                     LEAVES, parts, parts)


smooth_expressions = st.recursive(LEAVES, lambda parts: formatted(SMOOTH, parts) | formatted(OF_TWO, parts, parts)
                                  | chosen(parts), max_leaves=8)
expressions = st.recursive(LEAVES | formatted(OF_LEAVES, LEAVES, LEAVES), lambda parts: formatted(SMOOTH + ROUGH, parts)
                           | formatted(OF_TWO + ROUGH_OF_TWO, parts, parts) | chosen(parts), max_leaves=10)
COLUMNS = np.array([[0.3, -1.2, 2.0, 0.0, 1.0, -0.7, 12.5, 0.1], [0.7, 0.5, 2.0, -0.0, -2.0, 3.1, -8.0, 0.2],
                    [1.9, 2.0, -0.5, 1.0, 0.3, 0.3, 0.6, -40.0]])


@settings(max_examples=120)
@given(source=expressions)
@example(source="((0.0 + np.exp(x[0])) - np.where(x[1] == x[0], np.log(x[2]), x[1] ** 0.5))")
def test_expressions_agree_with_numpy(source):
    """The kernel of a point has the values that NumPy has for a block, to rounding, infinities and nan included."""
    fun = compiled_source(source)
    with np.errstate(all="ignore"):
        expected = np.broadcast_to(fun(COLUMNS), COLUMNS.shape[1:]).astype(float)
    made = traced(fun)
    run = Kernel(made)
    for x, value in zip(COLUMNS.T, expected, strict=True):
        by_graph, error = evaluated(made, x)
        if error <= 0.01 * abs(value) or not math.isfinite(value):  # else there is not a digit to agree in
            assert_close(by_graph, value, error)
            assert_close(run(x), value, error)


# Exact gradients


class InMpmath:
    """The functions of NumPy that are differentiated here."""

    def __getattr__(self, name):
        return getattr(mpmath, {"absolute": "fabs", "float64": "mpf"}.get(name, name.replace("arc", "a")))

    arctan2 = staticmethod(lambda a, b: mpmath.atan2(a, b))
    log2 = staticmethod(lambda a: mpmath.log(a, 2))
    exp2 = staticmethod(lambda a: mpmath.mpf(2) ** a)
    logaddexp = staticmethod(lambda a, b: mpmath.log(mpmath.exp(a) + mpmath.exp(b)))
    square = staticmethod(lambda a: a * a)
    minimum, maximum = min, max
    where = staticmethod(lambda condition, a, b: a if condition else b)


def slopes_in_mpmath(source, x):
    fun = eval(f"lambda *x: {source}", {"np": InMpmath()})
    with mpmath.workdps(40):
        return [float(mpmath.diff(fun, tuple(map(mpmath.mpf, x)), tuple(int(i == k) for k in range(len(x)))))
                for i in range(len(x))]


def slopes(fun, x):
    """Each with its rounding error."""
    extended, nodes = reverse.gradient(traced(fun, len(x)))
    assert len(nodes) == len(x)
    found = []
    for node in nodes:
        extended.root = node
        found.append(evaluated(extended, np.array(x)))
    return found


def assert_slopes(fun, x, expected):
    for (value, error), slope in zip(slopes(fun, x), expected, strict=True):
        assert_close(value, slope, max(error, 1e-300))


DERIVATIVES = {
    "add": "x[0] + x[1]", "subtract": "x[0] - x[1]", "multiply": "x[0] * x[1]", "divide": "x[0] / x[1]",
    "power": "abs(x[0]) ** x[1] + x[0] ** 5 + x[0] ** -3 + np.absolute(x[1]) ** 1.5 + 2.5 ** x[0]",
    "minimum": "np.minimum(x[0], x[1] * x[1])", "maximum": "np.maximum(x[0], np.sin(x[1]))",
    "where": "np.where(x[0] < x[1], x[0] * x[1], x[0] - x[1])", "negative": "-x[0]", "absolute": "np.absolute(x[0])",
    "sqrt": "np.sqrt(np.absolute(x[0])) + (x[1] * x[1]) ** 0.5", "cbrt": "np.cbrt(np.absolute(x[0]))",
    "log": "np.log(np.absolute(x[0]))", "log2": "np.log2(np.absolute(x[0]))", "log10": "np.log10(np.absolute(x[0]))",
    "log1p": "np.log1p(np.absolute(x[0]))", "arcsin": "np.arcsin(x[0] / 8)", "arccos": "np.arccos(x[0] / 8)",
    "arctanh": "np.arctanh(x[0] / 8)", "arccosh": "np.arccosh(2 + np.absolute(x[0]))",
    "arctan2": "np.arctan2(x[0], x[1])", "hypot": "np.hypot(x[0], x[1])",
    "logaddexp": "np.logaddexp(x[0], x[1])",
}


@pytest.mark.parametrize("operation", reverse.PARTIAL_DERIVATIVES)
def test_derivative_of_every_operation(operation):
    """Against mpmath, by both arguments, to rounding."""
    source = DERIVATIVES.get(operation, f"np.{operation}(x[0])")
    fun = compiled_source(source)
    assert operation in {node.operation for node in traced(fun, 2).nodes}
    for x in ((0.3, 0.7), (-1.2, 0.5), (2.5, -0.4), (1.9, 7.0), (-0.01, -3.0)):
        assert_slopes(fun, x, slopes_in_mpmath(source, x))


@pytest.mark.parametrize(("source", "x", "expected"), [
    ("np.where(x[0] > 0, np.sqrt(x[0]), -3 * x[0])", (-1.0,), [-3.0]),
    ("np.where(x[0] > 0, np.log(x[0]) * x[0], x[0])", (0.0,), [1.0]),
    ("np.exp(np.where(x[0] > 0, x[0] ** 1.5, 2 * x[0]))", (-1.0,), [2.0 * math.exp(-2.0)]),
    ("np.maximum(1.0, np.sqrt(x[0] * 1.0)) + x[1]", (0.0, 2.0), [0.0, 1.0]),
    ("np.minimum(x[0], 1.0 / x[1]) * 2.0", (3.0, 0.0), [2.0, 0.0]),
    ("np.where(x[0] > 0, x[1], 1.0) * np.where(x[0] > 0, 1.0 / x[0], x[1])", (0.0, 5.0), [0.0, 1.0]),
    ("np.fmax(x[0], x[1]) + np.clip(x[1], 0.0, 1.0)", (2.0, 0.5), [1.0, 1.0]),
    ("x[0] ** x[1]", (0.0, 2.5), [0.0, 0.0]), ("0.0 ** x[0]", (2.0,), [0.0]),
    ("x[0] ** 3 + x[1]", (0.0, 1.0), [0.0, 1.0]), ("x[0] ** 0.5", (4.0,), [0.25]), ("x[0] ** -2", (-2.0,), [0.25]),
    ("abs(x[0])", (0.0,), [0.0]),
    ("np.arctan2(x[0], x[1])", (1e200, 1e200), [5e-201, -5e-201]),
    ("np.arctan2(x[0], x[1])", (3e-200, 4e-200), [1.6e199, -1.2e199]),
    ("np.hypot(x[0], x[1])", (3e200, 4e200), [0.6, 0.8]), ("np.arccosh(x[0])", (1e200,), [1e-200]),
    ("np.arcsinh(x[0])", (-1e200,), [1e-200]),
    ("np.logaddexp(x[0], x[1])", (-800.0, 3.0), [0.0, 1.0]),
    ("np.logaddexp(np.logaddexp(x[0] - np.inf, x[1] - np.inf), x[0] + x[1])", (0.1, 0.2), [1.0, 1.0]),
    ("np.sign(x[0]) + np.floor(x[0]) + np.rint(x[0]) * x[1]", (1.2, 3.0), [0.0, 1.0]),
    ("(x[0] > 0) * x[0] + (x[1] > 0) * 3.0", (2.0, 1.0), [1.0, 0.0]), ("x[0] * x[0]", (3.0, 1.0, 2.0), [6.0, 0.0, 0.0]),
    ("3.0", (1.0, 2.0), [0.0, 0.0]), ("x[1]", (1.0, 2.0, 3.0), [0.0, 1.0, 0.0])])
def test_derivative_at_special_points(source, x, expected):
    """Of the branch that is chosen, where the other one has none; far from 1; by coordinates that do not matter."""
    assert_slopes(compiled_source(source), x, expected)


@pytest.mark.parametrize("size", [0.0, -1e6, 1e17, 1e300])
def test_derivatives_of_logaddexp_add_up_to_1(size):
    """However many digits the value has lost."""
    fun = compiled_source("np.logaddexp(x[0], x[1])")
    assert [value for value, _ in slopes(fun, (size, size))] == [0.5, 0.5]


@settings(max_examples=60)
@given(source=smooth_expressions)
def test_gradients_of_expressions(source):
    """Against mpmath, where nothing is beyond the range."""
    x, fun = (0.3, -1.25, 0.75), compiled_source(source)
    assume(np.isfinite(traced(fun).evaluate(x, ())).all())
    for (value, error), slope in zip(slopes(fun, x), slopes_in_mpmath(source, x), strict=True):
        if error <= 0.01 * max(abs(slope), 1e-10):
            assert_close(value, slope, max(error, 1e-300))


@pytest.mark.parametrize("name", [name for name, function in functions.BY_NAME.items() if function.smooth])
def test_gradients_vanish_at_minimizers(name):
    """Those of `fastgd.functions` that are smooth, to rounding, and they agree with differences elsewhere."""
    function = functions.BY_NAME[name]
    lower, upper = function.bounds()
    for x in function.minimizers():
        if ((lower < x) & (x < upper)).all():
            for value, error in slopes(function, x):
                assert abs(value) <= 64.0 * error + 1e-7
    x = np.random.default_rng(6).uniform(lower, upper)
    for i, (value, _) in enumerate(slopes(function, x)):
        h = 1e-5 * max(1.0, abs(x[i])) * np.eye(len(x))[i]
        difference = (function(x + h) - function(x - h)) / (2.0 * h[i])
        assert abs(value - difference) <= 1e-6 * (1.0 + abs(difference))


# Exact Hessians


def triangle(n_dim):
    """The entries (i, j) of a Hessian in the order of its rows."""
    return [(i, j) for i in range(n_dim) for j in range(i + 1)]


def curvatures_in_mpmath(source, x):
    fun = eval(f"lambda *x: {source}", {"np": InMpmath()})
    with mpmath.workdps(60):
        return [float(mpmath.diff(fun, tuple(map(mpmath.mpf, x)), tuple((k == i) + (k == j) for k in range(len(x)))))
                for i, j in triangle(len(x))]


def curvatures(fun, x):
    """The entries of the Hessian, each with its rounding error."""
    extended, nodes = reverse.hessian(traced(fun, len(x)))
    assert len(nodes) == len(x) * (len(x) + 1) // 2
    found = []
    for node in nodes:
        extended.root = node
        found.append(evaluated(extended, np.array(x)))
    return found


def assert_curvatures(fun, x, expected, least=1e-300):
    for (value, error), curvature in zip(curvatures(fun, x), expected, strict=True):
        assert_close(value, curvature, max(error, least))


@pytest.mark.parametrize("form", ["{}", "x[1] * ({0}) * ({0})", "np.exp(np.where(x[1] < 0.6, ({}) / 16, x[0]))"])
@pytest.mark.parametrize("operation", reverse.PARTIAL_DERIVATIVES)
def test_second_derivative_of_every_operation(operation, form):
    """Against mpmath, by both arguments; alone, inside of others, and in a branch."""
    source = form.format(DERIVATIVES.get(operation, f"np.{operation}(x[0])"))
    fun = compiled_source(source)
    for x in ((0.3, 0.7), (-1.2, 0.5), (2.5, -0.4), (1.9, 7.0), (-0.01, -3.0)):
        assert_curvatures(fun, x, curvatures_in_mpmath(source, x), least=1e-30)  # that 60 digits leave of a zero


@pytest.mark.parametrize(("source", "x", "expected"), [
    ("np.where(x[0] > 0, np.sqrt(x[0]), -3 * x[0] ** 2)", (-1.0,), [-6.0]),
    ("np.where(x[0] > -5, (2 * x[0] - 4) ** 2, 0.0)", (2.0,), [8.0]),
    ("np.where(x[0] > -5, np.sin(x[0]) ** 3 + np.sin(x[0]) ** 2, 0.0)", (0.0,), [2.0]),
    ("np.maximum((x[0] - x[1]) ** 2, -1.0)", (1.5, 1.5), [2.0, -2.0, 2.0]),
    ("x[1] * np.sqrt(np.maximum(x[0], 0.0))", (-1.0, 2.0), [0.0, 0.0, 0.0]),
    ("np.where(x[0] > 0, x[0] * np.log(x[0]), x[0] ** 2 * x[1])", (0.0, 3.0), [6.0, 0.0, 0.0]),
    ("np.minimum(x[0] ** 2, 1.0 / x[1]) * 2.0", (3.0, 0.0), [4.0, 0.0, 0.0]),
    ("np.sum(np.abs(x) * x)", (2.0, -3.0), [2.0, 0.0, -2.0]),
    ("np.sign(x[0]) * x[0] ** 2 + np.floor(x[0]) * x[1] ** 2 + np.rint(x[0])", (-1.2, 3.0), [-2.0, 0.0, -4.0]),
    ("(x[0] > 0) * x[0] ** 2 + (x[1] > 0) * 3.0", (2.0, 1.0), [2.0, 0.0, 0.0]),
    ("abs(x[0])", (0.0,), [0.0]), ("np.abs(x[0]) ** 3 / 6", (0.0,), [0.0]),
    ("np.logaddexp(x[0], x[1])", (2.0, 2.0), [0.25, -0.25, 0.25]),
    ("np.logaddexp(0.0, x[0])", (0.0,), [0.25]), ("np.logaddexp(0.0, x[0])", (800.0,), [0.0]),
    ("np.logaddexp(x[0], x[1])", (-3000.0, 3.0), [0.0, 0.0, 0.0]),
    ("np.logaddexp(np.logaddexp(x[0] - np.inf, x[1] - np.inf), x[0] * x[1])", (0.5, 2.0), [0.0, 1.0, 0.0]),
    ("x[0] ** x[1]", (0.0, 2.5), [0.0, 0.0, 0.0]),
    ("x[0] ** x[1]", (4.0, 0.0), [0.0, 0.25, math.log(4.0) ** 2]),
    ("x[0] ** 3 + x[1]", (0.0, 1.0), [0.0, 0.0, 0.0]), ("x[0] ** 0.5", (4.0,), [-1.0 / 32.0]),
    ("x[0] ** 2.5", (0.0,), [0.0]), ("x[0] ** -2", (-2.0,), [0.375]),
    ("np.hypot(x[0], x[1])", (3e200, 4e200), [1.28e-201, -0.96e-201, 0.72e-201]),
    ("np.log(x[0])", (-1.0,), [NAN]), ("x[0] * x[0]", (3.0, 1.0, 2.0), [2.0, 0.0, 0.0, 0.0, 0.0, 0.0]),
    ("3.0", (1.0, 2.0), [0.0, 0.0, 0.0]), ("x[1]", (1.0, 2.0), [0.0, 0.0, 0.0]),
    ("x[0] * x[2]", (1.0, 2.0, 3.0), [0.0, 0.0, 0.0, 1.0, 0.0, 0.0])])
def test_second_derivative_at_special_points(source, x, expected):
    """Of the branch that is chosen, also where its slope is 0 or the other branch has none; far from 1; 0 by
    coordinates that do not matter."""
    assert_curvatures(compiled_source(source), x, expected)


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0, 3.0])
def test_second_derivative_of_a_power_of_zero(power):
    """Where the exponent is data, so that the formula holds for any."""
    extended, (node,) = reverse.hessian(traced(lambda x, p: x[0] ** p, 1, [()]))
    assert extended.evaluate((0.0,), (power,))[node] == (2.0 if power == 2.0 else 0.0)


@settings(max_examples=60)
@given(source=smooth_expressions)
@example(source="np.where(x[0] < 1.0, (x[0] * x[1] + 0.375) ** 2, np.exp(x[2]))")
def test_hessians_of_expressions(source):
    """Against mpmath, where nothing is beyond the range."""
    x, fun = (0.3, -1.25, 0.75), compiled_source(source)
    assume(np.isfinite(traced(fun).evaluate(x, ())).all())
    expected = curvatures_in_mpmath(source, x)
    for (value, error), curvature in zip(curvatures(fun, x), expected, strict=True):
        if error <= 0.01 * max(abs(curvature), 1e-10):
            assert_close(value, curvature, max(error, 1e-30))


def test_hessians_of_few_coordinates_per_term_are_short():
    """Entries that are 0 take no nodes, and what is shared is there once: the graph grows as the number of terms."""
    sizes = []
    for n_dim in (10, 20, 40):
        extended, nodes = reverse.hessian(traced(rosen, n_dim))
        zeros = {nodes[i * (i + 1) // 2 + j] for i, j in triangle(n_dim) if i - j > 1}
        assert len(zeros) == 1
        assert len(set(nodes)) <= 2 * n_dim
        sizes.append(len(extended.needed_by(nodes)))
    assert sizes[2] - sizes[1] == 2 * (sizes[1] - sizes[0])


def test_hessians_that_are_too_long_are_refused():
    with pytest.raises(graph.Refusal, match="more than 3000 operations"):
        reverse.hessian(traced(lambda x: np.prod(np.sin(x)), 50), 3000)
    with pytest.raises(graph.Refusal, match="20100 entries"):
        reverse.hessian(traced(lambda x: np.sum(x * x), 200), 20_000)
