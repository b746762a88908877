"""Batches in chunks, solved by one thread or by many: the same bits, exceptions, interrupts, time limits, memory."""

import concurrent.futures
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from concurrent.futures import Executor, ThreadPoolExecutor
from decimal import Decimal
from importlib.util import find_spec
from multiprocessing.pool import ThreadPool

import numpy as np
import pytest

import fastgd
from fastgd import Status, _crews, functions, maximize, minimize, schedules
from fastgd.noise import GaussianNoise

from .problems import FIELDS, bits, valley

SHAPE = (7, 9, 2)


def starts(*shape, seed=1):
    """Points at very different distances, so that problems end at different iterations."""
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, shape) * 10.0 ** rng.uniform(-5, 0, (*shape[:-1], 1))


def valley_of_rows(x):
    return valley(x.T)


def valley_of_two(a, b):
    return valley((a, b))


def slopes_of_valley(x):
    return np.array([2 * x[0] + 0.4 * x[0] * x[0] * x[0] + x[1], 4 * x[1] + 0.4 * x[1] * x[1] * x[1] + x[0]])


FORMS = {
    "pointwise": (valley, {}), "unpacked": (valley_of_two, {"unpack": True}),
    "columns": (valley, {"vectorized": True}),
    "unpacked columns": (valley_of_two, {"vectorized": True, "unpack": True}),
    "rows": (valley_of_rows, {"vectorized": "rows"}), "C": (functions.rosenbrock.compiled, {}),
    "gradient": (valley, {"jac": slopes_of_valley}),
    "gradient of columns": (valley, {"jac": slopes_of_valley, "vectorized": True}),
}
if find_spec("numba"):
    FORMS["jit"] = (fastgd.jit(valley), {})

OPTIONS = [
    {}, {"bounds": (-0.5, np.full(SHAPE, 0.4))}, {"keep_best": True, "method": "momentum", "learning_rate": 0.05},
    {"learning_rate": np.linspace(0.001, 0.05, 63).reshape(7, 9), "gtol": np.logspace(-6, -1, 9), "xtol": 1e-9,
     "maxiter": np.arange(63).reshape(7, 9), "maxfev": 150},
    {"learning_rate": schedules.CosineDecay(0.05, steps=30), "noise": GaussianNoise(0.1), "rng": 5, "ftol": 1e-9},
    {"learning_rate": lambda k: 0.05 / (1 + k), "method": "adam", "ftarget": 0.01},
]


@pytest.mark.parametrize("options", OPTIONS, ids=range(len(OPTIONS)))
@pytest.mark.parametrize("form", FORMS)
def test_same_bits_for_any_chunks_and_threads(form, options):
    """Numbers do not depend on who solved a problem, nor on what was in its chunk."""
    fun, how = FORMS[form]
    x0 = np.clip(starts(*SHAPE), -0.5, 0.4)
    options = {"maxiter": 30, **how, **options}
    expected = bits(minimize(fun, x0, **options))
    assert bits(minimize(fun, x0, chunk_size=10, **options)) == expected
    assert bits(minimize(fun, x0, workers=2, **options)) == expected
    assert bits(minimize(fun, x0, workers=8, chunk_size=1, **options)) == expected
    assert bits(minimize(fun, x0, workers=-1, chunk_size=25, **options)) == expected
    with ThreadPoolExecutor(3) as pool:
        assert bits(minimize(fun, x0, workers=pool, chunk_size=25, **options)) == expected
        assert bits(minimize(fun, x0, workers=map, chunk_size=7, **options)) == expected


@pytest.mark.parametrize("vectorized", [False, True])
def test_arguments_of_each_problem_go_with_its_chunk(vectorized):
    """Lists and arrays of any dtype are cut like x0; the answers are their numbers."""
    centers = np.arange(24, dtype="f4").reshape(4, 6)
    names = np.array([chr(97 + i) for i in range(24)], dtype=object).reshape(4, 6)
    seen = set()

    def fun(x, scale, center, name):
        seen.update(zip(np.atleast_1d(center).tolist(), np.atleast_1d(name).tolist(), strict=True))
        return scale * ((x - center) * (x - center)).sum(axis=0)

    options = {"args": (0.5,), "batch_args": (centers.tolist(), names), "vectorized": vectorized}
    result = minimize(fun, np.zeros((4, 6, 2)), workers=3, chunk_size=5, **options)
    np.testing.assert_allclose(result.x, np.stack([centers, centers], axis=-1), atol=1e-6)
    assert seen == {(float(i), chr(97 + i)) for i in range(24)}
    assert bits(result) == bits(minimize(fun, np.zeros((4, 6, 2)), **options))


@pytest.mark.parametrize("workers", [1, 2])
def test_maximum_in_chunks(workers):
    """All fields are in the user's sign, once."""
    up = maximize(lambda x: 3.0 - valley(x), starts(30, 2), workers=workers, chunk_size=7)
    assert bits(up) == bits(maximize(lambda x: 3.0 - valley(x), starts(30, 2)))
    np.testing.assert_allclose(up.fun, 3.0, atol=1e-9)


@pytest.mark.parametrize("form", ["pointwise", "columns"])
def test_problems_that_fail_beside_others(form):
    """Exceptions that are recorded, and starts that are not finite, touch no other problem, whatever its chunk."""
    def fun(x):
        if np.any(x[0] > 0.9):
            raise ArithmeticError
        return valley(x)

    x0 = starts(40, 2)
    x0[[3, 17]], x0[29] = 0.95, np.nan
    options = {"vectorized": form == "columns", "on_error": "record"}
    expected = minimize(fun, x0, **options)
    assert {3, 17} <= set(np.flatnonzero(expected.status == Status.EXCEPTION)) != set(range(40))
    for workers, chunk_size in ((1, 7), (2, 7), (4, 1)):
        assert bits(minimize(fun, x0, workers=workers, chunk_size=chunk_size, **options)) == bits(expected)


