"""Who solves a batch: threads, processes, a cluster or one thread alone, with the same bits."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import numpy as np
import pytest

from fastgd import CheckpointError, Status, functions, jit, maximize, minimize, noise, schedules
from tests.problems import bits

STARTS = np.random.default_rng(0).uniform(-1.0, 1.0, (300, 3))
MAIN = os.getpid()


def bowl(x, *center):
    return (x[0] - 1.0) * (x[0] - 1.0) + 3.0 * x[1] * x[1] + (x[2] - sum(center)) * (x[2] - sum(center))


def poisonous(x):
    """Kills every process but the first where it is called near (5, ...)."""
    if abs(x[0] - 5.0) < 1e-3 and os.getpid() != MAIN:
        os._exit(1)
    return bowl(x)


def raising(x):
    if x[0] > 4.0:
        raise ArithmeticError(f"at {x[0]:.0f}")
    return bowl(x)


CASES = {
    "pointwise": (bowl, {}),
    "vectorized": (bowl, {"vectorized": True}),
    "bounded": (bowl, {"vectorized": True, "bounds": (-1.0, [1.0, 1.0, 2.0])}),
    "data": (bowl, {"batch_args": (np.linspace(-1.0, 1.0, 300),), "keep_best": True}),
    "noise": (bowl, {"method": "adam", "learning_rate": schedules.ExponentialDecay(0.1, 0.9), "maxiter": 30,
                     "noise": noise.GaussianNoise(0.01), "rng": 5}),
    "per problem": (bowl, {"learning_rate": np.linspace(0.01, 0.1, 300), "gtol": np.linspace(1e-8, 1e-4, 300)}),
}


@pytest.mark.parametrize("case", CASES)
def test_results_do_not_depend_on_the_workers(case):
    """Any number of threads, processes, a map, and any size of chunks: the same bits."""
    fun, options = CASES[case]
    expected = bits(minimize(fun, STARTS, **options))
    for workers in (2, 8, -1):
        assert bits(minimize(fun, STARTS, workers=workers, chunk_size=37, **options)) == expected
    with ThreadPoolExecutor(3) as pool:
        assert bits(minimize(fun, STARTS, workers=pool, chunk_size=50, **options)) == expected
    with ProcessPoolExecutor(2) as pool:
        assert bits(minimize(fun, STARTS, workers=pool, chunk_size=100, **options)) == expected
    assert bits(minimize(fun, STARTS, workers=map, **options)) == expected
    assert bits(minimize(fun, STARTS, chunk_size=1, **options)) == expected


@pytest.mark.parametrize("fun", [functions.rosenbrock.compiled, functions.rosenbrock], ids=["C", "NumPy"])
def test_large_batches_in_chunks(fun):
    """A batch of several chunks gives what its problems give one by one; so do images of problems."""
    options = {"vectorized": True} if fun is functions.rosenbrock else {}
    x0 = np.random.default_rng(1).uniform(-1.0, 1.0, (100, 90, 2))
    batch = minimize(fun, x0, workers=2, **options)
    assert batch.x.shape == x0.shape
    assert bits(batch) == bits(minimize(fun, x0, **options))
    alone = minimize(fun, x0[77, 5], **options)
    assert np.array_equal(alone.x, batch.x[77, 5])


def test_jitted_functions_travel():
    """They are pickled as their function, and compiled where they arrive."""
    pytest.importorskip("numba")
    compiled = jit(functions.rosenbrock)
    expected = bits(minimize(compiled, STARTS))
    assert bits(minimize(compiled, STARTS, workers=2, chunk_size=100)) == expected
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert bits(minimize(compiled, STARTS, workers=pool, chunk_size=150)) == expected


def test_dask():
    """Its executor is one like others, with threads and with processes."""
    distributed = pytest.importorskip("distributed")
    for processes in (False, True):
        with distributed.LocalCluster(n_workers=2, threads_per_worker=1, processes=processes,
                                      dashboard_address=None) as cluster, distributed.Client(cluster) as client:
            found = minimize(bowl, STARTS, vectorized=True, workers=client.get_executor(), chunk_size=60)
        assert bits(found) == bits(minimize(bowl, STARTS, vectorized=True))


@pytest.mark.parametrize("places", [[17], [3, 38]])
def test_a_problem_that_kills_its_worker(places):
    """Only that problem is lost, whatever else was in its chunk, and the executor's own pool may be of no more use."""
    x0 = STARTS[:40].copy()
    healthy = minimize(poisonous, x0)
    x0[places] = 5.0
    with ProcessPoolExecutor(2) as pool:
        found = minimize(poisonous, x0, workers=pool, chunk_size=8)
    assert np.flatnonzero(found.status == Status.WORKER_LOST).tolist() == places
    assert np.array_equal(found.x[places], x0[places])
    assert np.isnan(found.fun[places]).all()
    rest = np.delete(np.arange(40), places)
    assert bits(found, rest) == bits(healthy, rest)


