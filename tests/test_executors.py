"""Batches solved by other processes: executors, map-like callables, Dask, MPI; workers that die."""

import ctypes
import glob
import math
import multiprocessing
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

import fastgd
from fastgd import Status, _crews, _signals, functions, maximize, minimize, schedules
from fastgd.noise import GaussianNoise

from .problems import bits, valley

pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork.*:DeprecationWarning")

MAIN = os.getpid()  # another one in processes that import this module; the same in those that were forked
SHAPE = (6, 9, 2)


def starts(*shape, seed=1):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, shape) * 10.0 ** rng.uniform(-5, 0, (*shape[:-1], 1))


def scaled(x, scale, center):
    return scale * valley(x - center)


def slopes(x):
    return np.array([2 * x[0] + 0.4 * x[0] * x[0] * x[0] + x[1], 4 * x[1] + 0.4 * x[1] * x[1] * x[1] + x[0]])


def wary(x):
    if np.any(x[0] > 0.9):
        raise ArithmeticError("too far")
    return valley(x)


def valley_of_rows(x):
    return valley(x.T)


def valley_of_two(a, b):
    return valley((a, b))


CASES = {
    "pointwise": (valley, {}), "columns": (valley, {"vectorized": True}),
    "rows": (valley_of_rows, {"vectorized": "rows"}), "unpacked": (valley_of_two, {"unpack": True}),
    "gradient": (valley, {"jac": slopes}),
    "data": (scaled, {"args": (0.7,), "batch_args": (np.linspace(-1, 1, 54).reshape(6, 9),)}),
    "argument": (scaled, {"args": (0.7, 0.1), "vectorized": True}),
    "bounds": (valley, {"bounds": (-0.5, np.full(SHAPE, 0.4)), "keep_best": True, "xtol": 1e-8}),
    "numbers of each": (valley, {"learning_rate": np.linspace(0.001, 0.05, 54).reshape(6, 9), "gtol": 1e-3,
                                 "maxiter": np.arange(54).reshape(6, 9)}),
    "noise": (valley, {"learning_rate": schedules.CosineDecay(0.05, steps=30), "noise": GaussianNoise(0.1), "rng": 5,
                       "maxiter": 40}),
    "recorded": (wary, {"on_error": "record"}),
}


@contextmanager
def processes(method):
    with ProcessPoolExecutor(2, multiprocessing.get_context(method)) as pool:
        yield pool


@contextmanager
def loky():
    pool = pytest.importorskip("loky").ProcessPoolExecutor(2)
    yield pool
    pool.shutdown()


@contextmanager
def dask():
    pytest.importorskip("distributed")
    from distributed import Client, LocalCluster

    with (LocalCluster(processes=False, dashboard_address=":0", n_workers=2, threads_per_worker=1) as cluster,
          Client(cluster) as client):
        yield client.get_executor()


@contextmanager
def pool_map(name):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        yield getattr(pool, name)


CREWS = {
    "fork": lambda: processes("fork"), "spawn": lambda: processes("spawn"), "loky": loky, "dask": dask,
    "map": lambda: pool_map("map"), "imap": lambda: pool_map("imap"),
}
if not hasattr(os, "fork"):
    del CREWS["fork"]


@pytest.fixture(scope="module", params=CREWS)
def crew(request):
    with CREWS[request.param]() as workers:
        yield workers


@pytest.fixture
def pool():
    """Two processes."""
    with processes("fork" if hasattr(os, "fork") else "spawn") as pool:
        yield pool


@pytest.mark.parametrize("case", CASES)
def test_same_bits_from_other_processes(crew, case):
    """Numbers do not depend on who solved a problem, nor on what was in its chunk."""
    fun, options = CASES[case]
    x0 = np.clip(starts(*SHAPE), -0.5, 0.4) if case == "bounds" else starts(*SHAPE)
    options = {"maxiter": 30, **options}
    expected = bits(minimize(fun, x0, **options))
    for chunk_size in (7, 30):
        assert bits(minimize(fun, x0, workers=crew, chunk_size=chunk_size, **options)) == expected


def test_spread_points_from_other_processes(crew):
    """The points of one problem, or of a few, evaluated elsewhere: the same numbers."""
    for fun, x0, options in (
            (valley, [0.25, 0.125], {}), (valley_of_two, [0.25, 0.125], {"unpack": True, "keep_best": True}),
            (scaled, [0.25, 0.125], {"args": (0.7, 0.1), "bounds": (-0.2, 0.3)}),
            (wary, [0.95, 0.125], {"on_error": "record"}), (abs, -3.0, {"learning_rate": 0.1, "maxiter": 9}),
            (scaled, [[0.25, 0.125]], {"args": (0.7,), "batch_args": ([0.1],)})):
        assert bits(minimize(fun, x0, workers=crew, **options)) == bits(minimize(fun, x0, **options))


