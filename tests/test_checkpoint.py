"""Checkpoints: a run that was cut off, wherever it was, goes on to the same bits; files that are damaged or of another
run are refused and left alone."""

import functools
import io
import os
import pickle
import signal
import subprocess
import sys
import time
import types
import zipfile
from concurrent.futures import ProcessPoolExecutor
from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.interpolate import LinearNDInterpolator
from scipy.spatial import KDTree

from fastgd import CheckpointError, Difference, Status, _progress, functions, maximize, methods, minimize, schedules
from fastgd.noise import GaussianNoise

from .problems import bits, valley

# For processes that import this module.
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(["", *sys.path]), "PYTHONHASHSEED": "random"}


def starts(n_problems, n_dim=2, seed=1):
    rng = np.random.default_rng(seed)
    return rng.uniform(-1, 1, (n_problems, n_dim)) * 10.0 ** rng.uniform(-5, 0, (n_problems, 1))


class CutOffError(Exception):
    pass


def cut_off_at(n_done):
    """A progress function that ends the run when so many problems are done."""
    def progress(done, total):
        if done >= n_done:
            raise CutOffError

    return progress


@pytest.fixture
def saving(monkeypatch):
    """Every chunk is saved."""
    monkeypatch.setattr("fastgd._checkpoint.SECONDS_BETWEEN_SAVES", -1.0)
    monkeypatch.setattr("fastgd._checkpoint.LARGEST_SHARE", np.inf)


RUNS = {
    "pointwise": (valley, {}), "columns": (valley, {"vectorized": True, "keep_best": True}),
    "C": (functions.rosenbrock.compiled, {"maxiter": 100}),
    "noise": (valley, {"learning_rate": lambda k: 0.03, "noise": GaussianNoise(0.1), "rng": 5, "maxiter": 20}),
    "recorded": (lambda x: valley(x) if x[0] < 0.5 else 1 / 0, {"on_error": "record"}),
    "data": (lambda x, c: valley(x - c), {"batch_args": (np.linspace(-1, 1, 40).reshape(5, 8),), "bounds": (-2, 2)}),
}


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("run", RUNS)
def test_resumed_equals_uninterrupted(tmp_path, run, workers):
    """Bit for bit, after an exception at any chunk; what was done is not done again."""
    fun, options = RUNS[run]
    options = {**options, "chunk_size": 7, "workers": workers, "checkpoint": tmp_path / "run.npz"}
    x0 = starts(40).reshape(5, 8, 2)
    expected = bits(minimize(fun, x0, **RUNS[run][1]))
    for n_done in (1, 14, 22, 35, 40):
        with pytest.raises(CutOffError):
            minimize(fun, x0, progress=cut_off_at(n_done), **options)
        seen = []
        assert bits(minimize(fun, x0, progress=lambda *numbers, seen=seen: seen.append(numbers), **options)) == expected
        assert seen[0][0] >= n_done
        assert seen[-1] == (40, 40)
        (tmp_path / "run.npz").unlink()


def test_resumed_maximum(tmp_path):
    """All fields are in the user's sign, once, whether they come from the file or not."""
    options = {"checkpoint": tmp_path / "run.npz", "chunk_size": 7}
    with pytest.raises(CutOffError):
        maximize(lambda x: 1.0 - valley(x), starts(40), progress=cut_off_at(14), **options)
    result = maximize(lambda x: 1.0 - valley(x), starts(40), **options)
    assert bits(result) == bits(maximize(lambda x: 1.0 - valley(x), starts(40)))


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_cut_off_again_and_again(tmp_path, workers):
    """Every call does a little more."""
    options = {"chunk_size": 3, "workers": workers, "checkpoint": tmp_path / "run.npz"}
    for n_done in range(3, 40, 3):
        with pytest.raises(CutOffError):
            minimize(valley, starts(40), progress=cut_off_at(n_done), **options)
    assert bits(minimize(valley, starts(40), **options)) == bits(minimize(valley, starts(40)))


CALLS = []


def noted_valley(x):
    """Writes down its calls; passes for `valley`."""
    CALLS.append(1)
    return valley(x)


noted_valley.__qualname__ = valley.__qualname__


def broken_valley(x):
    if x[0] == 77.0:
        raise ERROR[0]
    return valley(x)


