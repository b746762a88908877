"""What a run returns: access by name and by problem, the best of a batch, one screen of text, pickles."""

import copy
import pickle
from dataclasses import FrozenInstanceError

import numpy as np
import pytest

import fastgd
from fastgd import Result, Status, maximize, minimize

from .problems import FIELDS, bits

NAMES = (*FIELDS, "success", "message")
RNG = np.random.default_rng(11)
X0 = RNG.normal(size=(3, 4, 2))


def bowl(x):
    return (x[0] - 1) * (x[0] - 1) + x[1] * x[1]


def solve(x0, solver=minimize, fun=bowl, **options):
    return solver(fun, x0, **{"learning_rate": 0.3, "maxiter": 12, "gtol": 1e-4, **options})


SINGLE = solve(X0[0, 0])
BATCH = solve(X0.reshape(12, 2))
IMAGE = solve(X0)


@pytest.mark.parametrize("result", [SINGLE, BATCH, IMAGE], ids=["single", "batch", "image"])
def test_fields_by_name_and_by_key(result):
    """Every field is an attribute and an item; the result can become a dict; it cannot be changed."""
    assert set(NAMES) == set(result.keys())
    for name in NAMES:
        assert result[name] is getattr(result, name) or np.array_equal(result[name], getattr(result, name))
        assert name in result
    assert set(dict(result)) == set(NAMES)
    for absent in ("maximized", "nothing"):
        assert absent not in result
        with pytest.raises(KeyError, match=absent):
            result[absent]
    with pytest.raises(FrozenInstanceError):
        result.x = 0


def test_types_of_a_single_result():
    """Numbers of one problem are Python's, and its status is a Status."""
    assert {name: type(SINGLE[name]) for name in NAMES} == {
        "x": np.ndarray, "fun": float, "jac": np.ndarray, "nit": int, "nfev": int, "njev": int, "status": Status,
        "success": bool, "message": str}
    with pytest.raises(TypeError, match="single"):
        SINGLE[0]


@pytest.mark.parametrize("problem", range(-12, 12, 5))
def test_problem_of_a_batch(problem):
    """result[i] is the single result of problem i, with the types and bits of its own run."""
    one, own = BATCH[problem], solve(X0.reshape(12, 2)[problem])
    assert bits(one) == bits(own)
    assert {type(one[name]) for name in NAMES} == {type(own[name]) for name in NAMES}
    assert one.status is own.status
    assert one.message == own.message
    assert bits(IMAGE[np.unravel_index(problem % 12, (3, 4))]) == bits(own)
    assert bits(BATCH[np.int32(problem)]) == bits(own)


PARTS = [np.s_[2:7], np.s_[::-1], np.s_[:0], [5, 5, -1], np.arange(12) % 3 == 0, np.zeros(12, dtype=bool), np.s_[...]]


@pytest.mark.parametrize("part", PARTS, ids=str)
def test_part_of_a_batch(part):
    """Slices, lists and masks give smaller batches."""
    result = BATCH[part]
    assert isinstance(result, Result)
    for name in (*FIELDS, "success", "message"):
        assert np.array_equal(result[name], BATCH[name][part])
        assert len(result[name]) == len(np.arange(12)[part])
    assert bits(BATCH[2:7][1]) == bits(BATCH[3])


PARTS_OF_AN_IMAGE = [
    1, -1, np.s_[1:], np.s_[:, 2], np.s_[1:, ::2], np.s_[..., 0], BATCH.nit.reshape(3, 4) > 11, np.s_[[0, 2], [1, 3]]]


@pytest.mark.parametrize("part", PARTS_OF_AN_IMAGE, ids=range(8))
def test_part_of_an_image(part):
    """An image is indexed by two axes, as its fields are."""
    for name in (*FIELDS, "success", "message"):
        for i in ((..., 0), (..., 1)) if name in ("x", "jac") else (...,):
            assert np.array_equal(IMAGE[part][name][i], IMAGE[name][i][part])
    assert bits(IMAGE[1, 2]) == bits(IMAGE[1][2]) == bits(BATCH[6])


def test_index_that_is_not_there():
    """An index out of range is an IndexError, so that a batch can be gone through problem by problem."""
    for index in (12, -13, (0, 0), 1.5):
        with pytest.raises(IndexError):
            BATCH[index]
    assert [one.nit for one in BATCH] == BATCH.nit.tolist()


def test_part_has_its_trace():
    """The single result of a traced problem has the problem's path, one that was not traced has none."""
    batch, image = solve(X0.reshape(12, 2), trace=(1, [3, 7])), solve(X0, trace=(2, [(0, 3), (1, 3)]))
    assert np.array_equal(batch[7].trace.x[-1], batch.x[7])
    assert len(batch[7].trace) == batch.nit[7] + 1
    assert batch[0].trace is None
    assert np.array_equal(image[1, 3].trace.nit, np.arange(0, image.nit[1, 3] + 1, 2))
    assert image[1, 1].trace is None


@pytest.mark.parametrize("solver", [minimize, maximize])
def test_best_of_a_batch(solver):
    """best is the single result of the lowest value, of the highest from maximize, and never one without a value."""
    sign = 1 if solver is minimize else -1
    x0 = X0.copy()
    x0[0, 1] = x0[2, 2] = np.nan
    for batch_shape in ((12,), (3, 4)):
        result = solve(x0.reshape(*batch_shape, 2), solver, lambda x: sign * bowl(x), learning_rate=0.05, maxiter=3)
        known = sign * result.fun[~np.isnan(result.fun)]
        assert len(known) == 10
        assert sign * result.best.fun == known.min()
        assert result.best.x.shape == (2,)
        where = np.unravel_index(np.nanargmin(sign * result.fun), batch_shape)
        assert bits(result.best) == bits(result[where])
        assert bits(result[np.isnan(result.fun)].best)["fun"] == np.array(np.nan).tobytes()
    assert SINGLE.best is SINGLE
    with pytest.raises(ValueError, match="empty"):
        _ = BATCH[:0].best