def test_exceptions_from_other_processes(crew):
    """Type, words and the note with the problem's number arrive, whichever way it came."""
    x0 = starts(30, 2) * 0.5
    x0[23] = 0.95
    with pytest.raises(ArithmeticError, match="too far") as caught:
        minimize(wary, x0, workers=crew, chunk_size=4, maxiter=3, learning_rate=1e-9)
    assert "fastgd: raised for problem 23 at iteration 0" in caught.value.__notes__
    with pytest.raises(ArithmeticError, match="too far") as caught:
        minimize(wary, x0[23], workers=crew)
    assert "fastgd: raised for problem 0 at iteration 0" in caught.value.__notes__


def test_functions_of_the_program_itself(crew):
    """Lambdas, closures and functions of one's own module travel where cloudpickle is installed."""
    pytest.importorskip("cloudpickle")
    shift = 0.25
    options = {"jac": lambda x: slopes(x - shift), "learning_rate": lambda k: 0.1 / (k + 1), "maxiter": 20}
    assert bits(minimize(lambda x: valley(x - shift), starts(20, 2), workers=crew, **options)) == bits(
        minimize(lambda x: valley(x - shift), starts(20, 2), **options))


def test_jitted_functions(pool):
    """They are compiled in every process, once."""
    pytest.importorskip("numba")
    x0 = starts(60, 3)
    fun = fastgd.jit(valley)
    expected = bits(minimize(fun, x0))
    assert bits(minimize(fun, x0, workers=pool, chunk_size=10)) == expected


def different_when_called(x):
    """Where it is 7, what was traced is not."""
    return 7.0 if type(x) is np.ndarray and x[0] == 0.5 else valley(x)


def test_jitted_functions_are_checked_at_the_same_points_everywhere(pool):
    """Those of the first chunk: else one process might run the kernel, and another one Python."""
    pytest.importorskip("numba")
    x0 = starts(60, 3)
    x0[20:30, 0] = 0.5
    expected = bits(minimize(fastgd.jit(different_when_called), x0, chunk_size=10))
    assert bits(minimize(fastgd.jit(different_when_called), x0, chunk_size=10, workers=pool)) == expected


cosine = ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int, ctypes.POINTER(ctypes.c_double))(lambda n, x: math.cos(x[0]))


class Holder:
    slopes = staticmethod(slopes)


def test_the_script_of_the_readme(tmp_path):
    """By processes that import it anew."""
    readme = Path(__file__).parents[1].joinpath("README.md").read_text()
    script = next(block for block in re.findall(r"```python\n(.*?)```", readme, re.DOTALL) if "__main__" in block)
    spawning = "import multiprocessing\nmultiprocessing.set_start_method('spawn', force=True)\n"
    (tmp_path / "script.py").write_text(spawning + script)
    run = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    assert "success: 8 of 8" in run.stdout


def test_functions_by_name(crew):
    """What cannot be pickled is imported where it is called, and a name may have several parts."""
    here = __name__
    with pytest.raises(TypeError, match="the objective cannot be sent to other processes"):
        minimize(cosine, starts(20, 1), workers=crew)
    assert bits(minimize(f"{here}:cosine", starts(20, 1), workers=crew, chunk_size=7)) == bits(
        minimize(cosine, starts(20, 1)))
    options = {"jac": f"{here}:Holder.slopes", "workers": crew, "chunk_size": 7}
    assert bits(minimize(f"{here}:valley", starts(20, 2), **options)) == bits(
        minimize(valley, starts(20, 2), jac=slopes))
    assert bits(minimize(f"{here}:valley", starts(2), workers=crew)) == bits(minimize(valley, starts(2)))


def test_names_of_functions_without_workers():
    """They go for functions everywhere; Python says what is wrong with them."""
    x0 = starts(2)
    assert bits(minimize("tests.problems:valley", x0)) == bits(minimize(valley, x0))
    assert bits(maximize("math:cos", 0.5)) == bits(maximize(math.cos, 0.5))
    assert fastgd.gradient("tests.problems:valley", x0).tobytes() == fastgd.gradient(valley, x0).tobytes()
    with pytest.raises(ModuleNotFoundError, match="no_such_module"):
        minimize("no_such_module:valley", x0)
    with pytest.raises(AttributeError, match="no_such_function"):
        minimize("tests.problems:no_such_function", x0)
    with pytest.raises(TypeError, match="fun must be callable, got str"):
        minimize("tests.problems", x0)
    with pytest.raises(TypeError, match="fun must be callable, got float"):
        minimize("math:pi", x0)