broken_valley.__qualname__ = valley.__qualname__
ERROR = []


@pytest.mark.parametrize("error", [ArithmeticError, KeyboardInterrupt])
def test_exception_of_the_function(tmp_path, error):
    """The chunks before it are kept, whenever the last save was; with the function repaired the run goes on."""
    x0 = starts(40)
    x0[25, 0] = 77.0
    ERROR[:] = [error]
    with pytest.raises(error):
        minimize(broken_valley, x0, checkpoint=tmp_path / "run.npz", chunk_size=5)
    CALLS.clear()
    result = minimize(noted_valley, x0, checkpoint=tmp_path / "run.npz", chunk_size=5)
    n_calls, expected = len(CALLS), minimize(valley, x0)
    assert bits(result) == bits(expected)
    assert n_calls == expected.nfev[25:].sum()


class Closed(io.StringIO):
    """A pipe that nobody reads after some lines, or a file that was closed."""

    def __init__(self, n_lines, error):
        super().__init__()
        self.n_lines = n_lines
        self.error = error

    def write(self, text):
        self.n_lines -= 1
        if self.n_lines < 0:
            raise self.error
        return super().write(text)


@pytest.mark.parametrize("has_tqdm", [True, False])
@pytest.mark.parametrize("stderr", [
    None, Closed(0, BrokenPipeError), Closed(0, ValueError), Closed(2, BrokenPipeError),
], ids=["None", "pipe", "file", "later"])
def test_progress_that_cannot_be_shown_ends_no_run(monkeypatch, capsys, stderr, has_tqdm):
    if not has_tqdm:
        monkeypatch.setitem(sys.modules, "tqdm.auto", None)
        monkeypatch.setattr(_progress, "SECONDS_BETWEEN_LINES", 0.0)
    monkeypatch.setattr(sys, "stderr", stderr)
    result = minimize(valley, starts(40), progress=True, chunk_size=5)
    assert bits(result) == bits(minimize(valley, starts(40)))
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("error", [ArithmeticError, KeyboardInterrupt])
def test_exception_whose_last_save_fails(tmp_path, error):
    """What ended the run is raised, and the other one told."""
    folder = tmp_path / "folder"
    folder.mkdir()

    def fun(x):
        if x[0] > 5.0:
            folder.rmdir()
            raise error("as planned")
        return valley(x)

    with pytest.raises(error, match="as planned") as caught:
        minimize(fun, [[1.0, 2.0], [9.0, 2.0]], checkpoint=folder / "run.npz", chunk_size=1)
    assert any("could not be closed: FileNotFoundError" in note for note in caught.value.__notes__)


def test_mode_of_the_file_stays(tmp_path):
    path = tmp_path / ("a" * 250 + ".npz")
    with pytest.raises(CutOffError):
        minimize(valley, starts(40), progress=cut_off_at(20), checkpoint=path, chunk_size=5)
    path.chmod(0o600)
    minimize(valley, starts(40), checkpoint=path, chunk_size=5)
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("kind", [str, os.fsencode, lambda path: path])
def test_a_finished_file_is_the_result(tmp_path, kind):
    """The function is not called, and the file stays as it is; a path may be of any kind."""
    path = kind(tmp_path / "run.npz")
    expected = minimize(valley, starts(40), checkpoint=path)
    before = os.stat(path)
    CALLS.clear()
    for workers in (1, 2, 50):
        out = {"x": np.empty((40, 2))}
        assert bits(minimize(noted_valley, starts(40), checkpoint=path, workers=workers, out=out)) == bits(expected)
        assert np.array_equal(out["x"], expected.x)
    assert not CALLS
    after = os.stat(path)
    assert (after.st_mtime_ns, after.st_ino) == (before.st_mtime_ns, before.st_ino)
    assert os.listdir(tmp_path) == ["run.npz"]


def test_a_file_is_what_numpy_reads(tmp_path):
    """Fields by their names, without any pickle."""
    result = minimize(valley, starts(40), checkpoint=tmp_path / "run.npz")
    with np.load(tmp_path / "run.npz", allow_pickle=False) as file:
        assert file["done"].all()
        for name in ("x", "fun", "jac", "nit", "nfev", "njev", "status"):
            assert np.array_equal(file[name], result[name])