def test_exceptions():
    """The exception is the function's own, of the lowest problem that raises, and a note has its number."""
    x0 = STARTS.copy()
    x0[[120, 250], 0] = 5.0, 7.0
    for workers in (1, 2):
        with pytest.raises(ArithmeticError, match="at 5") as caught:
            minimize(raising, x0, workers=workers, chunk_size=30)
        assert caught.value.__notes__ == ["fastgd: raised for problem 120 at iteration 0"]
    with ProcessPoolExecutor(2) as pool, pytest.raises(ArithmeticError, match="at 5"):
        minimize(raising, x0, workers=pool, chunk_size=30)
    found = minimize(raising, x0, workers=2, chunk_size=30, on_error="record")
    assert np.flatnonzero(found.status == Status.EXCEPTION).tolist() == [120, 250]


def test_what_cannot_be_sent():
    """An objective that cannot be pickled is refused before anything is sent; so are callbacks."""
    class Counting:
        n_submitted = 0

        def submit(self, *args):
            self.n_submitted += 1

    executor, lock = Counting(), threading.Lock()
    with pytest.raises(TypeError, match="cannot be pickled"):
        minimize(lambda x: lock and x[0], STARTS, workers=executor)
    for more in ({"callback": print}, {"trace": (1, [0])}):
        with pytest.raises(TypeError, match="executor"):
            minimize(bowl, STARTS, workers=executor, **more)
    assert executor.n_submitted == 0


def test_callbacks_of_several_threads():
    """They are called one at a time, with numbers of the whole batch."""
    busy, seen = threading.Lock(), []

    def callback(intermediate_result):
        assert busy.acquire(blocking=False)
        seen.append(intermediate_result.problem)
        busy.release()
        if intermediate_result.problem == 45:
            raise StopIteration

    found = minimize(bowl, STARTS[:60], workers=3, chunk_size=10, callback=callback)
    assert np.flatnonzero(found.status == Status.CALLBACK).tolist() == [45]
    assert set(seen) == set(range(60))


@pytest.mark.parametrize("workers", [2, "processes", "map"])
def test_the_points_of_one_problem(workers):
    """With fewer problems than workers, the points of the differences are spread over these."""
    calls = []

    def counted(x, shift=0.0):
        calls.append(1)
        return bowl(x, shift)

    fun = bowl if workers == "processes" else counted
    expected = minimize(bowl, STARTS[0], args=(0.5,))
    with ProcessPoolExecutor(2) as pool:
        chosen = {"processes": pool, "map": map}.get(workers, workers)
        found = minimize(fun, STARTS[0], args=(0.5,), workers=chosen)
        assert maximize(lambda a: -(a - 2.0) ** 2, 0.5, workers=2).x == pytest.approx(2.0)
    assert found.x.tobytes() == expected.x.tobytes()
    assert found.nfev == expected.nfev
    assert len(calls) in (0, found.nfev)


def test_the_time_of_a_call():
    """Problems whose chunk was not begun keep x0."""
    def slow(x):
        time.sleep(0.005)
        return bowl(x)

    found = minimize(slow, STARTS, maxtime=0.2, chunk_size=2)
    waiting = np.isnan(found.fun)
    assert 0 < waiting.sum() < 300
    assert set(found.status[waiting].tolist()) == {Status.MAXTIME}
    assert np.array_equal(found.x[waiting], STARTS[waiting])
    assert not found.nfev[waiting].any()