@pytest.mark.parametrize("workers", [1, 2])
def test_a_single_problem_as_a_chunk(workers):
    """A point, a scalar, and those of vectorized and compiled functions stay what they are."""
    options = {"workers": workers, "progress": lambda done, total: None}
    scalar = minimize(lambda x: (x - 3) ** 2 if type(x) is float else None, 0.0, **options)
    assert scalar.x == pytest.approx(3.0)
    assert type(scalar.x) is float
    assert minimize(lambda x: (x - 3) ** 2, 0.0, vectorized=True, **options).x == pytest.approx(3.0)
    point = minimize(functions.sphere.compiled, [1.0, 2.0], **options)
    assert bits(point) == bits(minimize(functions.sphere.compiled, [1.0, 2.0]))
    data = minimize(lambda x, c: ((x - c) ** 2).sum(axis=0), [1.0, 2.0], batch_args=([3.0, 4.0],), **options)
    np.testing.assert_allclose(data.x, [3.0, 4.0], atol=1e-6)
    columns = minimize(lambda x, c: ((x - c) ** 2).sum(axis=0), [1.0, 2.0], batch_args=([3.0, 4.0],), vectorized=True,
                       **options)
    np.testing.assert_allclose(columns.x, [3.0, 4.0], atol=1e-6)
    if "jit" in FORMS:
        assert minimize(fastgd.jit(lambda x: (x - 3.0) ** 2), 0.0, **options).x == pytest.approx(3.0)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_empty_batch(workers):
    """No problems are an empty result, and no call."""
    result = minimize(lambda x: 1 / 0, np.zeros((0, 3)), workers=workers, progress=lambda *_: 1 / 0)
    assert result.x.shape == (0, 3)
    assert result.fun.shape == (0,)


def test_a_schedule_is_asked_once_for_each_iteration():
    """However many chunks and threads there are: a function of its own calls is one of the iteration."""
    asked = []

    def rate(k):
        asked.append(k)
        return 0.05 if len(asked) <= 10 else 0.01

    expected = bits(minimize(valley, starts(40, 2), learning_rate=rate, maxiter=30, workers=4, chunk_size=3))
    assert asked == list(range(len(asked)))
    asked.clear()
    assert bits(minimize(valley, starts(40, 2), learning_rate=rate, maxiter=30, chunk_size=11, workers=2)) == expected


def test_matrix_products_do_not_depend_on_the_workers():
    """Their last bits may depend on what is in a chunk, which depends on the problem alone."""
    matrix = np.random.default_rng(3).normal(size=(40, 8))

    def fun(x):
        return ((matrix @ x) ** 2).sum(axis=0)

    for n_problems, chunk_size in ((70, None), (500, 33), (5000, 1000)):
        options = {"vectorized": True, "chunk_size": chunk_size, "maxiter": 5}
        expected = bits(minimize(fun, starts(n_problems, 8), **options))
        for workers in (2, 5):
            assert bits(minimize(fun, starts(n_problems, 8), workers=workers, **options)) == expected


def test_functions_that_minimize_something_themselves():
    """Runs in the threads of a run share nothing with it."""
    def fun(x, workers=2):
        inner = minimize(lambda y: (y - x[0]) * (y - x[0]) + 1.0, 0.0, learning_rate=0.4, maxiter=5, workers=workers)
        batch = minimize(valley, [[x[1], 0.1], [0.2, x[1]]], maxiter=2, workers=workers, chunk_size=1)
        return inner.fun + batch.fun.sum() + x[0] * x[0]

    options = {"learning_rate": 0.1, "maxiter": 1}
    expected = bits(minimize(fun, starts(4, 2), (1,), **options))
    assert bits(minimize(fun, starts(4, 2), workers=2, chunk_size=2, **options)) == expected
    assert bits(minimize(fun, starts(4, 2), workers=8, **options)) == expected


def test_context_variables_hold_in_threads():
    """What np.errstate says in the caller's thread is heeded in the others."""
    def fun(x):
        return float(np.float64(1e308) * (2.0 + x[0] ** 2))

    for workers in (1, 2):
        with np.errstate(all="raise"), pytest.raises(FloatingPointError):
            minimize(fun, np.ones((4, 1)), workers=workers)
        with np.errstate(all="ignore"):
            assert (minimize(fun, np.ones((4, 1)), workers=workers).status == Status.NONFINITE).all()


# Exceptions


class PlannedError(Exception):
    def __init__(self, number, reason):
        super().__init__(reason)
        self.number = number


def failing_at(problem, error):
    """A function that raises `error` at the start of one problem of 50, and their starts."""
    x0 = np.arange(50.0).reshape(50, 1)
    x0[problem] = 1000.0

    def fun(x):
        if x[0] == 1000.0:
            raise error
        return (x[0] - 0.5) * (x[0] - 0.5)

    return fun, x0


@pytest.mark.parametrize(("workers", "chunk_size"), [(1, 5), (2, 5), (4, 1), (8, 100), (2, None)])
def test_exception_names_its_problem(workers, chunk_size):
    """The same object comes out, with a note that has the problem's number in the whole batch."""
    error = PlannedError(38, "as planned")
    fun, x0 = failing_at(38, error)
    with pytest.raises(PlannedError) as caught:
        minimize(fun, x0, jac=lambda x: 2 * x - 1.0, ftarget=-1.0, workers=workers, chunk_size=chunk_size)
    assert caught.value is error
    assert error.__notes__ == ["fastgd: raised for problem 38 at iteration 0"]


@pytest.mark.parametrize("workers", [2, 4])
def test_exception_of_the_lowest_chunk_comes_out(workers):
    """However late it comes: what another chunk raised meanwhile waits for the lower ones, and for no others."""
    begun = []

    def fun(x):
        begun.append(x[0])
        if x[0] == 1.0:
            time.sleep(0.1)
        if x[0] in (1.0, 2.0):
            raise PlannedError(x[0], "as planned")
        return x[0] * x[0]

    with pytest.raises(PlannedError) as caught:
        minimize(fun, np.arange(300.0).reshape(300, 1), jac=lambda x: 2 * x, ftarget=-1.0, workers=workers,
                 chunk_size=1)
    assert caught.value.number == 1.0
    assert len(begun) < 200


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("on_error", ["raise", "record"])
@pytest.mark.parametrize(("workers", "chunk_size"), [(1, 5), (3, 5), (80, None)])
def test_keyboard_interrupt_and_system_exit_come_out(workers, chunk_size, on_error, error):
    """Raised by the function in whatever thread, they end the run, also where other exceptions come first."""
    planned = error("as planned")
    fun, x0 = failing_at(38, planned)
    before = threading.active_count()
    with pytest.raises(error) as caught:
        minimize(fun, x0, workers=workers, chunk_size=chunk_size, on_error=on_error)
    assert caught.value is planned
    assert threading.active_count() == before