def wide(n_dim):
    return minimize(lambda x: (x * x).sum(axis=0), RNG.normal(size=(40, n_dim)) * 1e-7 ** RNG.random((40, n_dim)),
                    vectorized=True, jac=lambda x: 2 * x, learning_rate=0.3, maxiter=5)


def many_statuses():
    """A batch that ended for ten reasons, with numbers that need many characters."""
    codes = np.array(Status, dtype=int)[:10]
    numbers = np.arange(10) - 10**15
    return Result(RNG.normal(size=(10, 12)) * 1e-200, RNG.normal(size=10) * 1e-200, np.ones((10, 12)), *3 * [numbers],
                  codes, np.zeros(10, dtype=int), *2 * [np.full(10, np.nan)])


REPRESENTED = {
    "single": lambda: SINGLE, "batch": lambda: BATCH, "image": lambda: IMAGE, "empty": lambda: BATCH[:0],
    "scalar": lambda: minimize(lambda x: x * x, 1.0), "one problem": lambda: BATCH[:1],
    "of 12 dimensions": lambda: wide(12)[0], "of 1,000 dimensions": lambda: wide(1000)[0],
    "batch of 12 dimensions": lambda: wide(12), "batch of 1,000 dimensions": lambda: wide(1000),
    "100,000": lambda: solve(RNG.normal(size=(100_000, 2)), vectorized=True),
    "without values": lambda: solve(X0 * np.nan),
    "empty image": lambda: IMAGE[:, :0], "traced": lambda: solve(X0, trace=1), "many statuses": many_statuses,
}


@pytest.mark.parametrize("case", REPRESENTED)
def test_repr_fits_on_a_screen(case):
    """However large the batch or its points, fewer than 20 lines of fewer than 120 columns say what came out."""
    result = REPRESENTED[case]()
    text = repr(result)
    assert len(text.splitlines()) < 20
    assert max(map(len, text.splitlines())) < 120
    if isinstance(result.fun, float):
        assert result.message in text
        assert f"nit: {result.nit}" in text
    else:
        assert str(result.fun.size) in text
        assert all(Status(code).name in text for code in np.unique(result.status))
        assert result.fun.size == 0 or f"{result.success.sum()} of {result.fun.size}" in text


def test_repr_of_values_without_a_middle():
    """Infinities of both signs, and values whose sum overflows, are shown without a warning."""
    values = {-1.0: -np.inf, 1.0: np.inf, 2.0: 1.7e308, 3.0: 1.7e308}

    def fun(x):
        return values[round(x[0])]

    both = minimize(fun, [[-1.0], [1.0]], jac=np.zeros_like)
    assert "-inf to inf" in repr(both)
    assert "1.7e+308 to 1.7e+308" in repr(minimize(fun, [[2.0], [3.0]], jac=np.zeros_like))


def test_repr_leaves_the_print_options_alone():
    """NumPy's options are afterwards what they were."""
    before = np.get_printoptions()
    repr(wide(1000))
    assert np.get_printoptions() == before


@pytest.mark.parametrize("duplicate", [lambda x: pickle.loads(pickle.dumps(x)), copy.copy, copy.deepcopy],
                         ids=["pickle", "copy", "deepcopy"])
def test_result_survives_pickling(duplicate):
    """A result, single or batch, comes back with the same bits, statuses and paths."""
    for x0 in (X0[0, 0], X0):
        result = solve(x0, trace=1)
        twin = duplicate(result)
        assert bits(twin) == bits(result)
        assert type(twin) is fastgd.Result
        assert np.array_equal(twin.message, result.message)
        paths = [(twin.trace, result.trace)] if x0.ndim == 1 else zip(
            twin.trace.values(), result.trace.values(), strict=True)
        for one, other in paths:
            assert all(np.array_equal(one[name], other[name]) for name in ("nit", "x", "fun", "jac"))
    assert duplicate(SINGLE).status is SINGLE.status


@pytest.mark.parametrize("status", Status)
@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_status_survives_pickling(status, protocol):
    """A status comes back as the same object, by its public name."""
    data = pickle.dumps(status, protocol)
    assert pickle.loads(data) is status
    assert b"_core" not in data


def test_trace_of_a_result():
    """A path has a length, fields by name and by key, and a repr of one line."""
    trace = solve(X0[0, 0], trace=2).trace
    assert len(trace) == len(trace.nit) == len(trace["x"]) == len(trace.fun) == len(trace.jac)
    assert trace.x.shape == trace.jac.shape == (len(trace), 2)
    assert repr(trace).count("\n") == 0
    assert str(trace.nit[-1]) in repr(trace)
    nothing = solve(X0 * np.nan, trace=1).trace[0, 0]
    assert len(nothing) == 0
    assert repr(nothing)


def test_empty_batch_can_be_sliced():
    empty = minimize(lambda x: x[0], np.zeros((0, 2)))[:]
    assert (empty.x.shape, empty.fun.shape) == ((0, 2), (0,))


def test_long_arrays_stand_below_each_other():
    result = minimize(lambda x: ((x - np.pi) ** 2).sum(), np.zeros(31), method="gd")
    lines = repr(result).split("\n")
    jac = next(number for number, line in enumerate(lines) if line.startswith("    jac: "))
    assert lines[jac + 1].startswith(" " * 9 + " -")