@pytest.mark.parametrize("workers", [1, 3])
def test_single_problems(tmp_path, workers):
    """One problem is a batch of one, also where its points are spread over threads."""
    for name, x0, fun in (("point", [0.5, 0.25], valley), ("scalar", 0.5, lambda x: (x - 3.0) ** 2)):
        expected = minimize(fun, x0)
        for _ in range(2):
            seen = []
            result = minimize(fun, x0, checkpoint=tmp_path / name, workers=workers,
                              progress=lambda *numbers, seen=seen: seen.append(numbers))
            assert bits(result) == bits(expected)
            assert type(result.x) is type(expected.x)
            assert seen == [(1, 1)]


def test_spread_problems_are_resumed(tmp_path):
    """A few problems, begun by one thread and ended by more of them than there are problems."""
    with pytest.raises(CutOffError):
        minimize(valley, starts(4), checkpoint=tmp_path / "run.npz", progress=cut_off_at(2))
    CALLS.clear()
    result = minimize(noted_valley, starts(4), checkpoint=tmp_path / "run.npz", workers=8)
    assert bits(result) == bits(minimize(valley, starts(4)))
    assert len(CALLS) == result.nfev[2:].sum()


def test_other_processes(tmp_path):
    """Who solves the problems does not matter: processes go on where threads ended, and threads where they did."""
    options = {"chunk_size": 4, "checkpoint": tmp_path / "run.npz"}
    with ProcessPoolExecutor(2) as pool:
        for n_done, workers in ((8, 1), (16, pool), (24, pool.map), (32, 2)):
            with pytest.raises(CutOffError):
                minimize(valley, starts(40), progress=cut_off_at(n_done), workers=workers, **options)
        assert bits(minimize(valley, starts(40), workers=pool, **options)) == bits(minimize(valley, starts(40)))


def test_time_that_ran_out(tmp_path):
    """Problems that were not finished are begun again in the next call, until all are."""
    def fun(x):
        time.sleep(0.0005)
        return valley(x)

    options = {"checkpoint": tmp_path / "run.npz", "chunk_size": 1, "maxtime": 0.2}
    expected = minimize(valley, starts(40))
    result = minimize(fun, starts(40), **options)
    assert (result.status == Status.MAXTIME).any()
    while (result.status == Status.MAXTIME).any():
        done = result.status != Status.MAXTIME
        assert bits(result, done) == bits(expected, done)
        result = minimize(fun, starts(40), **options)
    assert bits(result) == bits(expected)


def test_memory_mapped_results(tmp_path):
    """What was done comes from the checkpoint, also into arrays that hold something else."""
    out = {"x": np.memmap(tmp_path / "x", float, "w+", shape=(40, 2)), "status": np.full(40, -77)}
    options = {"chunk_size": 5, "checkpoint": tmp_path / "run.npz"}
    with pytest.raises(CutOffError):
        minimize(valley, starts(40), progress=cut_off_at(20), out=out, **options)
    for array in out.values():
        array[...] = -77
    result = minimize(valley, starts(40), out=out, **options)
    assert bits(result) == bits(minimize(valley, starts(40)))
    assert np.shares_memory(result.x, out["x"])


def test_large_arrays_are_copied_in_pieces(tmp_path, monkeypatch):
    """The file is the same."""
    minimize(valley, starts(40), checkpoint=tmp_path / "whole.npz", chunk_size=5)
    monkeypatch.setattr("fastgd._checkpoint.PIECE_BYTES", 24)
    with pytest.raises(CutOffError):
        minimize(valley, starts(40), checkpoint=tmp_path / "run.npz", chunk_size=5, progress=cut_off_at(15))
    result = minimize(valley, starts(40), checkpoint=tmp_path / "run.npz", chunk_size=5)
    assert bits(result) == bits(minimize(valley, starts(40)))
    assert parts((tmp_path / "run.npz").read_bytes()) == parts((tmp_path / "whole.npz").read_bytes())


def test_saves_are_not_too_many(tmp_path, monkeypatch):
    """Every few seconds, and at the end."""
    replaced = []
    monkeypatch.setattr(os, "replace", lambda *paths, replace=os.replace: replaced.append(1) or replace(*paths))
    minimize(valley, starts(300), checkpoint=tmp_path / "run.npz", chunk_size=1, maxiter=1)
    assert len(replaced) == 1


# Files of other runs