def test_wrong_arguments_are_told_before_threads_begin():
    """Not by one chunk among others."""
    with pytest.raises(TypeError, match="fun must be callable, got ellipsis"):
        minimize(..., np.ones((9, 2)), workers=2)
    with pytest.raises(ValueError, match=r"the leading axes of batch_args\[0\] must be the batch"):
        minimize(lambda x, y: 0.0, np.ones((9, 2)), batch_args=(np.ones(8),), workers=2)


@pytest.mark.parametrize(("workers", "error", "words"), [
    (0, ValueError, "workers must be a positive integer or -1, got 0"),
    (-2, ValueError, "workers must be a positive integer or -1, got -2"),
    (True, TypeError, "workers must be an integer, an Executor or a map-like callable, got bool"),
    (2.0, TypeError, "workers must be .* got float"), (None, TypeError, "workers must be .* got NoneType"),
    ("2", TypeError, "workers must be .* got str")])
def test_wrong_workers(workers, error, words):
    """The message says what may be given."""
    with pytest.raises(error, match=words):
        minimize(valley, [1.0, 2.0], workers=workers)


def test_a_pool_of_multiprocessing_is_not_its_map():
    """It has no submit, and cannot be called."""
    with ThreadPool(1) as pool, pytest.raises(TypeError, match="map-like callable, got ThreadPool"):
        minimize(valley, [1.0, 2.0], workers=pool)


@pytest.mark.parametrize(("chunk_size", "error", "words"), [
    (0, ValueError, "1 <= chunk_size"), (-5, ValueError, "1 <= chunk_size"),
    (2.0, TypeError, "chunk_size must be an integer, got 2.0"), (True, TypeError, "chunk_size must be an integer")])
def test_wrong_chunk_sizes(chunk_size, error, words):
    """A chunk is so many problems, one at least."""
    with pytest.raises(error, match=words):
        minimize(valley, [1.0, 2.0], chunk_size=chunk_size)


# Callbacks and traces


def test_callback_is_never_called_by_two_threads_at_once():
    """It gets every iteration of every problem, by its index in the whole batch."""
    inside, seen, threads = [], [], set()

    def callback(intermediate_result):
        inside.append(1)
        threads.add(threading.get_ident())
        time.sleep(1e-4)
        assert len(inside) == 1
        seen.append((intermediate_result.problem, intermediate_result.nit))
        inside.pop()

    result = minimize(lambda x: time.sleep(1e-5) or valley(x), starts(4, 5, 2), workers=4, chunk_size=2,
                      callback=callback)
    assert len(threads) > 1
    assert sorted(seen) == [((i, j), k) for i in range(4) for j in range(5) for k in range(1, result.nit[i, j] + 1)]


@pytest.mark.parametrize("workers", [1, 3])
def test_callback_ends_its_problem(workers):
    """StopIteration ends one problem of one chunk, and nothing else."""
    def callback(intermediate_result):
        if intermediate_result.problem == 11:
            raise StopIteration

    result = minimize(valley, starts(20, 2), workers=workers, chunk_size=3, callback=callback)
    assert result.status[11] == Status.CALLBACK
    assert result.nit[11] == 1
    rest = np.delete(np.arange(20), 11)
    assert bits(result, rest) == bits(minimize(valley, starts(20, 2), callback=lambda x: None), rest)


def test_traces_of_threads():
    """Paths are those of one thread, whichever chunk a problem was in."""
    options = {"trace": (2, [0, 13, 19])}
    expected = minimize(valley, starts(20, 2), **options).trace
    found = minimize(valley, starts(20, 2), workers=3, chunk_size=4, **options).trace
    assert found.keys() == expected.keys() == {0, 13, 19}
    for problem, path in expected.items():
        for name in path.keys():  # noqa: SIM118
            assert np.array_equal(path[name], found[problem][name], equal_nan=True)


# The time


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_problems_that_are_not_begun_keep_their_start(workers):
    """When the time is over chunks that wait are left as they are."""
    x0 = starts(400, 2)

    def fun(x):
        time.sleep(0.001)
        return valley(x)

    result = minimize(fun, x0, workers=workers, chunk_size=3, maxtime=0.1)
    left = result.nfev == 0
    assert left.sum() > 100
    assert np.array_equal(result.x[left], x0[left])
    assert np.isnan(result.fun[left]).all()
    assert np.isnan(result.jac[left]).all()
    assert (result.status[left] == Status.MAXTIME).all()
    assert not result.nit[left].any()
    done = result.status != Status.MAXTIME
    assert bits(result, done) == bits(minimize(valley, x0), done)
    assert (~left & ~done).sum() <= workers * 3


def test_time_is_that_of_the_call():
    """Not of each chunk."""
    calls = []

    def fun(x):
        calls.append(time.monotonic())
        time.sleep(0.002)
        return valley(x)

    begin = time.monotonic()
    minimize(fun, starts(50, 2), chunk_size=1, maxtime=0.05)
    assert max(calls) - begin < 0.05 + 1.0
    assert len(calls) < 50


@pytest.mark.parametrize("x0", [np.full(100, 0.7), np.full((3, 100), 0.7)], ids=["one", "three"])
def test_time_of_a_spread_stencil(x0):
    """It is looked at between the points of a stencil, too; the calls that were made are counted."""
    calls = []

    def fun(x):
        calls.append(1)
        time.sleep(0.01)
        return valley(x)

    result = minimize(fun, x0, workers=4, maxtime=0.1)  # 200 points take 0.5 s
    assert np.all(result.status == Status.MAXTIME)
    assert np.sum(result.nfev) == len(calls) < 200
    assert np.array_equal(np.ravel(result.fun), [valley(x) for x in np.reshape(result.x, (-1, 100))])


