"""Compiled functions that are Python behind a pointer, and raise what C cannot pass on."""

import ctypes
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from scipy import LowLevelCallable

from fastgd import compiled, gradient, minimize

C_POINT = (ctypes.c_double, [ctypes.c_int, ctypes.POINTER(ctypes.c_double)])
C_BLOCK = (ctypes.c_int, [ctypes.c_ssize_t] * 4 + [ctypes.POINTER(ctypes.c_double)] * 3 + [ctypes.c_void_p])
STARTS = np.random.default_rng(17).normal(size=(70, 3))


def valley(x):
    return sum((c - 1.5) * (c - 1.5) for c in x)


def assert_same(result, expected):
    for field in ("x", "fun", "jac", "nit", "status"):
        np.testing.assert_array_equal(result[field], expected[field], err_msg=field)


def as_callback(function, declaration=C_POINT):
    return ctypes.CFUNCTYPE(declaration[0], *declaration[1])(function)


def raising_in_ctypes(error):
    def fail(n, x):
        raise error

    return as_callback(fail)


def raising_block_in_ctypes(error):
    def fail(*arguments):
        raise error

    return as_callback(fail, C_BLOCK)


def raising_in_scipy(error):
    return LowLevelCallable(raising_in_ctypes(error))


def raising_behind_a_void_pointer(error):
    return compiled(ctypes.cast(raising_in_ctypes(error), ctypes.c_void_p), "double (int, double *)")


def raising_in_cffi(error):
    ffi = pytest.importorskip("cffi").FFI()

    def fail(n, x):
        raise error

    return ffi.callback("double(int, double *)", fail)


RAISING = [raising_in_ctypes, raising_block_in_ctypes, raising_in_scipy, raising_behind_a_void_pointer, raising_in_cffi]


@pytest.fixture
def unraisable(monkeypatch):
    """What reaches the hook that was there before the run."""
    seen = []
    monkeypatch.setattr(sys, "unraisablehook", lambda unraisable: seen.append(unraisable.exc_value))
    return seen


@pytest.mark.parametrize("make", RAISING)
@pytest.mark.parametrize("on_error", ["raise", "record"])
def test_callback_that_raises_is_an_error(make, on_error, unraisable):
    error = LookupError("no such point")
    hook = sys.unraisablehook
    for run in (lambda: minimize(make(error), [1.0, 2.0], on_error=on_error), lambda: gradient(make(error), STARTS)):
        with pytest.raises(RuntimeError, match="the compiled function raised LookupError") as caught:
            run()
        assert caught.value.__cause__ is error
        assert sys.unraisablehook is hook
    assert unraisable == []


def test_numba_function_that_raises_is_an_error(unraisable):
    """Otherwise it would have returned 0, less than the minimum."""
    numba = pytest.importorskip("numba")
    types = numba.types

    @numba.cfunc(types.float64(types.intc, types.CPointer(types.float64)))
    def fail(n, x):
        if x[0] < 0.5:
            raise LookupError("no such point")
        return x[0] * x[0] + 1.0

    with pytest.raises(RuntimeError, match="the compiled function raised LookupError") as caught:
        minimize(fail, [2.0], learning_rate=0.1)
    assert caught.value.__cause__.args == ("no such point",)
    assert unraisable == []


def test_raising_gradient_is_an_error(unraisable):
    def zeros(n_dim, n_params, n_points, stride, x, params, f, user_data):
        for j in range(n_points):
            f[j] = 0.0
        return 0

    with pytest.raises(RuntimeError, match="the compiled function raised ArithmeticError"):
        minimize(as_callback(zeros, C_BLOCK), STARTS, jac=raising_block_in_ctypes(ArithmeticError()))


def test_run_ends_soon_behind_an_exception(unraisable):
    """The problems that were not at fault are not begun."""
    calls = []

    def fail_once(n, x):
        calls.append(None)
        if len(calls) == 1:
            raise LookupError
        return valley(x[:n])

    starts = np.ones((10_000, 1))
    for run in (minimize, gradient):
        calls.clear()
        with pytest.raises(RuntimeError):
            run(as_callback(fail_once), starts)
        assert len(calls) < 1000