def test_maximum_from_other_processes(pool):
    """All fields are in the user's sign, once."""
    expected = maximize(np.cos, 0.5 + np.zeros((5, 1)), unpack=True)
    assert bits(maximize(np.cos, 0.5 + np.zeros((5, 1)), unpack=True, workers=pool)) == bits(expected)
    assert bits(maximize(np.cos, 0.5, workers=pool))["x"] == expected.x[0].tobytes()


def stateful():
    asked = []

    def rate(k):
        asked.append(k)
        return 0.05 if len(asked) <= 10 else 0.01

    return rate


def test_a_schedule_is_asked_once_in_every_process(pool):
    """A function of its own calls is one of the iteration, in whatever chunk."""
    pytest.importorskip("cloudpickle")
    options = {"learning_rate": stateful(), "maxiter": 30, "chunk_size": 3}
    sent = minimize(valley, starts(40, 2), workers=pool, **options)
    assert bits(sent) == bits(minimize(valley, starts(40, 2), **options))


INTERRUPTED = """
import os, signal, threading, time
from concurrent.futures import ProcessPoolExecutor
import numpy as np
from fastgd import minimize

def press():
    time.sleep(1.0)
    pressed.append(time.monotonic())
    os.kill(os.getpid(), signal.SIGINT)

if __name__ == "__main__":
    pressed, before = [], threading.active_count()
    with ProcessPoolExecutor(2) as pool:
        threading.Thread(target=press).start()
        try:
            minimize("fastgd.functions:rosenbrock.compiled", np.ones((9000, 4)) / 3, workers=pool, gtol=0,
                     learning_rate=1e-9, maxiter=10**9)
        except KeyboardInterrupt:
            print(time.monotonic() - pressed[0] < 0.5)
        for process in pool._processes.values():
            process.kill()
    print(threading.active_count() - before)
"""


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_while_processes_work():
    """KeyboardInterrupt comes out within half a second, though the processes, which are the user's, are busy."""
    run = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True, timeout=60)
    assert (run.stdout, run.stderr) == ("True\n0\n", "")


# What is sent, and when


class Later(Executor):
    """Does what was submitted in another order, in a thread that begins when nothing more comes."""

    _max_workers = 2

    def __init__(self):
        self.waiting, self.most, self.submitted = [], 0, 0

    def submit(self, function, /, *args, **kwargs):
        future = Future()
        self.waiting.append((future, function, args, kwargs))
        self.submitted += 1
        self.most = max(self.most, len(self.waiting))
        threading.Timer(0.01, self.do_last).start()
        return future

    def do_last(self):
        future, function, args, kwargs = self.waiting.pop()
        if future.set_running_or_notify_cancel():
            try:
                future.set_result(function(*args, **kwargs))
            except BaseException as error:
                future.set_exception(error)


def test_few_chunks_are_sent_at_a_time():
    """A window of them, in order; the answers come in any order."""
    executor = Later()
    result = minimize(valley, starts(60, 2), workers=executor, chunk_size=2)
    assert bits(result) == bits(minimize(valley, starts(60, 2)))
    assert executor.submitted == 30
    assert executor.most <= 4


class Unpicklable:
    def __call__(self, x):
        return valley(x)

    def __reduce__(self):
        raise RuntimeError("it cannot leave")


@pytest.mark.parametrize(("options", "what"), [
    ({"fun": Unpicklable()}, "the objective"), ({"jac": Unpicklable()}, "the objective"),
    ({"args": (Unpicklable(),)}, "the objective"), ({"learning_rate": Unpicklable()}, "the objective"),
    ({"batch_args": (np.array([Unpicklable()] * 8, dtype=object),)}, "batch_args")])
def test_what_cannot_be_pickled_is_not_sent(options, what):
    """A TypeError says so before anything is submitted."""
    executor = Later()
    with pytest.raises(TypeError, match=f"{what} cannot be sent to other processes.*it cannot leave"):
        minimize(**{"fun": valley, "x0": starts(8, 2), "workers": executor, **options})
    assert not executor.submitted