# Interrupts, forks, leaks

INTERRUPTED = """
import os, signal, sys, threading, time
import numpy as np
import fastgd
from fastgd import functions, minimize

kinds = [functions.rosenbrock.compiled]
if sys.argv[1] == "jit":
    kinds = [fastgd.jit(functions.rosenbrock.formula)]
    minimize(kinds[0], np.zeros((2, 4)), maxiter=1)

def press():
    time.sleep(0.3)
    pressed.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)

for fun in kinds:
    for workers in (1, 2, 2):
        pressed = []
        threading.Thread(target=press).start()
        try:
            minimize(fun, np.ones((100_000, 4)) / 3, workers=workers, gtol=0, learning_rate=1e-9, maxiter=10**9)
        except KeyboardInterrupt:
            print(time.monotonic() - pressed[0] < 0.5, threading.active_count())
"""


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
@pytest.mark.parametrize("kind", ["C", pytest.param("jit", marks=pytest.mark.skipif(
    "jit" not in FORMS, reason="needs numba"))])
def test_ctrl_c_ends_a_compiled_run_at_once(kind):
    """KeyboardInterrupt comes out within half a second, and no thread is left."""
    run = subprocess.run([sys.executable, "-c", INTERRUPTED, kind], capture_output=True, text=True, timeout=60)
    assert (run.stdout, run.stderr) == ("True 1\n" * 3, "")


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
@pytest.mark.parametrize("name", ["submit", "wait"])
@pytest.mark.parametrize("handler", [signal.default_int_handler, lambda *how: sys.exit(3)], ids=["default", "own"])
def test_ctrl_c_in_the_midst_of_a_pool(monkeypatch, name, handler):
    """The pool, which may hold a lock, is not interrupted there: KeyboardInterrupt, or what the program wants instead,
    comes out behind it, and what was handed out is ended."""
    place = ThreadPoolExecutor if name == "submit" else concurrent.futures
    function, went_on = getattr(place, name), []

    def pressed(*arguments):
        if not went_on:
            signal.raise_signal(signal.SIGINT)
        went_on.append(1)
        return function(*arguments)

    monkeypatch.setattr(place, name, pressed)
    before = signal.signal(signal.SIGINT, handler)
    try:
        with pytest.raises((KeyboardInterrupt, SystemExit)):
            minimize(functions.rosenbrock.compiled, np.ones((100, 4)) / 3, chunk_size=50, workers=2, gtol=0,
                     learning_rate=1e-9, maxiter=10**9)
        assert signal.getsignal(signal.SIGINT) is handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert went_on
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("fastgd")]


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_twice_in_an_executor_that_hangs():
    """The second has its effect at once."""
    class Hangs(Executor):
        def submit(self, function, /, *args, **kwargs):
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)
            raise AssertionError

    with pytest.raises(KeyboardInterrupt):
        minimize(valley, starts(100, 2), workers=Hangs())
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.skipif(not hasattr(os, "fork"), reason="cannot fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*:DeprecationWarning")
def test_fork_after_threads():
    """A child of a process that has used threads uses threads of its own."""
    expected = bits(minimize(functions.sphere.compiled, starts(100, 2), workers=2, chunk_size=10))
    child = os.fork()
    if not child:
        same = bits(minimize(functions.sphere.compiled, starts(100, 2), workers=2, chunk_size=10)) == expected
        os._exit(0 if same else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_eight_threads_of_the_user():
    """Calls side by side share nothing: the bits of one thread."""
    objectives = [(valley, {}), (valley, {"vectorized": True}), (functions.sphere.compiled, {}),
                  (valley, {"method": "adam", "learning_rate": 0.03, "workers": 2, "chunk_size": 5})]
    expected = [bits(minimize(fun, starts(20, 2), **options)) for fun, options in objectives]

    def work(seed):
        order = np.random.default_rng(seed).integers(0, len(objectives), 20)
        return all(bits(minimize(objectives[k][0], starts(20, 2), **objectives[k][1])) == expected[k] for k in order)

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(work, range(8)))


# One problem, its points spread over threads


def counting(fun):
    """The function, and a list of what it was called with."""
    calls = []

    def counted(*arguments):
        calls.append(arguments)
        return fun(*arguments)

    return counted, calls


def scaled(x, scale=1.0, center=0.0):
    return scale * valley(x - center)


def scaled_of_floats(a, b, scale=1.0, center=0.0):
    return scale * valley((a - center, b - center))


@pytest.mark.parametrize("options", [
    {}, {"method": "adam", "learning_rate": 0.03}, {"bounds": (-0.2, [0.25, 0.2])}, {"keep_best": True, "ftol": 1e-6},
    {"learning_rate": 0.02, "noise": GaussianNoise(0.1), "rng": 3}, {"maxfev": 23}, {"jac": "3-point"},
    {"learning_rate": lambda k: 0.1 / (k + 1), "ftarget": 1e-3}, {"jac": fastgd.Difference(step=1e-4)}], ids=range(9))
@pytest.mark.parametrize("form", ["one", "three", "image", "floats", "scalar", "data"])
def test_spread_points_give_the_same_bits(form, options):
    """Threads that evaluate the points of a stencil: numbers as of one thread, one call for each that is counted."""
    fun, x0, how = {
        "one": (valley, [0.25, 0.125], {}), "three": (valley, [[0.25, 0.125], [0.25, 0.125], [0.1, -0.1]], {}),
        "image": (valley, [[[0.25, 0.125]], [[0.25, 0.1]]], {}),
        "floats": (scaled_of_floats, [0.25, 0.125], {"unpack": True, "args": 0.7}),
        "scalar": (lambda x: (x - 3.0) ** 2 if type(x) is float else None, 0.25, {}),
        "data": (scaled, [[0.25, 0.125]] * 3, {"args": (0.7,), "batch_args": ([0.01, 0.02, -0.03],)}),
    }[form]
    if form == "scalar" and "bounds" in options:
        options = {"bounds": (-0.2, 0.3)}
    options = {"maxiter": 40, **how, **options}
    expected = minimize(fun, x0, **options)
    counted, calls = counting(fun)
    for workers in (4, 9):
        calls.clear()
        assert bits(minimize(counted, x0, workers=workers, **options)) == bits(expected)
        assert len(calls) == np.sum(expected.nfev)
    with ThreadPoolExecutor(5) as pool:
        assert bits(minimize(fun, x0, workers=pool, **options)) == bits(expected)
        assert bits(minimize(fun, x0, workers=map, **options)) == bits(expected)