def test_interrupt_is_raised_instead_of_what_came_before(unraisable):
    """The other points of a block are evaluated after the first one has failed."""
    errors = iter([LookupError(), KeyboardInterrupt(), LookupError()])

    def fail(n, x):
        raise next(errors, ArithmeticError())

    with pytest.raises(KeyboardInterrupt):
        minimize(as_callback(fail), STARTS)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_interrupt_in_a_callback_is_raised_as_it_is(kind, unraisable):
    error = kind()
    with pytest.raises(kind) as caught:
        minimize(raising_in_ctypes(error), [1.0])
    assert caught.value is error
    assert unraisable == []


def test_result_of_a_callback_that_is_no_number(unraisable):
    with pytest.raises(RuntimeError, match="the compiled function raised TypeError"):
        minimize(as_callback(lambda n, x: "much"), [1.0])


def test_nested_runs_have_their_own_exceptions(unraisable):
    inner_error = LookupError()
    caught = []

    def outer(n, x):
        try:
            minimize(raising_in_ctypes(inner_error), [1.0])
        except RuntimeError as error:
            caught.append(error)
        return valley(x[:n])

    hook = sys.unraisablehook
    assert_same(minimize(as_callback(outer), [0.5]), minimize(valley, [0.5]))
    assert caught
    assert all(error.__cause__ is inner_error for error in caught)
    assert sys.unraisablehook is hook
    with pytest.raises(RuntimeError) as outermost:
        minimize(as_callback(lambda n, x: minimize(raising_in_ctypes(inner_error), [1.0]).fun), [0.5])
    assert outermost.value.__cause__.__cause__ is inner_error


class Finalizer:
    def __init__(self, error):
        self.error = error

    def __del__(self):
        raise self.error


def test_other_unraisable_exceptions_reach_the_previous_hook(unraisable):
    error = LookupError("from a finalizer")

    def call(n, x):
        Finalizer(error)
        return valley(x[:n])

    assert_same(minimize(as_callback(call), [0.5]), minimize(valley, [0.5]))
    assert unraisable
    assert all(seen is error for seen in unraisable)


def test_callbacks_of_other_threads_reach_the_previous_hook(unraisable):
    """One that raises on a thread without a run does not end the run on this one."""
    error = LookupError()
    stray = raising_in_ctypes(error)

    def call(n, x):
        thread = threading.Thread(target=stray, args=(n, x))
        thread.start()
        thread.join()
        return valley(x[:n])

    assert_same(minimize(as_callback(call), [0.5]), minimize(valley, [0.5]))
    assert unraisable
    assert all(seen is error for seen in unraisable)


def test_runs_on_several_threads(unraisable):
    """Each gets its own exception, whatever order they begin and end in."""
    hook = sys.unraisablehook
    barrier = threading.Barrier(4)
    expected = minimize(valley, [0.5])

    def solve(error):
        barrier.wait()
        for _ in range(20):
            with pytest.raises(RuntimeError) as caught:
                minimize(raising_in_ctypes(error), STARTS[:5])
            assert caught.value.__cause__ is error
            assert_same(minimize(as_callback(lambda n, x: valley(x[:n])), [0.5]), expected)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(solve, [LookupError(number) for number in range(4)]))
    assert sys.unraisablehook is hook
    assert unraisable == []


def test_hook_that_is_replaced_during_a_run(unraisable):
    """One that chains to ours stays where it is, and neither calls itself nor keeps ours at work."""
    chained = []

    def call(n, x):
        if not chained:
            previous = sys.unraisablehook

            def chain(unraisable):
                chained.append(unraisable.exc_value)
                previous(unraisable)

            sys.unraisablehook = chain
            chained.append(None)
        return valley(x[:n])

    minimize(as_callback(call), [0.5])
    error = LookupError()
    with pytest.raises(RuntimeError):
        minimize(raising_in_ctypes(error), [0.5])
    raising_in_ctypes(error)(0, None)
    assert chained == [None, error]
    assert unraisable == [error]