@pytest.mark.parametrize("fun", [functions.sphere.compiled, lambda x: x[0]], ids=["capsule", "lambda"])
def test_what_plain_pickle_cannot_pickle(monkeypatch, fun):
    """Without cloudpickle there is less that can be sent; the message says what helps."""
    monkeypatch.setitem(sys.modules, "cloudpickle", None)
    executor = Later()
    for x0 in (starts(8, 2), [0.5, 0.5]):
        with pytest.raises(TypeError, match=r"cannot be pickled \(with cloudpickle"):
            minimize(fun, x0, workers=executor)
    assert not executor.submitted
    assert minimize(valley, starts(8, 2), workers=executor).success.all()


def test_wrong_arguments_are_not_sent():
    """They are told before anything is submitted."""
    executor = Later()
    for options, error in (({"fun": 3}, TypeError), ({"jac": "4-point"}, ValueError), ({"batch_args": 3}, TypeError),
                           ({"vectorized": "columns"}, ValueError), ({"callback": print}, TypeError),
                           ({"trace": 1}, TypeError)):
        with pytest.raises(error):
            minimize(**{"fun": valley, "x0": starts(8, 2), "workers": executor, **options})
    with pytest.raises(TypeError, match="callback and trace do not go with a map-like callable"):
        minimize(valley, starts(8, 2), workers=executor.map, callback=print)
    assert not executor.submitted


# Exceptions


class CannotReturnError(Exception):
    def __init__(self, number, reason):
        super().__init__(reason)


def raising(x, kind):
    if kind == "unpicklable":
        raise CannotReturnError(1, "as planned")
    if kind:
        raise {"interrupt": KeyboardInterrupt, "exit": SystemExit}[kind]("as planned")
    return valley(x)


@pytest.mark.parametrize("x0", [starts(9, 2), starts(1, 2)], ids=["chunks", "points"])
def test_exceptions_that_cannot_be_sent_back(pool, x0):
    """They are told by another one, unless a library has taught pickle to send all, and break no pool."""
    kinds = np.array([""] * (len(x0) - 1) + ["unpicklable"])
    with pytest.raises((CannotReturnError, RuntimeError), match=r"^(CannotReturnError: )?as planned") as caught:
        minimize(raising, x0, batch_args=(kinds,), workers=pool, chunk_size=2)
    assert f"fastgd: raised for problem {len(x0) - 1} at iteration 0" in caught.value.__notes__
    assert minimize(valley, x0, workers=pool).success.all()


@pytest.mark.parametrize(("kind", "error"), [("interrupt", KeyboardInterrupt), ("exit", SystemExit)])
@pytest.mark.parametrize("n_problems", [9, 1])
def test_keyboard_interrupt_and_system_exit_come_back(pool, kind, error, n_problems):
    """They are never recorded."""
    kinds = np.array([""] * (n_problems - 1) + [kind])
    with pytest.raises(error, match="as planned"):
        minimize(raising, starts(n_problems, 2), batch_args=(kinds,), workers=pool, on_error="record", chunk_size=2)
    assert minimize(valley, starts(9, 2), workers=pool).success.all()


def numbered(x, number):
    if number == 3:
        time.sleep(0.2)
    if number in (3, 4, 20):
        raise ArithmeticError(number)
    return valley(x)


def test_exception_of_the_lowest_chunk_comes_back(pool):
    """However late it comes."""
    with pytest.raises(ArithmeticError, match="3"):
        minimize(numbered, starts(30, 2), batch_args=(np.arange(30),), workers=pool, chunk_size=1)


def test_exception_of_progress_cancels_what_waits(pool):
    """The pool has nothing to do afterwards but what it had begun."""
    def progress(done, total):
        raise ArithmeticError("as planned")

    with pytest.raises(ArithmeticError, match="as planned"):
        minimize(valley, starts(30, 2), workers=pool, chunk_size=1, progress=progress)
    assert minimize(valley, starts(30, 2), workers=pool).success.all()


# The time


def slow(x):
    time.sleep(0.002)
    return valley(x)


def drowsy(x):
    time.sleep(0.5)
    return valley(x)


@pytest.mark.parametrize("how", ["submit", "map"])
def test_time_is_that_of_the_call_in_other_processes(pool, how):
    """Chunks that come too late to a worker are left as they are."""
    x0 = starts(60, 2)
    workers = pool if how == "submit" else pool.map
    result = minimize(slow, x0, workers=workers, chunk_size=1, maxtime=0.1)
    left = result.nfev == 0
    assert left.sum() > 20
    assert np.array_equal(result.x[left], x0[left])
    assert np.isnan(result.fun[left]).all()
    assert (result.status[left] == Status.MAXTIME).all()
    done = result.status != Status.MAXTIME
    assert bits(result, done) == bits(minimize(valley, x0), done)