class Named:
    """Objects without a value that can be compared."""


RUN = {"x0": starts(40), "args": (0.5, [Named()]), "batch_args": (np.arange(40), [["a", Named()]] * 40),
       "learning_rate": lambda k: 0.1, "maxiter": 7, "chunk_size": 5}


def shifted(x, *data):
    return valley(x)


def another(x, *data):
    return valley(x)


CHANGES = [
    {"x0": starts(40) + 1e-16}, {"x0": starts(41)[:40] * -1}, {"x0": starts(80).reshape(40, 4)}, {"x0": starts(39)},
    {"args": (0.25, [Named()])}, {"args": (0.5, [3])}, {"batch_args": (np.arange(40) + 1, [["a", Named()]] * 40)},
    {"batch_args": (np.arange(40), [["b", Named()]] * 40)}, {"batch_args": (np.arange(40.0), [["a", Named()]] * 40)},
    {"batch_args": ()}, {"method": "adam"}, {"method": methods.Adam(0.1, eps=1e-7)},
    {"learning_rate": 0.1}, {"learning_rate": schedules.Constant(0.1)}, {"learning_rate": schedules.Constant(0.2)},
    {"learning_rate": schedules.Table(np.linspace(0.1, 0.2, 2000))}, {"jac": lambda x, *data: 2 * x},
    {"jac": Difference(step=1e-4)}, {"bounds": (-9, 9)}, {"bounds": (None, 9)}, {"vectorized": True}, {"unpack": True},
    {"maxiter": 8}, {"maxiter": np.arange(40)}, {"gtol": 1e-5}, {"xtol": 1e-5}, {"ftol": 1e-5}, {"ftarget": 1.0},
    {"maxfev": 99}, {"keep_best": True}, {"noise": GaussianNoise(), "rng": 1}, {"on_error": "record"},
    {"chunk_size": 6}, {"fun": another}, {"trace": 1}]


def test_noise_without_a_seed(tmp_path):
    """The next call would have other noise: that is said by the first one."""
    with pytest.raises(ValueError, match="a checkpoint of a run with noise needs rng"):
        minimize(valley, starts(4), method="adam", noise=GaussianNoise(), checkpoint=tmp_path / "run.npz")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("changed", CHANGES, ids=range(len(CHANGES)))
def test_files_of_other_runs(tmp_path, changed):
    """What the answers depend on may not change: a ValueError, and the file is left alone."""
    path = tmp_path / "run.npz"
    minimize(**{"fun": shifted, **RUN}, checkpoint=path)
    before = path.read_bytes()
    n_problems = len(changed.get("x0", RUN["x0"]))
    data = {"batch_args": tuple(values[:n_problems] for values in RUN["batch_args"])}
    with pytest.raises(ValueError, match=r"run\.npz is the checkpoint of another run: x0, the data"):
        minimize(**{"fun": shifted, **RUN, **data, **changed}, checkpoint=path)
    with pytest.raises(ValueError, match="is the checkpoint of another run"):
        maximize(**{"fun": shifted, **RUN}, checkpoint=path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["run.npz"]


class Model:
    def __init__(self, center, weights=()):
        self.center = center
        self.weights = weights

    def __call__(self, x):
        return float(np.sum((x - self.center) ** 2))

    cost = __call__


def grid_of_nodes(n, last):
    """Objects that refer to each other: there are many ways from one to another."""
    nodes = {(i, j): SimpleNamespace(value=0.0) for i in range(n) for j in range(n)}
    for (i, j), node in nodes.items():
        node.neighbors = [nodes[at] for at in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)) if at in nodes]
    nodes[n - 1, n - 1].value = last
    return nodes[0, 0]


def around(center):
    return lambda x: np.sum((x - center) ** 2)


class Wrapping:
    def __init__(self, function):
        functools.update_wrapper(self, function)

    def __call__(self, x):
        return self.__wrapped__(x)


def with_keyword(center):
    def function(x, *, center=center):
        return float(np.sum((x - center) ** 2))

    return function


def sites(c):
    return np.random.default_rng(0).normal(c, size=(300, 2))


class Sealed:
    """Can be taken apart by nothing but its attributes."""

    def __init__(self, center):
        self.center = center

    def __reduce_ex__(self, protocol):
        raise TypeError


def added(x, center):
    return float(np.sum((x - float(center)) ** 2))


