"""Functions that are written out for tuples: they are the function of arrays, or there is none."""

import functools
import math

import numpy as np
import pytest

from fastgd import jit, minimize

pytest.importorskip("numba")
from fastgd._jit import as_written, unrolled

CENTER, SCALE = 0.25, 3.0


def neighbours(x):
    total = 0.0
    for i in range(len(x) - 1):
        r = SCALE * (x[i + 1] - x[i] * x[i])
        total += r * r if abs(r) < 1.0 else 2.0 * abs(r) - 1.0
    return total + x[-1] * i


def iterated(x, scale=2.0, shift: float = 1.0) -> float:
    """With defaults and annotations."""
    total = 0.0
    for v in x:
        if v > 0.0:
            total += (v - shift) ** 2
        else:
            total += math.exp(v) * scale
    return total + v


def nested(x):
    total = 1.0
    for i in range(1, len(x)):
        for j in range(i):
            if x[i] > x[j]:
                total += x[i] * x[j] / (i + j)
    for k in range(len(x) - 1, -1, -2):
        total -= k * x[k]
    for _ in range(5, 5):
        total = math.nan
    return total


def unpacked(x):
    first, _ = 1.0, 2.0
    a, b, c, d = x
    return max(a, b) * first + (c if c > d else -d)


def with_loops(x):
    """Loops that are not over coordinates stay as they are."""
    total = x[0]
    while abs(total) > 0.5:
        total *= 0.5
    for k in range(1000):
        if k > total * 10.0:
            break
        total += x[1] * 1e-3
    return total + sum([x[2] * factor for factor in (1.0, 2.0)])


def closure(center):
    def shifted(x, scale=2.0):
        total = 0.0
        for i in range(len(x)):
            total += abs(x[i] - center) * scale
        return total

    return shifted


POINTS = [*np.random.default_rng(0).normal(size=(20, 4)), np.array([0.0, -0.0, 1.0, 1.0])]


@pytest.mark.parametrize("fun", [neighbours, iterated, nested, unpacked, closure(CENTER), with_loops],
                         ids=lambda fun: fun.__name__)
def test_they_are_the_same(fun):
    """In Python with tuples, and as kernels."""
    written_out = unrolled.of_tuples(fun, 4)
    compiled = jit(fun)
    found = minimize(compiled, POINTS, maxiter=0, method="adam")
    assert compiled.kind in ("compiled", "traced")
    for x, value in zip(POINTS, found.fun, strict=True):
        assert written_out(tuple(x.tolist())) == pytest.approx(fun(x), rel=1e-14)
        assert value == pytest.approx(fun(x), rel=1e-12)


def test_it_comes_first(monkeypatch):
    """The kernel is that of the tuple."""
    forms = []
    kernel = as_written.kernel
    monkeypatch.setattr(as_written, "kernel", lambda calling, form, *rest: forms.append(form) or kernel(
        calling, form, *rest))
    minimize(jit(neighbours), POINTS, maxiter=0, method="adam")
    minimize(jit(lambda x: x[0] if x[0] > 0.0 else x[1]), POINTS, maxiter=0, method="adam")
    assert forms == ["an unrolled tuple", "an unrolled tuple", "an array"]


def doubled(x):
    return sum(2 * x)


def sliced(x):
    return x[0] if x[1] > 0.0 else sum(x[1:])


def passed_on(x):
    return math.fsum(x)


def changed(x):
    x[0] = 1.0
    return x[0]


def renamed(x):
    x = x + x
    return x[0]


def by_unknown_index(x):
    k = 0
    while x[k] > 0.0:
        k += 1
    return x[k]


def left_early(x):
    for i in range(len(x)):
        if x[i] > 0.0:
            break
    return x[i]


def with_another_target(x):
    total = 0.0
    for i in range(len(x)):
        i = 0
        total += x[i]
    return total


def defining(x):
    def inner(y):
        return y * x[0]

    return inner(x[1])


def other_length(x, len=max):
    return len(x)


@functools.wraps(neighbours)
def wrapped(x):
    return neighbours(x) + 1.0


@pytest.mark.parametrize("fun", [
    doubled, sliced, passed_on, changed, renamed, by_unknown_index, left_early, with_another_target, defining,
    other_length, wrapped, functools.partial(neighbours), eval("lambda x: x[0]"), max], ids=str)
def test_what_may_be_another_function_of_tuples(fun):
    """Or is one whose source does not tell."""
    with pytest.raises((unrolled.UnclearError, OSError, TypeError)):
        unrolled.of_tuples(fun, 4)


def test_the_source_must_be_that_of_the_function(monkeypatch):
    """A file may have changed since it was read."""
    source = "def neighbours(x):\n    return x[0] + {}\n"
    names = {}
    exec(source.format("1.0"), names)
    for constant, is_right in (("1.0", True), ("1", False), ("2.0", False)):
        monkeypatch.setattr(unrolled.inspect, "getsource", lambda code, constant=constant: source.format(constant))
        if is_right:
            assert unrolled.of_tuples(names["neighbours"], 2)((1.0, 2.0)) == 2.0
        else:
            with pytest.raises(unrolled.UnclearError, match="another function"):
                unrolled.of_tuples(names["neighbours"], 2)