@pytest.mark.parametrize("workers", [1, 2])
def test_an_interrupt(workers):
    """Ctrl-C ends a run without the GIL in half a second, and no thread is left."""
    code = f"""
import os, signal, threading, time, numpy as np, fastgd
threading.Timer(0.5, lambda: (times.append(time.monotonic()), os.kill(os.getpid(), signal.SIGINT))).start()
times = []
try:
    fastgd.minimize(fastgd.functions.rosenbrock.compiled, np.zeros((50_000, 10)), method="adam", gtol=0.0,
                    maxiter=10**7, workers={workers})
except KeyboardInterrupt:
    print(time.monotonic() - times[0] < 0.5, threading.active_count())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["True", "1"]


def test_arrays_of_the_user(tmp_path):
    """x0 and the result may be files; x0 is of any kind of numbers and stays as it is."""
    x0 = np.memmap(tmp_path / "x0", dtype=">f4", mode="w+", shape=(70_000, 4))
    x0[:] = np.random.default_rng(2).uniform(-1.0, 1.0, x0.shape)
    before = x0.tobytes()
    x0.flags.writeable = False
    out = {"x": np.memmap(tmp_path / "x", dtype=float, mode="w+", shape=x0.shape), "fun": np.empty(70_000)}
    found = minimize(functions.rosenbrock.compiled, x0, maxiter=5, out=out)
    assert np.shares_memory(found.x, out["x"])
    assert found.fun is out["fun"] or np.shares_memory(found.fun, out["fun"])
    assert bits(found) == bits(minimize(functions.rosenbrock.compiled, x0.astype(float), maxiter=5))
    assert x0.tobytes() == before


@pytest.mark.parametrize(("options", "error", "match"), [
    ({"workers": 0}, ValueError, "workers"), ({"workers": -2}, ValueError, "workers"),
    ({"workers": True}, TypeError, "workers"), ({"workers": "all"}, TypeError, "workers"),
    ({"chunk_size": 0}, ValueError, "chunk_size"), ({"chunk_size": 2.0}, TypeError, "chunk_size"),
    ({"progress": 3}, TypeError, "progress"), ({"out": np.empty(3)}, TypeError, "out must be a dictionary"),
    ({"out": {"y": np.empty(300)}}, ValueError, "a name in out"), ({"out": {"x": None}}, TypeError, "must be an array"),
    ({"out": {"fun": np.empty(299)}}, ValueError, r"of shape \(300,\)"),
    ({"out": {"nit": np.empty(300)}}, ValueError, "dtype int64"),
])
def test_wrong_options(options, error, match):
    """They get an error that names them."""
    with pytest.raises(error, match=match):
        minimize(bowl, STARTS, **options)


# Checkpoints


class Cut(Exception):  # noqa: N818
    """Ends a run."""


def cut_after(n_problems):
    def progress(done, total):
        assert total == 300
        if done >= n_problems:
            raise Cut

    return progress


@pytest.fixture
def often(monkeypatch):
    monkeypatch.setattr("fastgd._checkpoint.SECONDS_BETWEEN_SAVES", 0.0)


@pytest.mark.usefixtures("often")
@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_goes_on_where_it_was(tmp_path, workers):
    """With the same bits as if it had not been cut off; what is in the file is not solved again."""
    path, calls = tmp_path / "run.npz", []

    def fun(x):
        calls.append(1)
        return bowl(x)

    expected = minimize(fun, STARTS)
    n_calls = len(calls)
    options = {"checkpoint": path, "chunk_size": 40, "workers": workers}
    with pytest.raises(Cut):
        minimize(fun, STARTS, progress=cut_after(120), **options)
    calls.clear()
    assert bits(minimize(fun, STARTS, **options)) == bits(expected)
    assert len(calls) < 0.9 * n_calls
    calls.clear()
    assert bits(minimize(fun, STARTS, **options)) == bits(expected)
    assert not calls
    for other in ({"x0": STARTS + 1.0}, {"maxiter": 7}, {"method": "adam"}, {"chunk_size": 41}, {"bounds": (-9, 9)}):
        with pytest.raises(ValueError, match="the checkpoint of another run"):
            minimize(**{"fun": fun, "x0": STARTS, **options, **other})


@pytest.mark.usefixtures("often")
def test_damaged_files_are_refused(tmp_path):
    """Truncated, with other bytes, or of another kind: the file stays as it is."""
    path = tmp_path / "run.npz"
    options = {"checkpoint": path, "chunk_size": 100}
    minimize(bowl, STARTS, **options)
    whole = path.read_bytes()
    damaged = [whole[:n] for n in (1, 100, len(whole) // 2, len(whole) - 1)]
    damaged += [whole[:k] + bytes([whole[k] ^ 0xFF]) + whole[k + 1:] for k in (300, len(whole) // 2)]
    damaged.append(b"text")
    np.savez(tmp_path / "other.npz", x=np.ones(3))
    damaged.append((tmp_path / "other.npz").read_bytes())
    np.savez(tmp_path / "objects.npz", fingerprint=np.array([print]), allow_pickle=True)
    damaged.append((tmp_path / "objects.npz").read_bytes())
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises((CheckpointError, ValueError), match="checkpoint"):
            minimize(bowl, STARTS, **options)
        assert path.read_bytes() == content
    path.unlink()
    with pytest.raises(FileNotFoundError):
        minimize(bowl, STARTS, checkpoint=tmp_path / "nowhere" / "run.npz")


@pytest.mark.usefixtures("often")
def test_a_full_disk(tmp_path, monkeypatch):
    """The checkpoint before survives, and no other file is left."""
    path = tmp_path / "run.npz"
    options = {"checkpoint": path, "chunk_size": 40}
    with pytest.raises(Cut):
        minimize(bowl, STARTS, progress=cut_after(120), **options)
    before = path.read_bytes()

    def full(handle):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space"):
            minimize(bowl, STARTS, **options)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["run.npz"]
    assert bits(minimize(bowl, STARTS, **options)) == bits(minimize(bowl, STARTS))


def test_killed_while_saving(tmp_path):
    """However often: the run can be resumed, and ends with the bits of one that was not cut off."""
    path = tmp_path / "run.npz"
    code = f"""
