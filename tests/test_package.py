"""What is installed: metadata, files, what an import pulls in, and `cimport` from another package."""

import importlib
import importlib.metadata
import json
import os
import re
import shutil
import subprocess
import sys
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

import fastgd

from . import reference

# What `import fastgd` may add to `import numpy`: these parts of the standard library with what they import, which NumPy
# imports too from 2.1 on, and what Cython itself makes.
PARTS = "copy, dataclasses, typing"
ALLOWED = {"cython_runtime"}

SETUP = """
from Cython.Build import cythonize
from setuptools import Extension, setup

setup(name="user", ext_modules=cythonize([Extension("user_objective", ["user_objective.pyx"])], language_level=3))
"""

OBJECTIVE = """
from fastgd cimport GRADIENT, LATE, VALUE, Block, Objective


cdef class SumOfSquares(Objective):
    cdef int evaluate(self, Block *block, int want) except -1 nogil:
        cdef Py_ssize_t i, j
        for j in range(block.n_points):
            block.out.f[j] = 0.0
        for i in range(block.n_dim):
            for j in range(block.n_points):
                block.out.f[j] += block.x[i * block.stride + j] ** 2
        return VALUE


cdef class WithGradient(SumOfSquares):
    def __init__(self):
        self.supplies = VALUE | GRADIENT

    cdef int evaluate(self, Block *block, int want) except -1 nogil:
        cdef Py_ssize_t i, j
        SumOfSquares.evaluate(self, block, want)
        for i in range(block.n_dim):
            for j in range(block.n_points):
                block.out.g[i * block.stride + j] = 2.0 * block.x[i * block.stride + j]
        return VALUE | GRADIENT


cdef class Raising(Objective):
    cdef int evaluate(self, Block *block, int want) except -1 nogil:
        with gil:
            raise ArithmeticError("from the user's package")


cdef class Distance(Objective):
    cdef const double[:, ::1] centers

    def __init__(self, centers):
        self.centers = centers

    cdef int evaluate(self, Block *block, int want) except -1 nogil:
        cdef Py_ssize_t i, j
        for j in range(block.n_points):
            block.out.f[j] = 0.0
            for i in range(block.n_dim):
                block.out.f[j] += (block.x[i * block.stride + j] - self.centers[block.problems[j], i]) ** 2
        return VALUE


cdef class Weighted(Objective):
    cdef int evaluate(self, Block *block, int want) except -1 nogil:
        cdef Py_ssize_t j
        for j in range(block.n_points):
            block.out.f[j] = (1.0 + block.problems[j]) * block.x[j] ** 2
        return VALUE


cdef class Differences(SumOfSquares):
    def __init__(self, width):
        self.has_differences = True
        self.width = width

    cdef int prepare(self, Block *block) except -1 nogil:
        block.n_points = (block.n_points + 7) // 8 * 8
        return 0

    cdef int evaluate_differences(self, Block *block, const double *h) except -1 nogil:
        cdef Py_ssize_t i, j, at
        for i in range(block.n_dim):
            for j in range(block.n_points):
                at = i * block.stride + j
                block.out.g[at] = (block.x[at] + h[at]) ** 2 - (block.x[at] - h[at]) ** 2
        return 0


cdef class Lending(SumOfSquares):
    cdef double[:, ::1] memory
    cdef Py_ssize_t n_calls

    def __init__(self, memory):
        self.memory = memory

    cdef int evaluate(self, Block *block, int want) except -1 nogil:
        self.n_calls += 1
        block.out.f[0] = -1.0
        block.out.f = &self.memory[self.n_calls % 2, 0]
        return SumOfSquares.evaluate(self, block, want)


cdef class Late(Objective):
    cdef int evaluate(self, Block *block, int want) except -1 nogil:
        return LATE


cdef class Forgetful(Objective):
    cdef int supplied

    def __init__(self, has_gradient, takes_points, supplied):
        self.supplies = VALUE | GRADIENT if has_gradient else VALUE
        self.takes_points = takes_points
        self.supplied = supplied

    cdef int evaluate(self, Block *block, int want) except -1 nogil:
        block.out.f[0] = 0.0
        return self.supplied

    cdef Py_ssize_t evaluate_moved(self, Block *block, double *coordinates, Py_ssize_t n_moves) except -1 nogil:
        return self.supplied
"""


ROOT = Path(__file__).parents[1]