@pytest.mark.parametrize("make", [
    lambda c: {"fun": functools.partial(added, center=c)}, lambda c: {"fun": Model(c)},
    lambda c: {"fun": Model(c).cost}, lambda c: {"fun": Model(0.5, {c, 7.0})},
    lambda c: {"fun": around(c)}, lambda c: {"fun": around(np.array([c, 0.0]))},
    lambda c: {"fun": added, "args": (Decimal(c),)}, lambda c: {"fun": added, "args": (np.ma.array(1.0, mask=c > 2),)},
    lambda c: {"fun": lambda x, data: 1.0, "args": (SimpleNamespace(center=[c]),)},
    lambda c: {"fun": lambda x, data: 1.0, "args": (np.array(c, dtype=object),)},
    lambda c: {"fun": lambda x, grid: 1.0, "args": (grid_of_nodes(8, c),)},
    lambda c: {"fun": lambda x, *data: 1.0, "args": (1, 23) if c < 2 else (12, 3)},
    lambda c: {"fun": lambda x, *data: 1.0, "args": (1.5, 12.5) if c < 2 else (1.51, 2.5)},
    lambda c: {"fun": with_keyword(c)}, lambda c: {"fun": Wrapping(around(c))},
    lambda c: {"fun": functions.sphere.compiled if c < 2 else functions.rosenbrock.compiled},
    lambda c: {"fun": np.array([c, 1.0]).dot, "bounds": (-1, 1)},
    lambda c: {"fun": lambda x, data: 1.0, "args": (types.MappingProxyType({"center": c}),)},
    lambda c: {"fun": lambda x, data: 1.0, "args": ({"center": c}.values(),)},
    lambda c: {"fun": lambda x, data: 1.0, "args": (memoryview(np.array([c])),)},
    lambda c: {"fun": lambda x, data: 1.0, "args": (Sealed(c),)},
    lambda c: {"fun": lambda x, tree: tree.query(x)[0], "args": (KDTree(sites(c)),), "maxiter": 3},
    lambda c: {"fun": lambda x, field: float(field(x)[0]), "maxiter": 3,
               "args": (LinearNDInterpolator(sites(c), sites(c)[:, 0], 0.0),)},
], ids=range(23))
def test_data_that_functions_bring_along(tmp_path, make):
    """Objects are compared by what they consist of, not by their names alone."""
    options = {"x0": starts(4), "checkpoint": tmp_path / "run.npz"}
    first = minimize(**make(1.5), **options)
    assert bits(minimize(**make(1.5), **options)) == bits(first)
    with pytest.raises(ValueError, match="is the checkpoint of another run"):
        minimize(**make(3.0), **options)


def test_compiled_functions_are_resumed_anywhere(tmp_path):
    """Their addresses are others in every process."""
    program = f"""
import numpy as np, fastgd
result = fastgd.minimize(fastgd.functions.sphere.compiled, np.ones((4, 2)), checkpoint={str(tmp_path / 'run.npz')!r})
assert result.success.all()
"""
    for _ in range(2):
        run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=ENVIRONMENT)
        assert (run.returncode, run.stderr) == (0, "")


def test_no_answers_in_the_place_of_x0(tmp_path):
    """They would be another x0 for the call that is to go on."""
    x0 = starts(40)
    with pytest.raises(ValueError, match="a checkpoint does not go with out where x0 is"):
        minimize(valley, x0, out={"x": x0}, checkpoint=tmp_path / "run.npz")
    assert np.array_equal(x0, starts(40))


def test_damaged_files_change_no_answers(tmp_path):
    """Arrays of the user's are as they were when the file turns out to be damaged."""
    path, out = tmp_path / "run.npz", {"x": np.full((40, 2), 7.0)}
    minimize(valley, starts(40), checkpoint=path)
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as file:
        content[file.getinfo("status.npy").header_offset + 200] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError):
        minimize(valley, starts(40), checkpoint=path, out=out)
    assert (out["x"] == 7.0).all()


def test_structures_that_contain_themselves(tmp_path):
    ring = [1.0]
    ring.append(ring)
    options = {"args": (ring,), "checkpoint": tmp_path / "run.npz"}
    first = minimize(lambda x, ring: valley(x), starts(4), **options)
    assert bits(minimize(lambda x, ring: valley(x), starts(4), **options)) == bits(first)