import sys, time, numpy as np, fastgd
from fastgd import _checkpoint, functions
_checkpoint.SECONDS_BETWEEN_SAVES = 0.0
x0 = np.random.default_rng(0).uniform(-1.0, 1.0, (20_000, 4))
result = fastgd.minimize(functions.rosenbrock.compiled, x0, maxiter=400, chunk_size=200, checkpoint={str(path)!r},
                         progress=lambda done, total: print(done, flush=True))
"""
    for seconds in (0.0, 0.03, 0.06, 0.1, 0.2):
        run = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        run.stdout.readline()
        time.sleep(seconds)
        run.send_signal(signal.SIGKILL)
        run.wait()
        run.stdout.close()
    x0 = np.random.default_rng(0).uniform(-1.0, 1.0, (20_000, 4))
    options = {"maxiter": 400, "chunk_size": 200}
    resumed = minimize(functions.rosenbrock.compiled, x0, checkpoint=path, **options)
    assert bits(resumed) == bits(minimize(functions.rosenbrock.compiled, x0, **options))


# Progress


def test_progress(capsys, monkeypatch):
    """A function gets rising numbers; without tqdm there is a line on stderr, with it a bar."""
    seen = []
    minimize(bowl, STARTS, chunk_size=70, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(70, 300), (140, 300), (210, 300), (280, 300), (300, 300)]
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    minimize(bowl, STARTS, chunk_size=70, progress=True)
    assert capsys.readouterr().err.endswith("300 of 300 problems, 100% converged\n")


def test_progress_by_tqdm(capsys):
    pytest.importorskip("tqdm")
    minimize(bowl, STARTS, chunk_size=70, progress=True)
    assert "300/300" in capsys.readouterr().err