# Five iterations of the method that CONTRIBUTING.md adds.
USE_OF_SIGNUM = """
import json
import sys
import fastgd
from fastgd import methods

exec(sys.argv[1], vars(methods))
result = fastgd.minimize(lambda x: x @ x, json.loads(sys.argv[2]), jac=lambda x: 2.0 * x,
                         method=methods.Signum(0.1, beta=0.7), maxiter=5)
print(json.dumps(result.x.tolist()))
"""


DECLARATION_OF_CONJUGATE = """
from ..memory.lanes cimport Lanes
from .direction cimport Pointer


cdef class Conjugate(Pointer):
    cdef void point_down(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil
"""

# The paths of a batch on `bowl`, and what it finds on Rosenbrock's function.
USE_OF_CONJUGATE = """
import json
import sys
import fastgd
import numpy as np
from fastgd import methods
from fastgd._core.directions.conjugate import Conjugate
sys.path.append(sys.argv[3])
from tests.test_package import bowl, slopes_of_bowl

names = {**vars(methods), "Conjugate": Conjugate}
exec(sys.argv[1], names)
method = names["ConjugateGradient"]()
paths = fastgd.minimize(bowl, json.loads(sys.argv[2]), jac=slopes_of_bowl, method=method, maxiter=8, trace=1).trace
result = fastgd.minimize(fastgd.functions.rosenbrock, np.zeros(5), method=method)
print(json.dumps({"paths": [path.x.tolist() for path in paths.values()], "x": result.x.tolist(),
                  "success": bool(result.success)}))
"""


def bowl(x):
    return x[0] ** 2 + 3.0 * x[1] ** 2 + 10.0 * x[2] ** 2 + x[0] * x[1] + x[2] ** 4


def slopes_of_bowl(x):
    return np.array([2.0 * x[0] + x[1], 6.0 * x[1] + x[0], 20.0 * x[2] + 4.0 * x[2] ** 3])