def test_time_of_points_in_other_processes(pool):
    """No point is begun when the time is over, but those of the answer."""
    result = minimize(slow, np.full(200, 0.5), workers=pool, maxtime=0.05)
    assert result.status == Status.MAXTIME
    assert result.nfev < 400
    assert result.fun == valley(result.x)


# Deaths


def poisonous(x, poison):
    if poison:
        os._exit(3)
    return valley(x)


def poisonous_once(x, file):
    """Kills the first process in which it is called with a file that is not there."""
    if file and not os.path.exists(file):
        with open(file, "w"):
            pass
        os._exit(3)
    return valley(x)


@pytest.mark.parametrize("poisons", [[17], [0, 39], [17, 18]], ids=str)
def test_only_what_kills_is_lost(pool, poisons):
    """Chunks are tried again and halved: all problems but those that no process survives are solved."""
    x0 = starts(40, 2)
    poison = np.isin(np.arange(40), poisons)
    result = minimize(poisonous, x0, batch_args=(poison,), workers=pool, chunk_size=8)
    assert np.flatnonzero(result.status == Status.WORKER_LOST).tolist() == poisons
    assert bits(result, ~poison) == bits(minimize(valley, x0), ~poison)
    assert np.array_equal(result.x[poison], x0[poison])
    assert np.isnan(result.fun[poison]).all()
    assert not result.nfev[poison].any()
    with pytest.raises(BrokenExecutor):  # as it was left by what happened, not shut down
        pool.submit(int)


def test_a_death_that_does_not_happen_again(pool, tmp_path):
    """Then nothing is lost, and chunks that were run twice have the same bits."""
    files = np.array([""] * 40, dtype=object)
    files[[3, 21]] = str(tmp_path / "a"), str(tmp_path / "b")
    result = minimize(poisonous_once, starts(40, 2), batch_args=(files,), workers=pool, chunk_size=2)
    assert bits(result) == bits(minimize(valley, starts(40, 2)))


def poisonous_without(x, file):
    """Kills the process unless there is the file."""
    if file and not os.path.exists(file):
        os._exit(3)
    return valley(x)


def test_what_is_lost_is_tried_again_from_a_checkpoint(pool, tmp_path):
    """With all of its chunk, whose other answers are not taken for starts."""
    cure, seen = tmp_path / "cure", []
    files = np.array([""] * 20, dtype=object)
    files[13] = str(cure)
    options = {"batch_args": (files,), "chunk_size": 8, "checkpoint": tmp_path / "run"}
    result = minimize(poisonous_without, starts(20, 2), workers=pool, **options)
    assert np.flatnonzero(result.status == Status.WORKER_LOST).tolist() == [13]
    cure.touch()
    result = minimize(poisonous_without, starts(20, 2), progress=lambda *done: seen.append(done), **options)
    assert bits(result) == bits(minimize(valley, starts(20, 2)))
    assert seen == [(12, 20), (20, 20)]


def test_deaths_in_a_pool_of_loky():
    """It is replaced as one of the standard library."""
    poison = np.arange(20) == 13
    with loky() as pool:
        result = minimize(poisonous, starts(20, 2), batch_args=(poison,), workers=pool, chunk_size=1)
    assert np.flatnonzero(result.status == Status.WORKER_LOST).tolist() == [13]
    assert bits(result, ~poison) == bits(minimize(valley, starts(20, 2)), ~poison)


def poisonous_beyond(x, limit):
    if x[0] > limit:
        os._exit(3)
    return valley(x)


def poisonous_below(x, limit):
    if x[0] < limit:
        os._exit(3)
    return valley(x)


def test_points_that_kill(tmp_path):
    """One problem whose points are evaluated by processes: lost if the same point kills twice."""
    method = "fork" if hasattr(os, "fork") else "spawn"
    with processes(method) as pool:
        result = minimize(poisonous_beyond, [0.5, 0.25], args=(0.5,), workers=pool)
    assert (result.status, result.nit, result.nfev) == (Status.WORKER_LOST, 0, 0)
    assert result.x.tolist() == [0.5, 0.25]
    assert np.isnan(result.fun)
    for x0 in ([0.5, 0.25], [[0.5, 0.25]]):  # not where it was when it died
        with processes(method) as pool:
            result = minimize(poisonous_below, x0, args=(0.25,), workers=pool)
        assert np.all(result.status == Status.WORKER_LOST)
        assert result.x.tolist() == x0
    with processes(method) as pool:
        result = minimize(poisonous_once, [0.5, 0.25], args=(str(tmp_path / "a"),), workers=pool)
    assert bits(result) == bits(minimize(valley, [0.5, 0.25]))