def test_spread_maximum():
    """Mirrored once."""
    assert bits(maximize(lambda x: 1.0 - valley(x), [0.3, 0.2], workers=3)) == bits(
        maximize(lambda x: 1.0 - valley(x), [0.3, 0.2]))


@pytest.mark.parametrize("options", [{}, {"ftol": 1e-9}, {"keep_best": True}, {"jac": fastgd.Difference(step=1e-4)}],
                         ids=str)
@pytest.mark.parametrize(("fun", "x0"), [
    (lambda x: -x[0] * 1e300, [1.0, 2.0]), (lambda x: x[0] * x[0] * x[0] + x[1], [-1e60, 0.0]),
    (lambda x: np.inf if x[0] < 0.5 else x[0], [1.0, 0.0]), (lambda x: np.nan, [1.0, 0.0]),
    (lambda x: x[0] * x[0], [1e300, 0.0]), (lambda x: x[0] + x[1], [1e18, 0.0]),
    (lambda x: 1e300 * x[0] + x[1], [0.0, 0.0])], ids=range(7))
def test_spread_points_that_are_not_finite(fun, x0, options):
    """A run that diverges, or cannot move, ends as with one thread, and calls the function no more often."""
    def checked(x):
        assert np.isfinite(x).all()
        return fun(x)

    options = {"learning_rate": 1e100, **options}
    with np.errstate(all="ignore"):
        expected = minimize(checked, x0, **options)
        assert bits(minimize(checked, x0, workers=2, **options)) == bits(expected)


def test_spread_functions_of_floats_may_divide_by_zero():
    """ZeroDivisionError and OverflowError count as values that are not finite."""
    def fun(x):
        return 1.0 / (x - 0.5) if x < 0.75 else (x - 0.5) ** 2 * 1e200 ** (2 if x > 1.0 else 1)

    for x0 in (0.5, 0.6, 0.9, 1.5):
        expected = minimize(fun, x0, learning_rate=0.05)
        assert bits(minimize(fun, x0, learning_rate=0.05, workers=2)) == bits(expected)
    assert minimize(fun, 0.5, workers=2).status == Status.NONFINITE
    with pytest.raises(ZeroDivisionError):
        minimize(lambda x: 1.0 / int(x[0]), [0.5, 0.5], workers=2)


@pytest.mark.parametrize("on_error", ["raise", "record"])
@pytest.mark.parametrize("words", ["as planned", "it is read-only"])
def test_spread_exceptions(words, on_error):
    """The same object, with the note of one thread; recorded ones end their problem with the same numbers. No point is
    evaluated twice to find out where it was."""
    error = ValueError(words)
    x0 = np.array([[0.5, 0.5], [0.25, 0.5], [0.5, 0.5]])

    def fun(x, fails):
        if fails and x[1] < 0.5:
            raise error
        return valley(x)

    options = {"batch_args": ([False, True, True],), "on_error": on_error, "learning_rate": 0.01, "maxiter": 5}
    counted, calls = counting(fun)
    if on_error == "record":
        expected = minimize(fun, x0, **options)
        found = minimize(counted, x0, workers=4, **options)
        assert bits(found) == bits(expected)
        assert found.status.tolist() == [Status.MAXITER, Status.EXCEPTION, Status.EXCEPTION]
        assert len(calls) == found.nfev.sum()
    else:
        with pytest.raises(ValueError, match=words) as caught:
            minimize(counted, x0, workers=4, **options)
        assert caught.value is error
        assert error.__notes__ == ["fastgd: raised for problem 1 at iteration 0"]
        # once for each thread that raised this object
        assert [frame.name for frame in traceback.extract_tb(error.__traceback__)].count("counted") in (1, 2)
        points = [(arguments[0].tobytes(), arguments[1]) for arguments in calls]
        assert len(calls) <= 15  # of which two problems have the same points, but for their data
        assert max(points.count(point) for point in points) <= 2


@pytest.mark.parametrize("error", [PlannedError(1, "as planned"), KeyboardInterrupt("as planned")], ids=repr)
def test_spread_points_in_vain(error):
    """After an exception few of the points that wait are evaluated."""
    calls = []

    def fun(x):
        calls.append(1)
        if len(calls) == 1:
            raise error
        time.sleep(0.002)
        return valley(x)

    with pytest.raises(type(error), match="as planned"):
        minimize(fun, np.full(100, 0.5), workers=4)
    assert len(calls) < 100


@pytest.mark.parametrize(("value", "error", "words"), [
    (None, TypeError, "numbers, got NoneType"), ("1", TypeError, "numbers, got str"),
    (1j, TypeError, "numbers, got complex"), (Decimal(1), TypeError, "numbers, got Decimal"),
    (np.ma.array([1.0]), TypeError, "masked array"), (np.ones(2), ValueError, r"one number .* shape \(2,\)")])
def test_spread_values_of_wrong_types(value, error, words):
    """They are refused as with one thread."""
    for workers in (1, 2):
        with pytest.raises(error, match=words):
            minimize(lambda x: value, [1.0, 2.0], workers=workers)


def test_spread_values_of_many_types():
    """Integers, booleans and arrays of one number are numbers."""
    for convert in (int, bool, np.float32, lambda value: np.array([[value]]), lambda value: np.array(value)):
        expected = minimize(lambda x, c=convert: c(valley(x)), [0.5, 0.5], maxiter=3)
        assert bits(minimize(lambda x, c=convert: c(valley(x)), [0.5, 0.5], maxiter=3, workers=3)) == bits(expected)