@pytest.fixture(scope="module")
def user_objective(tmp_path_factory):
    """Somebody else's package: an extension module that cimports fastgd."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "setup.py").write_text(SETUP)
    (folder / "user_objective.pyx").write_text(OBJECTIVE)
    build = subprocess.run([sys.executable, "setup.py", "build_ext", "--inplace"], cwd=folder, capture_output=True,
                           text=True)
    assert build.returncode == 0, build.stdout + build.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield importlib.import_module("user_objective")


def test_version_is_that_of_the_distribution():
    assert fastgd.__version__ == importlib.metadata.version("fastgd")


def test_all_names_exist():
    assert [name for name in fastgd.__all__ if not hasattr(fastgd, name)] == []


@pytest.mark.parametrize("name", ["py.typed", "__init__.pxd", "_core/__init__.pxd", "_core/evaluation/clock.h"])
def test_file_is_installed(name):
    assert files(fastgd).joinpath(name).is_file()


def test_every_extension_module_has_a_stub_and_every_declaration_its_module():
    root = files(fastgd).joinpath("_core")
    core = [path for folder in (root, *(path for path in root.iterdir() if path.is_dir())) for path in folder.iterdir()]

    def names(*endings):
        return {(path.parent.name, path.name.split(".")[0]) for path in core if path.name.endswith(endings)}

    extensions = names(".so", ".pyd")
    assert len(extensions) > 20
    assert names(".pyi") == extensions
    assert {name for name in names(".pxd") if name[1] != "__init__"} <= extensions


def test_import_pulls_in_little_beyond_numpy():
    script = (f"import sys, numpy, {PARTS}; before = set(sys.modules); import fastgd; "
              "print(*sorted(set(sys.modules) - before))")
    names = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    assert "fastgd" in names
    added = {name for name in names if name.partition(".")[0] != "fastgd" and not name.startswith("_cython_")}
    assert added <= ALLOWED


@pytest.mark.parametrize("name", ["SumOfSquares", "WithGradient"])
def test_cython_objective_is_minimized(user_objective, name):
    x0 = np.random.default_rng(5).normal(size=(200, 3))
    objective = getattr(user_objective, name)()
    assert isinstance(objective, fastgd.Objective)
    assert not objective.needs_gil
    result = fastgd.minimize(objective, x0, learning_rate=0.25, gtol=1e-6)
    assert result.success.all()
    np.testing.assert_allclose(result.x, 0.0, atol=1e-6)
    np.testing.assert_allclose(result.fun, (result.x**2).sum(axis=1), rtol=1e-12)
    # the gradient halves x in every iteration, whoever supplies it
    expected = np.ceil(np.log2(2.0 * abs(x0).max(axis=1) / 1e-6))
    np.testing.assert_array_equal(result.nit, expected)


@pytest.mark.parametrize("width", [1, 8, 64])
def test_cython_objective_with_differences_of_its_own(user_objective, width):
    x0 = np.random.default_rng(8).normal(size=(20, 3))
    for starts in (x0, x0[0]):
        result = fastgd.minimize(user_objective.Differences(width), starts, learning_rate=0.25, ftol=1e-12)
        expected = fastgd.minimize(user_objective.SumOfSquares(), starts, learning_rate=0.25, ftol=1e-12)
        np.testing.assert_allclose(result.x, expected.x, atol=1e-9)
        np.testing.assert_array_equal(result.nfev, expected.nfev)


@pytest.mark.parametrize("options", [{}, {"learning_rate": 0.25, "ftol": 1e-12}, {"bounds": (0.0, np.inf)}], ids=str)
def test_cython_objective_that_leaves_its_values_elsewhere(user_objective, options):
    x0 = np.random.default_rng(7).uniform(0.0, 2.0, (200, 3))
    result = fastgd.minimize(user_objective.Lending(np.zeros((2, 1024))), x0, **options)
    expected = fastgd.minimize(user_objective.SumOfSquares(), x0, **options)
    for name in ("x", "fun", "jac", "nit", "nfev", "status"):
        np.testing.assert_array_equal(result[name], expected[name])


@pytest.mark.parametrize("options", [
    {}, {"workers": 2}, {"workers": 2, "chunk_size": 100}, {"chunk_size": 3000}, {"progress": lambda done, total: None},
    {"checkpoint": "run.npz"},
], ids=str)
def test_cython_objective_gets_the_numbers_that_problems_have_in_the_batch(user_objective, options, tmp_path,
                                                                           monkeypatch):
    monkeypatch.chdir(tmp_path)
    centers = np.random.default_rng(6).normal(scale=5.0, size=(10_000, 2))
    result = fastgd.minimize(user_objective.Distance(centers), np.zeros_like(centers), **options)
    assert result.success.all()
    np.testing.assert_allclose(result.x, centers, atol=1e-6)


def test_covariance_of_a_cython_objective_that_knows_the_numbers_of_its_problems(user_objective):
    result = fastgd.minimize(user_objective.Weighted(), np.ones((20, 1)))
    expected = 0.5 / np.arange(1.0, 21.0)
    for part in (np.s_[:], 7, np.s_[3:9], np.s_[::-2], [19, 0]):
        np.testing.assert_allclose(result[part].covariance()[..., 0, 0], expected[part], rtol=1e-6)
    np.testing.assert_allclose(result[3:][::2][2].covariance(), expected[7], rtol=1e-6)


@pytest.mark.parametrize("maxtime", [None, 60.0])
@pytest.mark.parametrize(("options", "message"), [
    ((False, False, 0), "evaluate returned 0, where 1 was expected"),
    ((True, False, 0), "evaluate returned 0, where 3 was expected"),
    ((True, False, 1), "evaluate returned 1, where 3 was expected"),
    ((False, True, 1), "evaluate_moved returned 1, where 6 was expected"),
])
def test_cython_objective_that_supplies_less_than_was_wanted(user_objective, options, message, maxtime):
    objective = user_objective.Forgetful(*options)
    with pytest.raises(RuntimeError, match=rf"^Forgetful\.{message}$"):
        fastgd.minimize(objective, np.ones((5, 3)), maxtime=maxtime)
    if objective.supplies == 1:
        with pytest.raises(RuntimeError, match=rf"^Forgetful\.{message}$"):
            fastgd.gradient(objective, np.ones((5, 3)))


def test_cython_objective_that_was_not_ready_by_the_deadline(user_objective):
    result = fastgd.minimize(user_objective.Late(), [[1.0], [2.0]], maxtime=60.0)
    assert result.status.tolist() == [fastgd.Status.MAXTIME] * 2
    assert result.x.tolist() == [[1.0], [2.0]]


def test_cython_objective_of_one_problem(user_objective):
    result = fastgd.minimize(user_objective.SumOfSquares(), [1.0, -2.0], learning_rate=0.25)
    assert result.success
    assert result.nfev == 4 * result.njev + 2 * (1 + 4)  # the second looks at the start and at the end


def test_cython_objective_takes_a_difference(user_objective):
    objective = user_objective.SumOfSquares()
    np.testing.assert_allclose(fastgd.gradient(objective, [[1.0, -2.0]], step=0.5), [[2.0, -4.0]], rtol=1e-15)
    with pytest.raises(TypeError, match="does not go with differences"):
        fastgd.gradient(user_objective.WithGradient(), [1.0, -2.0])


def test_exception_of_a_cython_objective_is_raised(user_objective):
    with pytest.raises(ArithmeticError, match="from the user's package"):
        fastgd.minimize(user_objective.Raising(), [1.0])


@pytest.mark.parametrize(("options", "name"), [
    ({"args": 3.0}, "args"),
    ({"args": np.ones(2)}, "args"),
    ({"batch_args": ([1.0, 2.0],)}, "batch_args"),
    ({"jac": True}, "jac"),
    ({"jac": lambda x: x}, "jac"),
    ({"vectorized": True}, "vectorized"),
    ({"vectorized": "rows"}, "vectorized"),
    ({"unpack": True}, "unpack"),
    ({"on_error": "record"}, "on_error"),
])
def test_objective_goes_with_no_option_that_would_change_its_call(options, name):
    with pytest.raises(TypeError, match=rf"used as it is: it does not go with {name}\b"):
        fastgd.minimize(fastgd.Objective(), [[1.0], [2.0]], **options)


def test_objective_is_not_maximized():
    with pytest.raises(TypeError, match="does not go with maximize"):
        fastgd.maximize(fastgd.Objective(), [1.0])


def test_objective_without_evaluate_says_so():
    with pytest.raises(NotImplementedError, match="overrides evaluate"):
        fastgd.minimize(fastgd.Objective(), [1.0])


@pytest.fixture
def own_copy(tmp_path):
    """A copy of the package, to which methods may be added: its core, a function that compiles a module of that, and
    one that runs a program."""
    shutil.copytree(files(fastgd), tmp_path / "fastgd")
    core = tmp_path / "fastgd" / "_core"
    shutil.copytree(ROOT / "src" / "fastgd" / "_core", core, dirs_exist_ok=True,
                    ignore=shutil.ignore_patterns("*.so", "*.pyd"))

    def compiled(name):
        subprocess.run([sys.executable, "-m", "Cython.Build.Cythonize", "--inplace", "-3", f"fastgd/_core/{name}.pyx"],
                       check=True, cwd=tmp_path, capture_output=True,
                       env={**os.environ, "CFLAGS": f"{os.environ.get('CFLAGS', '')} -I{core} -ffp-contract=off"})

    def run(program, *arguments):
        found = subprocess.run([sys.executable, "-c", program, *arguments], check=True, cwd=tmp_path,
                               env={**os.environ, "PYTHONPATH": str(tmp_path)}, capture_output=True)
        return json.loads(found.stdout)

    return core, compiled, run


def guide():
    """The examples of CONTRIBUTING.md: of each the class of the core and the dataclass."""
    blocks = re.findall(r"```(?:cython|python)\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL)
    assert len(blocks) == 4
    return blocks[:2], blocks[2:]


def test_step_that_contributing_md_adds(own_copy):
    core, compiled, run = own_copy
    (of_core, of_face), _ = guide()
    with (core / "directions" / "first_order.pxd").open("a") as file:
        file.write("\n\ncdef class Signum(FirstOrder):\n    cdef double beta\n")
    with (core / "directions" / "first_order.pyx").open("a") as file:
        file.write("\n\n" + of_core)
    compiled("directions/first_order")
    x, mean = np.random.default_rng(0).normal(size=(20, 3)), 0.0
    found = run(USE_OF_SIGNUM, of_face, json.dumps(x.tolist()))
    for _ in range(5):
        mean = 0.7 * mean + (1.0 - 0.7) * (2.0 * x)
        x = x - 0.1 * np.sign(mean)
    np.testing.assert_array_equal(found, x)


def test_direction_that_contributing_md_adds(own_copy):
    """Its first iterates are those of a loop in NumPy; with it Rosenbrock's function is minimized."""
    core, compiled, run = own_copy
    _, (of_core, of_face) = guide()
    (core / "directions" / "conjugate.pxd").write_text(DECLARATION_OF_CONJUGATE)
    (core / "directions" / "conjugate.pyx").write_text(of_core)
    compiled("directions/conjugate")
    x0 = np.random.default_rng(0).uniform(-1.0, 1.0, size=(20, 3))
    found = run(USE_OF_CONJUGATE, of_face, json.dumps(x0.tolist()), str(ROOT))
    for start, path in zip(x0, found["paths"], strict=True):
        expected = reference.armijo(bowl, slopes_of_bowl, start, 8, reference.Conjugate())
        np.testing.assert_allclose(path[: len(expected)], expected, rtol=1e-9, atol=1e-12)
    assert found["success"]
    np.testing.assert_allclose(found["x"], 1.0, atol=1e-4)