def give_up():
    os._exit(3)


def test_a_pool_that_cannot_begin():
    """No problem is to blame for it: the exception of the pool comes out."""
    with ProcessPoolExecutor(1, initializer=give_up) as pool, pytest.raises(BrokenExecutor):
        minimize(valley, starts(40, 2), workers=pool)


def breaks_its_own_pool(x):
    raise BrokenExecutor("a pool of its own")


@pytest.mark.parametrize("x0", [starts(9, 2), starts(1, 2)], ids=["chunks", "points"])
def test_pools_of_the_function_itself(pool, x0):
    """That one of them has broken is an exception of the function, not the death of a worker."""
    with pytest.raises(BrokenExecutor, match="a pool of its own"):
        minimize(breaks_its_own_pool, x0, workers=pool)
    result = minimize(breaks_its_own_pool, x0, workers=pool, on_error="record")
    assert (result.status == Status.EXCEPTION).all()


class Broken(Executor):
    def submit(self, function, /, *args, **kwargs):
        raise BrokenExecutor("for good")


def test_an_executor_that_is_broken_for_good():
    """One that cannot be replaced ends the run."""
    for x0 in (starts(40, 2), [0.5, 0.25]):
        with pytest.raises(BrokenExecutor, match="for good"):
            minimize(valley, x0, workers=Broken())


class Interrupted(Executor):
    """Its processes die again and again, and Ctrl-C comes while others take their place."""

    def __init__(self):
        self.is_renewed = False

    def submit(self, function, /, *args, **kwargs):
        raise BrokenExecutor

    def renew(self, error):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)
        self.is_renewed = True
        raise error


@pytest.mark.skipif(os.name == "nt", reason="no signals")
def test_ctrl_c_does_not_cut_off_the_renewal_of_a_pool(monkeypatch):
    crew = _crews.OnExecutor(Interrupted())
    monkeypatch.setattr(crew, "renew", crew.executor.renew)
    with pytest.raises(KeyboardInterrupt):
        crew.submit(int)
    assert crew.executor.is_renewed


@pytest.mark.skipif(os.name == "nt", reason="no signals")
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGALRM"])
def test_signals_have_their_effect_afterwards(name):
    """Those whose handlers the program has set, and the first of several; a second one at once."""
    number, seen = getattr(signal, name), []
    before = signal.signal(number, lambda number, frame: seen.append(number))
    try:
        with _signals.uninterrupted():
            os.kill(os.getpid(), number)
            time.sleep(0.01)
            assert seen == []
        assert seen == [number]
        with _signals.uninterrupted():
            for n_seen in (0, 1):
                os.kill(os.getpid(), number)
                time.sleep(0.01)
                assert len(seen) == 1 + n_seen
        assert len(seen) == 3
    finally:
        signal.signal(number, before)


def gone(function, tasks):
    raise ConnectionError("the cluster is gone")


def without_answers(function, tasks):
    return [None for _ in tasks]


@pytest.mark.parametrize("on_error", ["raise", "record"])
@pytest.mark.parametrize("x0", [[0.5, 0.25], starts(40, 2)], ids=["one", "many"])
def test_troubles_of_those_who_evaluate_are_not_the_functions(x0, on_error):
    """They are raised as they are, and blamed on no problem."""
    pool = ProcessPoolExecutor(1)
    pool.shutdown()
    for workers, error, message in ((pool, RuntimeError, "after shutdown"), (gone, ConnectionError, "is gone"),
                                    (without_answers, TypeError, "None")):
        with pytest.raises(error, match=message) as caught:
            minimize(valley, x0, workers=workers, on_error=on_error)
        assert not hasattr(caught.value, "__notes__")


def root(x):
    if x[0] < 0:
        raise ValueError
    return math.sqrt(x[0]) + 1.0


def test_value_at_a_start_whose_stencil_fails():
    """It is known, whether its points are evaluated one after another or side by side."""
    how = {"on_error": "record", "learning_rate": 0.1, "maxiter": 1}
    results = [minimize(root, [[1e-6], [1.0]], workers=workers, **how, **options)
               for workers in (1, 2, 3) for options in ({"ftol": 1e-9}, {"keep_best": True}, {})]
    for result, expected in zip(results[3:], results[:3] * 2, strict=True):
        assert bits(result) == bits(expected)
    assert results[0].fun[0] == results[2].fun[0] == root([1e-6])