def test_spread_points_belong_to_the_function():
    """It may keep and change them."""
    kept = []

    def fun(x):
        kept.append((x, x.copy()))
        value = valley(x)
        x *= 2.0
        return value

    assert bits(minimize(fun, [0.5, 0.25], workers=3)) == bits(minimize(valley, [0.5, 0.25]))
    assert all(np.array_equal(x, 2.0 * copy) for x, copy in kept)


def test_spread_points_are_evaluated_side_by_side():
    """As many as there are threads: each of the first stencil waits for the others."""
    barrier = threading.Barrier(4, timeout=20)
    calls = []

    def fun(x):
        calls.append(1)
        if len(calls) <= 4:
            barrier.wait()
        return valley(x)

    assert minimize(fun, [0.5, 0.25], learning_rate=0.1, maxiter=2, workers=4).nit == 2


def test_callback_and_trace_of_spread_points():
    """They are called in the caller's thread, with every iteration."""
    seen = []

    def callback(intermediate_result):
        seen.append((intermediate_result.nit, threading.get_ident()))

    result = minimize(valley, [0.5, 0.25], workers=3, trace=1, callback=callback)
    assert seen == [(k, threading.get_ident()) for k in range(1, result.nit + 1)]
    assert np.array_equal(result.trace.x, minimize(valley, [0.5, 0.25], trace=1).trace.x)


@pytest.mark.parametrize("n_problems", [20, 300])
def test_batches_of_slow_functions_keep_all_threads_busy(n_problems):
    """Also those that are no larger than a chunk of a fast function."""
    threads = set()

    def fun(x):
        threads.add(threading.get_ident())
        time.sleep(1e-5)
        return valley(x)

    minimize(fun, starts(n_problems, 2), workers=8, maxiter=20)
    assert len(threads) > 4


# Large inputs and given outputs


def fields(*shape):
    """An array for every field of a result."""
    return {name: np.empty(shape if name in ("x", "jac") else shape[:-1],
                           float if name in ("x", "jac", "fun") else np.intp) for name in FIELDS}


@pytest.mark.parametrize("options", [{}, {"workers": 2}, {"workers": 3, "chunk_size": 2}, {"vectorized": True}],
                         ids=str)
@pytest.mark.parametrize("names", [FIELDS, ("x",), ("fun", "status")], ids=str)
def test_results_in_given_arrays(tmp_path, names, options):
    """Those files that are mapped into memory hold the answers, and are the fields of the result."""
    x0 = starts(4, 5, 2)
    out = {name: np.memmap(tmp_path / name, array.dtype, "w+", shape=array.shape)
           for name, array in fields(4, 5, 2).items() if name in names}
    result = minimize(valley, x0, out=out, **options)
    expected = minimize(valley, x0)
    assert bits(result) == bits(expected)
    for name, array in out.items():
        assert np.shares_memory(result[name], array)
        array.flush()
        assert (tmp_path / name).read_bytes() == expected[name].tobytes()


@pytest.mark.parametrize(("changed", "error", "words"), [
    ({"x": np.empty((5, 3))}, ValueError, r"out\['x'\] .* shape \(5, 2\) and dtype float64, got shape \(5, 3\)"),
    ({"x": np.empty((5, 2), "f4")}, ValueError, "and dtype float32"),
    ({"nit": np.empty(5)}, ValueError, "and dtype int"), ({"x": np.empty((2, 5)).T}, ValueError, "C-contiguous"),
    ({"fun": np.broadcast_to(1.0, 5)}, ValueError, "a writeable"),
    ({"jac": [[0.0, 0.0]] * 5}, TypeError, r"out\['jac'\] must be an array, got list"),
    ({"success": np.empty(5)}, ValueError, "a name in out must be one of"), ([], TypeError, "a dictionary of arrays")])
def test_wrong_arrays_for_results(changed, error, words):
    """They are refused before anything is called."""
    with pytest.raises(error, match=words):
        minimize(lambda x: 1 / 0, np.ones((5, 2)), out=changed)
    with pytest.raises(ValueError, match="out is for batches"):
        minimize(lambda x: 1 / 0, [1.0, 2.0], out={"x": np.empty(2)})


@pytest.mark.parametrize(("names", "make"), [
    (("x", "jac"), lambda: [np.empty((5, 2))] * 2), (("nit", "status"), lambda: [np.empty(5, np.intp)] * 2),
    (("x", "fun"), lambda: (lambda whole: (whole[:10].reshape(5, 2), whole[9:14]))(np.empty(14)))], ids=range(3))
def test_results_that_would_overwrite_each_other(names, make):
    """Arrays for two fields that overlap."""
    with pytest.raises(ValueError, match=rf"out\['{names[0]}'\] and out\['{names[1]}'\] overlap"):
        minimize(lambda x: 1 / 0, np.ones((5, 2)), out=dict(zip(names, make(), strict=True)))


def as_memmap(x, folder):
    file = np.memmap(folder / "x0", "f8", "w+", shape=x.shape)
    file[...] = x
    file.flush()
    return np.memmap(folder / "x0", "f8", "r", shape=x.shape)


FORMS_OF_X0 = {
    "read-only memmap": as_memmap, "big-endian": lambda x, _: x.astype(">f8"), "float32": lambda x, _: x.astype("f4"),
    "integers": lambda x, _: np.round(x * 50).astype("i2"), "columns": lambda x, _: np.asfortranarray(x),
    "every second": lambda x, _: np.repeat(x, 2, axis=0)[::2], "backwards": lambda x, _: x[::-1, ::-1],
}


@pytest.mark.parametrize("options", [{}, {"vectorized": True}, {"workers": 2}, {"chunk_size": 17},
                                     {"workers": 2, "bounds": (-60.0, np.array([[60.0, 50.0]]))}], ids=str)