TREE = """
import sys
import numpy as np
from scipy.spatial import KDTree
from fastgd import minimize

tree = KDTree(np.random.default_rng(0).normal(size=(300, 2)))
print(minimize(lambda x, tree: tree.query(x)[0], np.ones((4, 2)), (tree,), maxiter=3, checkpoint=sys.argv[1]).nfev)
"""


def test_a_tree_is_the_same_in_the_next_process(tmp_path):
    """Whatever memory addresses are in its state."""
    answers = {subprocess.run([sys.executable, "-c", TREE, tmp_path / "run.npz"], env=ENVIRONMENT, check=True,
                              capture_output=True, text=True).stdout for _ in range(3)}
    assert len(answers) == 1


TENSORS = """
import sys
import numpy as np, torch
from scipy import stats
from fastgd import minimize

def holding(*data):
    def function(x):
        return float(np.sum((x - len(data))**2))
    return function

def first(w):
    fun = holding(torch.tensor([w, 2.0], dtype=torch.float64), torch.nn.Linear(2, 2), stats.norm(1, 2))
    return minimize(fun, np.ones((4, 2)), checkpoint=sys.argv[1]).fun[0]

torch.manual_seed(0)
first(1.0)
try:
    torch.manual_seed(0)
    first(3.0)
except ValueError as error:
    assert "is the checkpoint of another run" in str(error)
else:
    raise AssertionError
"""


def test_the_next_process_knows_tensors_and_distributions(tmp_path):
    """Neither the memory of a tensor nor NumPy's global random numbers tell processes apart; numbers do."""
    pytest.importorskip("torch")
    pytest.importorskip("scipy")
    for _ in range(2):
        run = subprocess.run([sys.executable, "-W", "ignore", "-c", TENSORS, tmp_path / "run.npz"],
                             capture_output=True, text=True, env=ENVIRONMENT)
        assert (run.returncode, run.stderr) == (0, "")


SAME = """
import sys
import numpy as np
from fastgd import methods, minimize, schedules
from tests.test_checkpoint import RUN, shifted

calls = []

def counting(x, *data):
    calls.append(1)
    return shifted(x, *data)

counting.__qualname__ = "shifted"
table = schedules.Table(np.linspace(0.1, 0.2, 2000))
for name, method in (("function", {}), ("table", {"method": methods.Adam(), "learning_rate": table})):
    minimize(**{"fun": counting, **RUN, **method}, checkpoint=sys.argv[1] + name)
    print(len(calls))
"""


def test_the_next_process_knows_the_run(tmp_path):
    """Functions, and objects that are not plain data, are known by their names, not by where they are in memory."""
    counts = []
    for _ in range(2):
        run = subprocess.run([sys.executable, "-c", SAME, tmp_path / "run"], capture_output=True, text=True, check=True,
                             env=ENVIRONMENT)
        counts.append([int(count) for count in run.stdout.split()])
    assert min(counts[0]) > 0
    assert counts[1] == [0, 0]


# Damaged and foreign files


@pytest.fixture
def run(tmp_path):
    """The bytes of a checkpoint; and a function that tries to go on from others, which it returns if it can."""
    path = tmp_path / "run.npz"
    expected = bits(minimize(valley, starts(8), checkpoint=path))
    whole = path.read_bytes()

    def go_on(content):
        path.write_bytes(content)
        try:
            assert bits(minimize(valley, starts(8), checkpoint=path)) == expected
        finally:
            assert path.read_bytes() == content
            assert os.listdir(tmp_path) == ["run.npz"]

    go_on(whole)
    return whole, go_on


def test_truncated_files(run):
    """A file that ends too early, wherever it does, is refused."""
    whole, go_on = run
    for n_bytes in [*range(0, len(whole), 4), *range(len(whole) - 60, len(whole))]:
        with pytest.raises(CheckpointError, match=r"run\.npz is not a checkpoint of fastgd"):
            go_on(whole[:n_bytes])