def test_pools_in_the_place_of_broken_ones_do_not_stay():
    """No thread is left, nor a process."""
    poison = np.arange(20) == 13
    method = "fork" if hasattr(os, "fork") else "spawn"
    before = {*threading.enumerate(), *multiprocessing.active_children()}
    for _ in range(2):
        with processes(method) as pool:
            minimize(poisonous, starts(20, 2), batch_args=(poison,), workers=pool, chunk_size=4)
    assert before.issuperset(threading.enumerate() + multiprocessing.active_children())


# Machines


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_a_dask_worker_is_killed():
    """In mid-run: what it had is done by the others, and nothing is lost."""
    pytest.importorskip("distributed")
    from distributed import Client, LocalCluster

    x0 = starts(60, 2)
    killed = []
    with (LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0",
                       silence_logs=50) as cluster, Client(cluster) as client):
        victim = min(client.run(os.getpid).values())

        def progress(done, total):
            if not killed and done >= 10:
                os.kill(victim, signal.SIGKILL)
                killed.append(done)

        result = minimize(slow, x0, workers=client.get_executor(), chunk_size=2, progress=progress, maxiter=15)
    assert 10 <= killed[0] < 60
    assert bits(result) == bits(minimize(valley, x0, maxiter=15))


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_a_dask_worker_is_killed_in_a_stencil():
    """The points that it had, and those that it would have got, go to the others."""
    pytest.importorskip("distributed")
    from distributed import Client, LocalCluster

    killed = []
    with (LocalCluster(n_workers=2, threads_per_worker=1, processes=True, dashboard_address=":0",
                       silence_logs=50) as cluster, Client(cluster) as client):
        victim = min(client.run(os.getpid).values())

        def callback(intermediate_result):
            if intermediate_result.nit == 3:
                killed.append(threading.Timer(5e-3, os.kill, (victim, signal.SIGKILL)))
                killed[0].start()

        result = minimize(slow, [0.5, 0.25], workers=client.get_executor(), callback=callback, maxiter=15)
        assert victim not in client.run(os.getpid).values()
    assert bits(result) == bits(minimize(valley, [0.5, 0.25], maxiter=15))


@contextmanager
def dask_processes(**configuration):
    pytest.importorskip("distributed")
    import dask
    from distributed import Client, LocalCluster

    with (dask.config.set(configuration), LocalCluster(n_workers=2, threads_per_worker=1, processes=True,
                                                       dashboard_address=":0", silence_logs=50) as cluster,
          Client(cluster) as client):
        yield client


class UnknownElsewhereError(Exception):
    """As if it were defined in a script: it travels by value."""


UnknownElsewhereError.__module__ = "__main__"


def raise_one(x, kind):
    raise kind("as planned")


def test_exceptions_from_processes_of_dask():
    """They come as what they are, and those that would end a worker do not."""
    with dask_processes() as client:
        for kind in (KeyboardInterrupt, SystemExit, ZeroDivisionError):
            for x0 in ([0.5, 0.25], starts(9, 2)):
                with pytest.raises(kind, match="as planned"):
                    minimize(raise_one, x0, args=(kind,), workers=client.get_executor(), chunk_size=2)
        assert len(client.nthreads()) == 2


def test_exceptions_that_only_a_script_knows(pool):
    """Their class is that of the script."""
    with pytest.raises(UnknownElsewhereError, match="as planned"):
        minimize(raise_one, starts(9, 2), args=(UnknownElsewhereError,), workers=pool)


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_a_dask_worker_that_died_before():
    """The stencil does not wait for it."""
    with dask_processes() as client:
        os.kill(min(client.run(os.getpid).values()), signal.SIGKILL)
        result = minimize(valley, [0.5, 0.25], workers=client.get_executor(), maxiter=5)
    assert bits(result) == bits(minimize(valley, [0.5, 0.25], maxiter=5))


def test_a_stencil_inside_a_task_of_dask():
    """One of the two workers is busy with the run itself, and cannot help."""
    def outer():
        from distributed import get_client

        return bits(minimize(valley, [0.5, 0.25], workers=get_client().get_executor(), maxiter=5))

    with dask_processes() as client:
        assert client.submit(outer).result(timeout=60) == bits(minimize(valley, [0.5, 0.25], maxiter=5))


