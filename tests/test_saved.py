"""Results and paths in files."""

import io
import math

import numpy as np
import pytest

import fastgd
from fastgd import load_result, maximize, minimize
from fastgd.result import ARRAYS

from .problems import rosenbrock

X0 = np.random.default_rng(2).normal(size=(2, 3, 2))


@pytest.mark.parametrize("result", [
    minimize(lambda x: (x - 1.0) ** 2, 3.0, trace=1), minimize(rosenbrock, [-1.2, 1.0], trace=3),
    minimize(rosenbrock, X0[0]), minimize(rosenbrock, X0, trace=1), minimize(rosenbrock, X0[0], trace=(1, [2])),
    minimize(rosenbrock, X0[0], trace=(1, [])), minimize(lambda x: math.nan, X0[0], trace=1),
    maximize(lambda x: 100.0 if x[0] > 2.0 else x[0], [[1.5]], learning_rate=1.0),
    minimize(rosenbrock, np.empty((0, 2))),
], ids=range(9))
@pytest.mark.parametrize("name", ["result.npz", "result"])
def test_result_comes_back(result, name, tmp_path):
    """All fields, messages and traces, in their types."""
    result.save(tmp_path / name)
    again = load_result(tmp_path / name)
    for field in (*ARRAYS, "success", "message", "maximized"):
        assert np.array_equal(getattr(again, field), getattr(result, field), equal_nan=field not in ("message",))
        assert type(getattr(again, field)) is type(getattr(result, field))
    assert repr(again) == repr(result)
    assert (again.trace is None) == (result.trace is None)
    if isinstance(result.trace, dict):
        assert again.trace.keys() == result.trace.keys()
    for path, expected in zip(paths(again), paths(result), strict=True):
        assert all(np.array_equal(path[column], expected[column], equal_nan=True) for column in expected.keys())  # noqa: SIM118
        assert all(path[column].shape == expected[column].shape for column in expected.keys())  # noqa: SIM118


def paths(result):
    return list(result.trace.values()) if isinstance(result.trace, dict) else [result.trace] if result.trace else []


def test_saved_by_numpy():
    """As SciPy's results: every field is an array without pickle."""
    for result in (minimize(rosenbrock, [-1.2, 1.0], trace=1), minimize(rosenbrock, X0)):
        file = io.BytesIO()
        np.savez(file, **result)
        file.seek(0)
        with np.load(file, allow_pickle=False) as loaded:
            assert set(loaded) == set(result.keys())
            assert np.array_equal(loaded["x"], result.x)
            assert np.array_equal(loaded["message"], result.message)


@pytest.mark.parametrize("content", ["nothing", "text", "array", "other", "cut"])
def test_other_files(content, tmp_path):
    path = tmp_path / "file.npz"
    if content == "text":
        path.write_text("no result")
    elif content == "array":
        with path.open("wb") as file:
            np.save(file, np.ones(3))
    elif content == "other":
        np.savez(path, x=np.ones(3))
    elif content == "cut":
        minimize(rosenbrock, X0).save(path)
        path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(FileNotFoundError if content == "nothing" else ValueError, match=r"file\.npz"):
        load_result(path)


def test_columns_of_a_path(tmp_path):
    """Against what the run and its callback say."""
    seen = []
    result = minimize(rosenbrock, [-1.2, 1.0], trace=1, callback=lambda intermediate_result: seen.append(
        intermediate_result))
    trace = result.trace
    assert trace.nfev.tolist()[1:] == [state.nfev for state in seen]
    assert trace.nfev[0] < trace.nfev[1]
    assert np.allclose(trace.gradient_norm, np.linalg.norm(trace.jac, axis=1))
    assert np.isnan(trace.step[0])
    assert np.isnan(trace.learning_rate[0])
    steps = np.linalg.norm(np.diff(trace.x, axis=0), axis=1)
    assert np.allclose(trace.step[1:], steps, rtol=1e-14)
    assert np.allclose(trace.learning_rate[1:], steps / trace.gradient_norm[:-1], rtol=1e-14)
    columns = trace.to_dict()
    assert list(columns) == ["nit", "nfev", "x0", "x1", "fun", "jac0", "jac1", "gradient_norm", "step",
                             "learning_rate"]
    assert all(column.shape == (len(trace),) for column in columns.values())
    assert np.array_equal(columns["x1"], trace.x[:, 1])
    trace.save(tmp_path / "path.npz")
    with np.load(tmp_path / "path.npz", allow_pickle=False) as loaded:
        assert np.array_equal(loaded["x"], trace.x)
        assert set(loaded) == set(trace.keys())


@pytest.mark.parametrize("every", [1, 4])
def test_learning_rates_of_a_path(every):
    """Those that were used, also of a schedule and for each problem; steps are those of single iterations."""
    def schedule(k):
        return 0.3 / (k + 1)

    options = {"maxiter": 9, "trace": every, "gtol": 0.0}
    trace = minimize(lambda x: x[0] ** 2, [1.0], learning_rate=schedule, **options).trace
    assert trace.nit[-1] == 9
    assert trace.learning_rate[1:].tolist() == [schedule(k - 1) for k in trace.nit[1:].tolist()]
    batch = minimize(lambda x: x[0] ** 2, [[1.0], [2.0]], learning_rate=[0.1, 0.2], method="momentum", **options)
    for problem, rate in enumerate((0.1, 0.2)):
        path = batch.trace[problem]
        assert path.learning_rate[1:].tolist() == [rate] * (len(path) - 1)
        whole = minimize(lambda x: x[0] ** 2, [problem + 1.0], learning_rate=rate, method="momentum",
                         **options | {"trace": 1}).trace
        assert np.array_equal(path.step[1:], whole.step[path.nit[1:]])
    scalar = fastgd.minimize(lambda x: x**2, 1.0, learning_rate=0.25, maxiter=2, trace=1).trace
    assert scalar.to_dict()["x"].tolist() == [1.0, 0.5, 0.25]
    assert scalar.gradient_norm.tolist() == [2.0, 1.0, 0.5]


def test_columns_of_no_path():
    """Of a run that could not start."""
    for x0 in ([0.0, 1.0], 1.0):
        columns = minimize(lambda x: math.nan, x0, trace=1).trace.to_dict()
        assert all(column.shape == (0,) for column in columns.values())