@pytest.mark.filterwarnings("ignore")  # of NumPy and zipfile, about what they find
def test_corrupted_files(run):
    """A byte that is wrong, wherever it is, is noticed unless it means nothing."""
    whole, go_on = run
    refused = 0
    rng = np.random.default_rng(0)
    for place in range(0, len(whole), 3):
        content = bytearray(whole)
        content[place] ^= int(rng.integers(1, 256))
        try:
            go_on(bytes(content))
        except CheckpointError:
            refused += 1
    assert refused > 0.2 * len(whole)  # of a third; the others are times, permissions and the like


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def parts(content):
    """The members of a file by their names."""
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return {name: file.read(name) for name in file.namelist()}


def put_together(members, compression=zipfile.ZIP_STORED):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return buffer.getvalue()


class Bomb:
    def __reduce__(self):
        return os.abort, ()


def with_header(member, shape=None, descr=None):
    """An array whose header tells something else."""
    array = np.load(io.BytesIO(member))
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {
        "shape": array.shape if shape is None else shape, "descr": descr or array.dtype.str, "fortran_order": False})
    return buffer.getvalue() + array.tobytes()


def foreign(whole):
    members = parts(whole)
    changed = {
        "an object array": {"x.npy": npz(x=np.array([[Bomb()] * 2] * 8))[37:]},
        "a header of objects": {"x.npy": with_header(members["x.npy"], descr="|O")},
        "a pickle in the place of an array": {"x.npy": pickle.dumps(Bomb())},
        "a pickle beside the arrays": {"more.npy": pickle.dumps(Bomb())},
        "a huge shape": {"x.npy": with_header(members["x.npy"], shape=(2**40, 2))},
        "a shape that overflows": {"x.npy": with_header(members["x.npy"], shape=(2**62, 2**62))},
        "a negative shape": {"x.npy": with_header(members["x.npy"], shape=(-8, 2))},
        "more numbers than told": {"x.npy": members["x.npy"] + bytes(8)},
        "fewer numbers than told": {"x.npy": members["x.npy"][:-8]},
        "another type": {"fun.npy": with_header(members["fun.npy"], descr="<i8")},
        "more that is done": {"done.npy": with_header(members["done.npy"], shape=(2**40,))},
        "another format": {"x.npy": members["x.npy"].replace(b"\x93NUMPY\x01", b"\x93NUMPY\x03")},
    }
    yield from ((what, put_together({**members, **change})) for what, change in changed.items())
    for name in members:
        yield f"without {name}", put_together({other: members[other] for other in members if other != name})
    yield "a foreign npz", npz(x=np.zeros((8, 2)), fun=np.zeros(8))
    yield "an npz with a fingerprint", npz(fingerprint=np.zeros(32, np.uint8))
    yield "an empty npz", put_together({})
    yield "text", b"x0 = [1.0, 2.0]\n" * 100
    yield "nothing", b""
    yield "a pickle", pickle.dumps(Bomb())
    yield "an npy", members["x.npy"]


def test_foreign_files(run):
    """They are refused: nothing is unpickled, nor allocated because a header says so, and the file is left alone."""
    whole, go_on = run
    for what, content in foreign(whole):
        with pytest.raises(CheckpointError, match="is not a checkpoint of fastgd") as caught:
            go_on(content)
        assert "MemoryError" not in repr(caught.value.__cause__), what
    go_on(put_together(parts(whole)))


def test_compressed_files_do_not_burst(run):
    """However much a small file may be inflated to, no more is read than what is expected."""
    whole, go_on = run
    bomb = put_together({**parts(whole), "x.npy": with_header(parts(whole)["x.npy"]) + bytes(20_000_000)},
                        zipfile.ZIP_DEFLATED)
    assert len(bomb) < 100_000
    with pytest.raises(CheckpointError, match="longer than its header says"):
        go_on(bomb)


# Faults while writing


def test_a_missing_folder_is_told_at_once(tmp_path):
    """Before the function is called; so is what is not a path."""
    for checkpoint, error in ((tmp_path / "missing" / "run.npz", FileNotFoundError), (tmp_path, OSError),
                              (3, TypeError), (True, TypeError), ([], TypeError)):
        with pytest.raises(error, match="checkpoint must be a path, got" if error is TypeError else None):
            minimize(lambda x: pytest.fail("called"), starts(8), checkpoint=checkpoint)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("function", ["fsync", "replace"])