def test_poison_in_a_cluster_of_dask():
    """Only the problem that kills its workers is lost."""
    poison = np.arange(6) == 3
    with dask_processes(**{"distributed.scheduler.allowed-failures": 0}) as client:
        result = minimize(poisonous, starts(6, 2), batch_args=(poison,), workers=client.get_executor(), chunk_size=2)
    assert np.flatnonzero(result.status == Status.WORKER_LOST).tolist() == [3]
    assert bits(result, ~poison) == bits(minimize(valley, starts(6, 2)), ~poison)


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_while_actors_evaluate():
    """It returns at once, leaves no thread, and the actors stop after the points they are at."""
    with dask_processes() as client:
        executor = client.get_executor()
        minimize(valley, np.zeros(6), workers=executor, maxiter=1)
        before = set(threading.enumerate())
        timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            minimize(drowsy, np.zeros(20), workers=executor)
        begin = time.monotonic()
        timer.join()
        assert before.issuperset(threading.enumerate())
        minimize(valley, np.zeros(6), workers=executor, maxiter=1)
        assert time.monotonic() - begin < 5.0  # all points would have taken 10 seconds


class Weighing(ProcessPoolExecutor):
    """Knows how many bytes were sent."""

    n_bytes = 0

    def submit(self, fn, /, *args, **kwargs):
        self.n_bytes += len(pickle.dumps((fn, args, kwargs)))
        return super().submit(fn, *args, **kwargs)


def heavy(x, data):
    return valley(x) + data[7]


def test_large_data_are_not_sent_with_every_task():
    """Workers read them once, for many problems and for the stencil of one."""
    data, files = np.zeros(100_000), glob.glob(f"{tempfile.gettempdir()}/fastgd-*")
    with Weighing(2) as pool:
        for x0 in (starts(60, 2), np.full(30, 0.5)):
            result = minimize(heavy, x0, args=(data,), workers=pool, chunk_size=2, maxiter=5)
            assert bits(result) == bits(minimize(valley, x0, maxiter=5))
    assert pool.n_bytes < data.nbytes
    assert glob.glob(f"{tempfile.gettempdir()}/fastgd-*") == files
    with dask_processes() as client:
        for x0 in (starts(60, 2), np.full(30, 0.5)):
            result = minimize(heavy, x0, args=(data,), workers=client.get_executor(), chunk_size=2, maxiter=5)
            assert bits(result) == bits(minimize(valley, x0, maxiter=5))


SIX = threading.Barrier(6, timeout=20)


def meeting(x):
    """Six of them wait for each other."""
    if x[0] == 0.5:
        SIX.wait()
    return x[1] * x[1]


def test_a_client_of_dask_is_not_its_executor():
    """It can submit, too, but not as an Executor does."""
    with dask() as executor, pytest.raises(TypeError, match=r"got Client \(pass its get_executor\(\)\)"):
        minimize(valley, starts(9, 2), workers=executor._client)


def test_dask_has_work_for_all_workers():
    """As many chunks are sent as there are threads in the cluster, and as many again."""
    pytest.importorskip("distributed")
    from distributed import Client, LocalCluster

    x0 = np.column_stack([np.repeat([0.5, 0.25], [6, 14]), np.zeros(20)])
    with (LocalCluster(processes=False, dashboard_address=":0", n_workers=2, threads_per_worker=3) as cluster,
          Client(cluster) as client):
        many = minimize(meeting, x0, workers=client.get_executor(), chunk_size=1, maxiter=0)
        one = minimize(valley, [0.5, 0.25], workers=client.get_executor())
    assert many.success.all()
    assert bits(one) == bits(minimize(valley, [0.5, 0.25]))


MPI = """
import numpy as np
from mpi4py.futures import MPIPoolExecutor
from fastgd import minimize
from tests.problems import bits, valley

if __name__ == "__main__":
    x0 = np.random.default_rng(0).uniform(-1, 1, (100, 2))
    with MPIPoolExecutor() as pool:
        assert bits(minimize(valley, x0, workers=pool)) == bits(minimize(valley, x0))
        assert bits(minimize(valley, x0[0], workers=pool)) == bits(minimize(valley, x0[0]))
        print(pool.num_workers, "workers")
"""


def test_mpi(tmp_path):
    """Its executor is one like others, in a program started by mpiexec."""
    mpiexec = shutil.which("mpiexec", path=os.path.dirname(sys.executable)) or shutil.which("mpiexec")
    program = tmp_path / "program.py"
    program.write_text(MPI)
    if mpiexec is None or subprocess.run([sys.executable, "-c", "import mpi4py.MPI"], capture_output=True).returncode:
        pytest.skip("MPI is not installed")
    run = subprocess.run([mpiexec, "-n", "3", sys.executable, "-m", "mpi4py.futures", program], capture_output=True,
                         text=True, timeout=60, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    assert (run.stdout, run.stderr) == ("2 workers\n", "")