@pytest.mark.parametrize("form", FORMS_OF_X0)
def test_batches_of_any_form(tmp_path, form, options):
    """The numbers are those of a copy in an ordinary array, and x0 stays as it is."""
    x0 = FORMS_OF_X0[form](starts(60, 2), tmp_path)
    before = x0.copy()
    expected = minimize(valley, before.astype(float), **options)
    assert bits(minimize(valley, x0, **options)) == bits(expected)
    assert x0.dtype == before.dtype
    assert np.array_equal(x0, before)
    assert x0.flags.writeable == before.flags.writeable or form == "read-only memmap"


@pytest.mark.parametrize("workers", [1, 2])
def test_answers_in_the_place_of_their_starts(workers):
    """x0 may itself be the array for the answers: a problem is read before it is written."""
    x0 = starts(60, 2)
    expected = minimize(valley, x0)
    result = minimize(valley, x0, out={"x": x0}, workers=workers, chunk_size=7)
    assert bits(result) == bits(expected)
    assert np.array_equal(x0, expected.x)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("parts", [(slice(60), slice(1, 61)), (slice(1, 61), slice(60)),
                                   (slice(59, None, -1), slice(60))], ids=str)
def test_answers_in_the_place_of_other_starts(parts, workers):
    """They do not overwrite those that are still to be read."""
    memory = starts(61, 2)
    expected = minimize(valley, memory[parts[0]], out={"x": memory[parts[1]].copy()}, chunk_size=7)
    result = minimize(valley, memory[parts[0]], out={"x": memory[parts[1]]}, chunk_size=7, workers=workers)
    assert bits(result) == bits(expected)


@pytest.mark.parametrize("options", [{}, {"chunk_size": 7}, {"workers": 2, "chunk_size": 7}], ids=str)
def test_starts_that_the_function_overwrites(options):
    """What happens to x0 during the run is of no matter."""
    x0 = starts(60, 2)
    expected = minimize(valley, x0.copy())

    def vandal(x):
        x0[...] = np.nan
        return valley(x)

    assert bits(minimize(vandal, x0, **options)) == bits(expected)


@pytest.mark.parametrize("wrong", [
    {"batch_args": (np.ones(3),)}, {"unpack": 3}, {"jac": 3}, {"progress": 3}, {"workers": 0}, {"gtol": -1.0},
    {"jac": 3, "workers": 2}, {"workers": lambda *task: map(*task), "callback": print}, {"fun": "nothing"},
    {"method": "nothing"}, {"checkpoint": "no folder/run.npz"}, {"learning_rate": np.ones(3)}], ids=str)
def test_what_is_wrong_overwrites_nothing(wrong):
    """Neither the arrays for the answers nor, where they overlap, the starts."""
    memory, out = starts(61, 2), {"x": np.full((60, 2), 7.0), "fun": np.full(60, 7.0)}
    options = {"fun": valley, "chunk_size": 7} | wrong
    with pytest.raises((TypeError, ValueError, OSError)):
        minimize(x0=starts(60, 2), out=out, **options)
    assert (out["x"] == 7.0).all()
    assert (out["fun"] == 7.0).all()
    if "checkpoint" not in wrong:
        with pytest.raises((TypeError, ValueError)):
            minimize(x0=memory[:60], out={"x": memory[1:]}, **options)
    assert np.array_equal(memory, starts(61, 2))


@pytest.mark.parametrize("name", ["x", "jac"])
def test_answers_in_the_place_of_data(name):
    """They would overwrite what is still to be read."""
    data = starts(60, 2)
    with pytest.raises(ValueError, match=rf"out\['{name}'\] and batch_args\[1\] overlap: each needs memory of its own"):
        minimize(lambda x, a, b: 1 / 0, starts(60, 2), batch_args=(data.copy(), data), out={name: data})
    assert np.array_equal(data, starts(60, 2))


def test_starts_of_more_digits():
    """What counts is the number that they are rounded to."""
    one = np.nextafter(np.longdouble(1), 2)
    assert minimize(valley, np.array([one, one]), bounds=(0.0, 1.0), maxiter=3).x.dtype == np.float64
    if np.finfo(np.longdouble).max > np.finfo(float).max:
        with np.errstate(over="ignore"), pytest.raises(ValueError, match=r"x0 must be finite, got x0\[0\] = inf"):
            minimize(valley, np.array([2 * np.longdouble(np.finfo(float).max), 1]))


def test_gradients_at_the_place_of_their_points():
    """Jacobians may go where x0 is: it is read before."""
    x0 = starts(60, 2)
    expected = minimize(valley, x0.copy())
    result = minimize(valley, x0, out={"jac": x0}, chunk_size=7)
    assert bits(result) == bits(expected)
    assert np.array_equal(x0, expected.jac)


def test_a_large_batch():
    """With a function in C: lanes and chunks of one run, and a few problems by themselves."""
    x0 = starts(70_000, 4)
    result = minimize(functions.sphere.compiled, x0, workers=2, maxiter=20)
    assert result.success.all()
    for problem in (0, 2916, 2917, 69_999):
        assert bits(result, problem) == bits(minimize(functions.sphere.compiled, x0[problem], maxiter=20))


# Progress