def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, monkeypatch, function, saving):
    """The error comes out; the file is the one before, nothing is beside it, and the run can go on from there."""
    options = {"checkpoint": tmp_path / "run.npz", "chunk_size": 5}
    with pytest.raises(CutOffError):
        minimize(valley, starts(40), progress=cut_off_at(15), **options)
    before = (tmp_path / "run.npz").read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, function, full)
        with pytest.raises(OSError, match="No space left"):
            minimize(valley, starts(40), **options)
    assert (tmp_path / "run.npz").read_bytes() == before
    assert os.listdir(tmp_path) == ["run.npz"]
    seen = []
    result = minimize(valley, starts(40), progress=lambda *numbers: seen.append(numbers), **options)
    assert seen[0] == (15, 40)
    assert bits(result) == bits(minimize(valley, starts(40)))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no full device")
def test_a_write_that_fails(tmp_path, monkeypatch, saving):
    """In the middle of an array."""
    monkeypatch.setattr("fastgd._checkpoint.PIECE_BYTES", 64)

    def fdopen(handle, mode):
        os.close(handle)
        return open("/dev/full", mode)

    monkeypatch.setattr(os, "fdopen", fdopen)
    with pytest.raises(OSError, match="No space left"):
        minimize(valley, starts(40), checkpoint=tmp_path / "run.npz", chunk_size=20)
    assert os.listdir(tmp_path) == []


KILLED = """
import sys
import numpy as np
import fastgd._checkpoint
from fastgd import minimize
from tests.test_checkpoint import starts
from tests.problems import valley

fastgd._checkpoint.SECONDS_BETWEEN_SAVES = -1.0
fastgd._checkpoint.LARGEST_SHARE = np.inf
minimize(valley, starts(400), checkpoint=sys.argv[1], chunk_size=1, workers=int(sys.argv[2]),
         progress=lambda done, total: print(done, flush=True))
"""


def test_killed_while_saving(tmp_path):
    """A process that is killed at any time leaves a file from which the run goes on, to the same bits."""
    path, done = tmp_path / "run.npz", 0
    rng = np.random.default_rng(int(os.environ.get("SEED_OF_KILLS", 0)))
    for kill in range(int(os.environ.get("NUMBER_OF_KILLS", 4))):
        run = subprocess.Popen([sys.executable, "-c", KILLED, path, str(1 + kill % 2)], stdout=subprocess.PIPE,
                               text=True, env=ENVIRONMENT)
        first = int(run.stdout.readline())
        assert first >= done
        time.sleep(rng.uniform(0.0, 0.05))
        run.kill()
        done = max([first, *map(int, run.communicate()[0].split())])
        assert run.returncode in (-9, 0, 1)  # 1: where there are no signals
    seen = []
    result = minimize(valley, starts(400), checkpoint=path, chunk_size=1,
                      progress=lambda *numbers: seen.append(numbers))
    assert seen[0][0] >= done
    assert bits(result) == bits(minimize(valley, starts(400)))


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
def test_ctrl_c_at_the_beginning(tmp_path, monkeypatch):
    """When it is tried whether a file can be written: none stays."""
    def pressed(handle, function=os.close):
        monkeypatch.undo()
        signal.raise_signal(signal.SIGINT)
        function(handle)

    monkeypatch.setattr(os, "close", pressed)
    with pytest.raises(KeyboardInterrupt):
        minimize(valley, starts(40), checkpoint=tmp_path / "run.npz")
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(os.name != "posix", reason="sends a signal")
@pytest.mark.parametrize("name", ["fsync", "replace"])
def test_ctrl_c_while_saving(tmp_path, monkeypatch, name):
    """The file is written to its end; then KeyboardInterrupt comes out."""
    function = getattr(os, name)

    def pressed(*arguments):
        function(*arguments)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(os, name, pressed)
    with pytest.raises(KeyboardInterrupt):
        minimize(valley, starts(40), checkpoint=tmp_path / "run.npz")
    assert os.listdir(tmp_path) == ["run.npz"]
    with np.load(tmp_path / "run.npz") as file:
        assert file["done"].all()


def test_checkpoint_has_the_mode_of_a_file(tmp_path):
    """That of any other that the user writes, so that others may read it who may read those."""
    (tmp_path / "other").write_text("")
    minimize(lambda x: x[0] ** 2, [[1.0], [2.0]], checkpoint=tmp_path / "run.npz")
    assert (tmp_path / "run.npz").stat().st_mode == (tmp_path / "other").stat().st_mode