@pytest.mark.parametrize("options", [{"chunk_size": 7}, {"workers": 2, "chunk_size": 4}, {"workers": 50}], ids=str)
def test_progress_rises_to_the_end(options):
    """A function is called with (done, total) after every chunk, in the caller's thread."""
    seen = []
    minimize(valley, starts(40, 2), progress=lambda *args: seen.append((*args, threading.get_ident())), **options)
    done, totals, threads = zip(*seen, strict=True)
    assert list(done) == sorted(set(done))
    assert done[-1] == 40
    assert len(done) == -(-40 // options.get("chunk_size", 40))
    assert set(totals) == {40}
    assert set(threads) == {threading.get_ident()}


@pytest.mark.parametrize("workers", [1, 2])
def test_exception_of_progress_ends_the_run(workers):
    """It comes out, and no thread goes on."""
    calls = []

    def progress(done, total):
        raise PlannedError(done, "as planned")

    before = threading.active_count()
    with pytest.raises(PlannedError, match="as planned"):
        minimize(lambda x: calls.append(1) or valley(x), starts(40, 2), progress=progress, workers=workers,
                 chunk_size=1)
    assert threading.active_count() == before
    n_calls = len(calls)
    time.sleep(0.02)
    assert len(calls) == n_calls


@pytest.mark.parametrize("with_tqdm", [False, True])
def test_progress_on_stderr(monkeypatch, capsys, with_tqdm):
    """By tqdm or, without it, by a line: problems done and the share of them that converged."""
    if with_tqdm:
        pytest.importorskip("tqdm")
    else:
        monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    x0 = np.ones((40, 2))
    x0[:10] = np.nan
    minimize(valley, x0, progress=True, chunk_size=10)
    out, shown = capsys.readouterr()
    assert out == ""
    last = shown.split("\r")[-1]
    assert "75% converged" in last
    assert ("40/40" if with_tqdm else "40 of 40 problems") in last
    assert shown.endswith("\n")


@pytest.mark.parametrize("with_tqdm", [False, True])
def test_progress_ends_with_an_exception(monkeypatch, capsys, with_tqdm):
    """What comes after it on stderr is on a line of its own."""
    if with_tqdm:
        pytest.importorskip("tqdm")
    else:
        monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    fun, x0 = failing_at(38, PlannedError(38, "as planned"))
    with pytest.raises(PlannedError):
        minimize(fun, x0, progress=True, chunk_size=10)
    assert capsys.readouterr().err.endswith("\n")


@pytest.mark.parametrize("progress", [None, 1, "yes", 0])
@pytest.mark.parametrize("workers", [1, 3])
def test_wrong_progress(progress, workers):
    """It is True, False or a function."""
    with pytest.raises(TypeError, match="progress must be True, False or a function"):
        minimize(valley, [1.0, 2.0], progress=progress, workers=workers)


def test_threads_call_nothing_in_vain():
    """After an exception no other call begins, not even for a value at the last point."""
    calls = []

    def fun(x):
        calls.append(x[0])
        time.sleep(0.3)
        if x[0] < 0.0:
            time.sleep(0.1)
            raise ArithmeticError("as planned")
        return valley(x)

    with pytest.raises(ArithmeticError, match="as planned"):
        minimize(fun, [[-1.0, 0.0], [1.0, 0.0], [1.0, 0.0]], workers=2, chunk_size=1)
    assert len(calls) <= 4  # in each thread one more may have begun by then


@pytest.mark.parametrize(("files", "expected"), [
    ({"cpu.max": "150000 100000"}, 1), ({"cpu.max": "50000 100000"}, 1), ({"cpu.max": "max 100000"}, 64),
    ({"cpu/cpu.cfs_quota_us": "300000", "cpu/cpu.cfs_period_us": "100000"}, 3),
    ({"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, 64), ({}, 64),
    ({"own": "0::/jobs/job.7", "jobs/job.7/cpu.max": "200000 100000"}, 2),
    ({"own": "0::/jobs/job.7", "jobs/cpu.max": "500000 100000", "jobs/job.7/cpu.max": "max 100000"}, 5),
    ({"own": "2:cpuacct:/jobs\n1:cpu:/jobs", "cpu/jobs/cpu.cfs_quota_us": "700000",
      "cpu/jobs/cpu.cfs_period_us": "100000"}, 7),
    ({"own": "0::/other", "jobs/cpu.max": "500000 100000"}, 64), ({"own": ""}, 64)], ids=range(11))
def test_cpus_that_the_control_group_allows(files, expected, tmp_path, monkeypatch):
    """Of both versions of control groups, the process's own and those around it."""
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content + "\n")
    monkeypatch.setattr(_crews, "CONTROL_GROUPS", str(tmp_path))
    monkeypatch.setattr(_crews, "OWN_CONTROL_GROUPS", str(tmp_path / "own"))
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)), raising=False)
    assert _crews.available_cpus() == expected


def test_machine_code_gives_the_bits_of_chunks_without_them():
    """A batch of compiled problems that nobody else needs in chunks is one run."""
    x0 = starts(10_000, 2)
    whole = minimize(functions.sum_squares.compiled, x0, learning_rate=0.1)
    for chunks in ({"workers": 2}, {"progress": lambda done, total: None}, {"workers": 2, "chunk_size": 97}):
        result = minimize(functions.sum_squares.compiled, x0, learning_rate=0.1, **chunks)
        assert all(np.array_equal(result[field], whole[field]) for field in FIELDS)


@pytest.mark.skipif(find_spec("numba") is None, reason="needs numba")
def test_jitted_function_that_stays_in_python_gets_the_blocks_of_chunks():
    """Its values may depend on the number of points, as those of matrix products do."""
    x0 = starts(10_000, 2)
    weights = np.ones(len(x0), np.float32)  # for which there is no machine code

    def fun(x, weight):
        return weight * (x * x).sum(axis=0) * (1.0 + 1e-6 * (x.shape[1] if x.ndim > 1 else 0))

    options = {"batch_args": (weights,), "learning_rate": 0.1, "maxiter": 5}
    with pytest.warns(RuntimeWarning, match="called as Python"):
        whole = minimize(fastgd.jit(fun, vectorized=True), x0, **options)
    with pytest.warns(RuntimeWarning, match="called as Python"):
        halves = minimize(fastgd.jit(fun, vectorized=True), x0, workers=2, **options)
    assert all(np.array_equal(halves[field], whole[field]) for field in FIELDS)


def test_options_for_all_problems_are_those_of_each():
    x0 = starts(300, 2)
    options = {"learning_rate": 0.1, "gtol": 1e-5, "xtol": 1e-7, "ftol": 1e-8, "ftarget": 1e-12, "maxiter": 25,
               "maxfev": 500}
    common = minimize(functions.sum_squares.compiled, x0, **options)
    each = minimize(functions.sum_squares.compiled, x0,
                    **{name: np.full(len(x0), value) for name, value in options.items()})
    assert len(set(common.status)) > 2
    assert all(np.array_equal(common[field], each[field]) for field in FIELDS)
