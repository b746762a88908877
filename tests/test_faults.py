"""What faulty input and faulty objectives get: an error that says where, or a status for that problem alone."""

import re
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import scipy.linalg.blas

import fastgd
from fastgd import Difference, Status, gradient, maximize, minimize
from fastgd.schedules import Schedule

RATE = 0.3  # an iteration takes a valley's coordinate to 0.4 of what it was


def valleys(x):
    """A function with a minimum at every multiple of 10, so that the place tells the problem."""
    return sum((c - 10 * np.round(c / 10)) ** 2 for c in x)


def slopes(x):
    return np.array([2 * (c - 10 * np.round(c / 10)) for c in x])


def problem_at(x):
    return np.round(np.asarray(x[0]) / 10)


def starts(n_problems, n_dim=2):
    """Starting points at distance 1 from the minima at (0, 0), (10, 10), ..."""
    return 10.0 * np.arange(n_problems)[:, None] + np.resize([1.0, -1.0], n_dim)


def unspoiled(x, result):
    return result


@dataclass(frozen=True)
class Kind:
    """A way to pass an objective."""

    name: str
    vectorized: bool | str = False
    unpack: bool = False
    scalar: bool = False
    jac: str = "differences"  # "function" or "pair"

    def coordinates(self, arguments):
        if self.unpack or self.scalar:
            return arguments
        return arguments[0].T if self.vectorized == "rows" else arguments[0]

    def options(self, value=valleys, slope=slopes, *, spoil=unspoiled, spoil_slope=None, meddle=None):
        """The arguments that pass a formula of coordinates, with results spoiled and arguments meddled with."""

        def adapted(formula, spoil):
            def call(*arguments):
                x = self.coordinates(arguments)
                result = spoil(x, formula(x))
                return np.transpose(result) if self.vectorized == "rows" and np.ndim(result) == 2 else result
            return call

        def meddling(function):
            def call(*arguments):
                result = function(*arguments)
                meddle(*arguments)
                return result
            return call if meddle else function

        fun, jac = adapted(value, spoil), adapted(slope, spoil_slope or spoil)
        options = {"vectorized": self.vectorized, "unpack": self.unpack}
        if self.jac == "pair":
            return options | {"fun": meddling(lambda *arguments: (fun(*arguments), jac(*arguments))), "jac": True}
        return options | {"fun": meddling(fun), "jac": meddling(jac) if self.jac == "function" else None}

    def solve(self, x0, value=valleys, slope=slopes, *, solver=minimize, spoil=unspoiled, spoil_slope=None,
              meddle=None, **options):
        passed = self.options(value, slope, spoil=spoil, spoil_slope=spoil_slope, meddle=meddle)
        return solver(x0=x0, **{**passed, "learning_rate": RATE, **options})

    def gradient(self, x, value=valleys, **options):
        passed = replace(self, jac="differences").options(value)
        del passed["jac"]
        return gradient(x=x, **passed, **options)

    def start(self):
        """A single problem."""
        return 1.0 if self.scalar else starts(1)[0]


FORMS = [Kind("f(x)"), Kind("f(*x)", unpack=True), Kind("f(float)", scalar=True), Kind("columns", vectorized=True),
         Kind("rows", vectorized="rows"), Kind("f(*columns)", vectorized=True, unpack=True)]
KINDS = [replace(form, jac=jac) for form in FORMS for jac in ("differences", "function", "pair")]


def over(kinds):
    return pytest.mark.parametrize("kind", kinds, ids=lambda kind: f"{kind.name}, {kind.jac}")


every_kind = over(KINDS)
every_batch_kind = over([kind for kind in KINDS if not kind.scalar])
every_form = over(FORMS)
every_array_kind = over([kind for kind in KINDS if kind.vectorized or not (kind.unpack or kind.scalar)])
every_vectorized_kind = over([kind for kind in KINDS if kind.vectorized])


def bits(result, problems=...):
    """The result of some problems, in a form that compares by bits."""
    return {name: np.asarray(result[name])[problems].tobytes() for name in ("x", "fun", "jac", "nit", "nfev", "status")}


def others(n_problems, *faulty):
    return np.setdiff1d(np.arange(n_problems), faulty)


# Input

@every_batch_kind
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_start_that_is_not_finite(kind, bad):
    """One problem with nan or inf in x0 is refused by index; in a batch only that problem is NONFINITE."""
    with pytest.raises(ValueError, match=r"x0\[1\] = -?(nan|inf)"):
        kind.solve([1.0, bad])
    with pytest.raises(ValueError, match=r"x\[1\] = -?(nan|inf)"):
        kind.gradient([1.0, bad])
    with pytest.raises(ValueError, match="finite"):
        minimize(lambda x: x * x, bad)
    x0 = starts(5)
    healthy = kind.solve(x0)
    x0[2, 1] = bad
    result = kind.solve(x0)
    assert result.status[2] == Status.NONFINITE
    assert not result.success[2]
    assert result.x[2].tobytes() == x0[2].tobytes()
    assert bits(result, others(5, 2)) == bits(healthy, others(5, 2))


@every_kind
@pytest.mark.parametrize("dtype", ["i1", "u2", "i8", "f4", "f2", "?"])
def test_numbers_that_are_not_float64(kind, dtype):
    """Integers and other real numbers start from their float64 values and are left alone."""
    x0 = np.array(1 if kind.scalar else [1, 0], dtype=dtype)
    before = x0.tobytes()
    result = kind.solve(x0)
    assert np.asarray(result.x).dtype == np.float64
    assert bits(result) == bits(kind.solve(x0.astype(np.float64)))
    assert x0.tobytes() == before


NOT_REAL = [
    (np.array([1j, 2.0]), "complex128"), (1j, "complex128"), (["1", "2"], "<U1"), (np.array([b"1"]), "S1"),
    (np.array([1.0, 2.0], dtype=object), "object"), ([1.0, None], "object"), (object(), "object"),
    (np.array(["2020"], dtype="M8[Y]"), "datetime64"), (np.ma.array([1.0, 2.0], mask=[0, 1]), "masked"),
    (np.ma.masked, "masked"),
]


@every_form
@pytest.mark.parametrize(("x0", "named"), NOT_REAL, ids=range(len(NOT_REAL)))
def test_start_that_is_not_real(kind, x0, named):
    """What is not an array of real numbers is a TypeError with the dtype, for points and for other numbers."""
    calls = [partial(kind.solve, x0), partial(kind.gradient, x0), partial(kind.solve, 1.0, learning_rate=x0)]
    if not isinstance(x0, list) or None not in x0:  # which is no bound
        calls.append(partial(kind.solve, [1.0, 2.0], bounds=(x0, None)))
    for call in calls:
        with pytest.raises(TypeError, match=named):
            call()


def misaligned(x):
    memory = np.zeros(x.nbytes + 1, dtype=np.uint8)[1:]
    memory[:] = np.frombuffer(x.tobytes(), dtype=np.uint8)
    return memory.view(np.float64).reshape(x.shape)


def read_only(x):
    x = x.copy()
    x.flags.writeable = False
    return x


LAYOUTS = {
    "big-endian": lambda x: x.astype(">f8"),
    "misaligned": misaligned,
    "read-only": read_only,
    "negative strides": lambda x: x[..., ::-1].copy()[..., ::-1],
    "Fortran": np.asfortranarray,
    "strided": lambda x: np.repeat(np.repeat(x, 2, axis=0), 3, axis=1)[::2, ::3],
    "transposed image": lambda x: x.reshape(2, 3, 2).transpose(1, 0, 2),
    "list": lambda x: x.tolist(),
}


def check_layout(kind, x0):
    plain = np.array(x0, dtype=np.float64, order="C")
    before = np.asarray(x0).tobytes()
    result = kind.solve(x0)
    assert bits(result) == bits(kind.solve(plain))
    assert np.abs(result.x - np.round(result.x, -1)).max() < 1e-6
    assert kind.gradient(x0).tobytes() == kind.gradient(plain).tobytes()
    assert np.asarray(x0).tobytes() == before


@every_batch_kind
@pytest.mark.parametrize("layout", LAYOUTS)
def test_memory_layout_of_the_start(kind, layout):
    """However x0 lies in memory, the answers have the same bits and x0 is as before."""
    x0 = LAYOUTS[layout](starts(6))
    check_layout(kind, x0)
    if np.ndim(x0) == 2:
        check_layout(kind, x0[1])


@every_batch_kind
def test_memory_mapped_start(kind, tmp_path):
    """A file that is mapped, and cannot be written, serves as x0."""
    np.save(tmp_path / "x0.npy", starts(6))
    check_layout(kind, np.load(tmp_path / "x0.npy", mmap_mode="r"))


@every_form
def test_none_as_start(kind):
    """None is no starting point."""
    for call in (kind.solve, kind.gradient):
        with pytest.raises(TypeError, match="None"):
            call(None)


@every_batch_kind
def test_nothing_to_do(kind):
    """Points without coordinates are refused; a batch without problems has an empty result and calls nothing."""
    for shape in ((0,), (3, 0), (0, 0)):
        for call in (kind.solve, kind.gradient):
            with pytest.raises(ValueError, match="no coordinates"):
                call(np.empty(shape))
    for shape in ((0, 2), (4, 0, 2)):
        result = kind.solve(np.empty(shape), None, None, bounds=(0, 1), batch_args=(np.empty(shape),), maxiter=5)
        assert result.x.shape == result.jac.shape == shape
        assert {result[name].shape for name in ("fun", "nit", "nfev", "status", "success", "message")} == {shape[:-1]}
        assert kind.gradient(np.empty(shape)).shape == shape
        assert repr(result)


@every_batch_kind
@pytest.mark.parametrize("shape", [(2**30, 2**30), (2**59, 2), (2**60,), (2**62,)])
@pytest.mark.parametrize("bounds", [None, (0, 1)], ids=["free", "bounded"])
def test_sizes_that_overflow_or_exceed_memory(kind, shape, bounds):
    """A size in bytes that no integer holds is an OverflowError, one that no memory holds a MemoryError with it."""
    huge = np.broadcast_to(np.int8(0), shape)
    for call in (kind.solve, kind.gradient):
        with pytest.raises(OverflowError, match="overflow"):
            call(huge, bounds=bounds)
        for number in (np.int8(0), 0.0):
            large = np.broadcast_to(number, (2**28, 2**28)[-len(shape):])
            if len(shape) == 1:
                large = np.broadcast_to(number, (2**56,))
            # of a copy of x, or of the results
            n_bytes = f"({8 * 2**56}|{8 * (2 * 2**56 + 8 * (2**28 if len(shape) > 1 else 1))})"
            with pytest.raises(MemoryError, match=f" {n_bytes} bytes"):
                call(large, bounds=bounds)


@pytest.mark.parametrize(("fun", "x0", "options"), [
    (lambda x: (x @ x, 2 * x), [1.0, 2.0], {}), (lambda x: (x * x, 2 * x), 1.0, {}),
    (lambda x: (np.sum(x * x, axis=0), 2 * x), np.ones((5, 2)), {"vectorized": True}),
], ids=["point", "number", "vectorized"])
def test_a_pair_without_jac(fun, x0, options):
    """A value and its gradient, where only the value is expected."""
    with pytest.raises((TypeError, ValueError), match=r"fun must return .*; a pair of value and gradient goes with"):
        minimize(fun, x0, **options)


def test_class_of_the_differences():
    with pytest.raises(TypeError, match=r"jac must be None, .* got the class Difference"):
        minimize(lambda x: x @ x, [1.0, 2.0], jac=Difference)


@every_kind
def test_result_is_not_the_start(kind):
    """Neither does the answer share memory with x0, nor does a change of x0 during the run reach it."""
    x0 = np.array(kind.start()) if kind.scalar else starts(5)
    for maxiter in (0, 100):
        result = kind.solve(x0, maxiter=maxiter)
        assert not np.shares_memory(result.x, x0)
        assert not np.shares_memory(result.x, result.jac)
    expected = bits(result)

    def overwrite(*arguments):
        x0[...] = 77.0

    assert bits(kind.solve(x0, meddle=overwrite)) == expected


@every_form
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -1.0, "zero", "name", None])
def test_numbers_out_of_range(kind, bad):
    """Rates, steps, times and tolerances must be in their range, which nan and inf never are."""
    positive = [{"learning_rate"}, {"maxtime"}]
    for name in ("learning_rate", "maxtime", "gtol", "xtol", "ftol"):
        value = 0.0 if bad == "zero" else bad
        may_be_none = value is None and name in ("learning_rate", "maxtime", "gtol")
        if may_be_none or (bad == "zero" and {name} not in positive):
            continue
        is_of_wrong_type = value is None or (value == "name" and name != "learning_rate")  # which may be "auto"
        with pytest.raises(TypeError if is_of_wrong_type else ValueError, match=name):
            kind.solve(kind.start(), **{name: value})
        if name != "maxtime" and isinstance(value, float) and not kind.scalar:
            with pytest.raises(ValueError, match=rf"{name}\[1\]"):
                kind.solve(starts(3), **{name: [1.0, value, 1.0]})
    if bad is not None:
        value = 0.0 if bad == "zero" else bad
        for call in (partial(Difference, step=value), partial(kind.gradient, kind.start(), step=value)):
            with pytest.raises(TypeError if value == "name" else ValueError, match="step"):
                call()
        with pytest.raises(ValueError, match="x_scale"):  # whose name could be "start"
            kind.solve(kind.start(), x_scale=value)
        with pytest.raises(ValueError if value == "name" else TypeError, match="method must be"):
            Difference(value)
        with pytest.raises(ValueError, match="learning_rate"):
            fastgd.methods.GradientDescent(value)
    for target in (np.nan, np.inf):
        with pytest.raises(ValueError, match="ftarget"):
            kind.solve(kind.start(), ftarget=target)


@every_kind
def test_number_of_iterations(kind):
    """The limits are integers that are not negative; with no iterations the answer is x0."""
    for bad, error in ((-1, ValueError), (1.5, TypeError), (10.0, TypeError), ("3", TypeError), (True, TypeError),
                       (np.nan, TypeError), (2**63, ValueError), (2**70, (TypeError, ValueError))):
        for name in ("maxiter", "maxfev"):
            with pytest.raises(error, match=name):
                kind.solve(kind.start(), **{name: bad})
    with pytest.raises(ValueError, match="maxfev"):
        kind.solve(kind.start(), maxfev=0)
    result = kind.solve(kind.start(), maxiter=0)
    assert result.status == Status.MAXITER
    assert result.nit == 0
    assert np.array_equal(result.x, kind.start())
    assert result.fun == valleys(np.atleast_1d(kind.start()))


@every_form
def test_unknown_names(kind):
    """A misspelled option or method is answered with the right word."""
    for solver in (minimize, maximize):
        with pytest.raises(TypeError, match=r"unexpected.*'learning_rte'.*did you mean 'learning_rate'"):
            kind.solve(kind.start(), solver=solver, learning_rte=0.1)
        for options, message in (({"method": "gdd"}, "did you mean 'gd'"), ({"on_error": "recrd"}, "mean 'record'"),
                                 ({"jac": "3-pont"}, "did you mean '3-point'"), ({"vectorized": "row"}, "'rows'")):
            with pytest.raises(ValueError, match=message):
                kind.solve(kind.start(), solver=solver, **options)
        for options in ({"method": 3}, {"method": fastgd.methods.GradientDescent}, {"jac": 3}, {"fun": 3},
                        {"jac": np.ones(2)}, {"callback": 3}, {"batch_args": 3}, {"trace": "all"}):
            with pytest.raises(TypeError, match=next(iter(options))):
                kind.solve(kind.start(), solver=solver, **options)
    with pytest.raises(TypeError, match="did you mean 'step'"):
        kind.gradient(kind.start(), stp=1e-5)
    with pytest.raises(ValueError, match="method"):
        kind.gradient(kind.start(), method="3-pont")


@every_batch_kind
def test_bounds_that_make_no_sense(kind):
    """Crossed or nan bounds, and a start outside, are refused with the index."""
    for call in (kind.solve, kind.gradient):
        for lower, upper in ((-2.0, [[5, 5], [15, 8.5], [25, 25]]), ([[-2.0], [np.nan], [-2]], 99.0),
                             ([[-2, -2], [-2, 9.5], [-2, -2]], 99.0), (-2.0, np.array([[99, 99], [99, -3], [99, 99]]))):
            with pytest.raises(ValueError, match=r"\(1, [01]\)"):
                call(starts(3), bounds=(lower, upper))
        for wrong in (([0.0, 0, 0], 99.0), 5, (1, 2, 3), "ab", [(-2, 99), (-2, 99)]):  # the last: a pair per coordinate
            with pytest.raises((ValueError, TypeError), match="bound"):
                call(starts(3), bounds=wrong)


@every_kind
@pytest.mark.parametrize("step", [None, 1e-3])
def test_bounds_are_never_left(kind, step):
    """The objective is called inside the bounds alone, however narrow; equal bounds freeze a coordinate."""
    seen = []
    lower = np.array([[-1.5, -1.0], [9.0, 9.0], [20.5, 19 - 1e-7], [30.0, 28.0]])
    upper = np.array([[1.0, 0.25], [11 + 1e-9, 9.0], [21.5, 19.0], [31.0, 40.0]])
    x0 = np.array([[1.0, -1.0], [11.0, 9.0], [21.0, 19.0], [31.0, 29.0]])
    if kind.scalar:
        lower, upper, x0 = 0.5, 1.0, 1.0
    options = {"bounds": (lower, upper)}
    if kind.jac == "differences":
        options["jac"] = Difference(step=step)
    result = kind.solve(x0, spoil=lambda x, y: (seen.append(np.array(x, dtype=float)), y)[1], **options)
    lower, upper, x0 = np.atleast_2d(lower, upper, x0)
    for x in seen:
        for c in x.reshape(len(x), -1).T:
            assert ((lower <= c) & (c <= upper)).all(axis=1).any(), c
    nearest = np.clip(np.round(x0, -1), lower, upper)
    assert np.abs(result.x - nearest).max() < 1e-5
    frozen = lower == upper
    assert np.array_equal(np.atleast_2d(result.x)[frozen], x0[frozen])
    if kind.jac == "differences":
        slope = kind.gradient(x0.item() if kind.scalar else x0, step=step, bounds=options["bounds"])
        assert np.abs(np.where(frozen, 0.0, slope - slopes(x0))).max() < 1e-5


@every_batch_kind
def test_batch_args_of_another_batch(kind):
    """An array whose first axes are not the batch's is refused with both shapes."""
    for call in (kind.solve, kind.gradient):
        for wrong in (np.zeros(4), np.zeros((2, 3)), 1.0, np.zeros((1, 3)), np.zeros(())):
            with pytest.raises(ValueError, match=rf"\(3, .*got {re.escape(str(np.shape(wrong)))}"):
                call(starts(3), batch_args=(np.zeros(3), wrong))
        with pytest.raises(ValueError, match=r"\(2, 3, .*\(6,\)"):
            call(starts(6).reshape(2, 3, 2), batch_args=(np.zeros(6),))


# The objective

def overwrite(*arguments):
    """Spoils what can be written, by fair means or foul."""
    for x in arguments:
        with suppress(ValueError):
            x.flags.writeable = True
            x[...] = 1e9
            x.flags.writeable = False
        x.shape = (1, *x.shape)


@every_array_kind
@pytest.mark.filterwarnings("ignore:Setting the shape:DeprecationWarning")
def test_objective_that_changes_its_argument(kind):
    """What the objective does to its array, and a callback to its own, does not reach the run."""
    seen = []

    def spoil_iterate(intermediate_result):
        seen.append(intermediate_result.x.copy())
        intermediate_result.x[:] = intermediate_result.jac[:] = 1e9

    for x0 in (kind.start(), starts(5), starts(6, 3)):
        for options in ({}, {"ftol": 1e-12}, {"trace": 1, "callback": lambda x: None}):
            result = kind.solve(x0, **options)
            if "callback" in options:
                options = {"trace": 1, "callback": spoil_iterate}
            meddled = kind.solve(x0, meddle=overwrite, **options)
            assert bits(meddled) == bits(result)
    for problem, path in result.trace.items():
        assert path.x.tobytes() == meddled.trace[problem].x.tobytes()
        assert path.jac.tobytes() == meddled.trace[problem].jac.tobytes()
    assert seen


WRITING = {
    "assignment": lambda X: X.__setitem__(0, 1e9),
    "in place": lambda X: X.__imul__(2.0),
    "out": lambda X: np.sin(X, out=X),
    "fill": lambda X: X.fill(1e9),
    "sort": lambda X: X.sort(),
    "partition": lambda X: X.partition(1),
    "flat": lambda X: X.flat.__setitem__(0, 1e9),
    "put": lambda X: X.put([0], 1e9),
    "copyto": lambda X: np.copyto(X, 1e9),
    "shuffle": lambda X: np.random.default_rng(0).shuffle(X),
    "byteswap": lambda X: X.byteswap(inplace=True),
    "memoryview": lambda X: memoryview(X).__setitem__((0, 0) if X.ndim == 2 else 0, 1e9),
    "setflags": lambda X: (X.setflags(write=True), X.fill(1e9)),
}


@every_vectorized_kind
@pytest.mark.parametrize("way", WRITING)
def test_vectorized_objective_that_writes(kind, way):
    """A vectorized function that uses its read-only argument as scratch gets right answers, and so does its jac."""
    for x0, options in ((kind.start(), {}), (starts(5), {"ftol": 1e-12}), (starts(100), {})):
        result = kind.solve(x0, meddle=lambda *arguments: WRITING[way](arguments[0]), **options)
        assert bits(result) == bits(kind.solve(x0, **options))


@every_vectorized_kind
@pytest.mark.parametrize("asked_first", [True, False], ids=["the first call, too", "not the first call"])
def test_vectorized_objective_that_writes_through_blas(kind, asked_first):
    """BLAS does not look at the read-only flag. What writes from its first call on gets right answers; what begins
    later is told not to, because what it has written into would have been used again."""
    n_calls = 0

    def scale(*arguments):
        nonlocal n_calls
        n_calls += 1
        if asked_first or n_calls > 6:
            memory = np.asarray(arguments[0])
            scipy.linalg.blas.dscal(3.0, memory.base.reshape(-1) if kind.vectorized == "rows" else memory.reshape(-1))

    for x0, options in ((kind.start(), {}), (starts(100), {"ftol": 1e-12}), (starts(3, 40), {})):
        n_calls = 0
        if asked_first:
            result = kind.solve(x0, meddle=scale, **options)
            assert bits(result) == bits(kind.solve(x0, **options))
        else:
            with pytest.raises(RuntimeError, match="has written into its argument"):
                kind.solve(x0, meddle=scale, **options)


@every_array_kind
@pytest.mark.parametrize("keep", [
    lambda x: x, lambda x: x[:1], lambda x: x.reshape(-1), memoryview, np.ndarray.view,
], ids=["itself", "slice", "flat", "memoryview", "view"])
@pytest.mark.parametrize("writes", [False, True], ids=["reads", "writes"])
def test_objective_that_keeps_its_argument(kind, keep, writes):
    """An array that the objective keeps, or anything that looks at it, never changes afterwards."""
    kept, copies = [], []

    def hoard(*arguments):
        for x in arguments:
            kept.append(keep(x))
            copies.append(bytes(np.asarray(kept[-1])))
        if writes and not arguments[0].flags.writeable:
            arguments[0][0] = 1e9

    for x0 in (kind.start(), starts(5), starts(3, 40)):
        for options in ({"maxiter": 2}, {"ftol": 1e-12, "maxiter": 2}):
            assert bits(kind.solve(x0, meddle=hoard, **options)) == bits(kind.solve(x0, **options))
    assert copies
    assert [bytes(np.asarray(thing)) for thing in kept] == copies


@every_kind
def test_objective_that_returns_one_buffer(kind):
    """Values are taken at once, though the objective writes the next ones into the same array."""
    buffers = {}

    def reuse(x, result):
        buffer = buffers.setdefault(np.shape(result), np.empty(np.shape(result)))
        buffer[...] = result
        return buffer

    for x0 in (kind.start(),) if kind.scalar else (kind.start(), starts(5)):
        for options in ({}, {"ftol": 1e-12}):
            assert bits(kind.solve(x0, spoil=reuse, **options)) == bits(kind.solve(x0, **options))


@every_kind
def test_objective_that_overwrites_what_it_returned(kind):
    """Arrays that the objective keeps after it has returned them are its own: it may change them, and nobody else does.
    """
    kept, copies = [], []

    def hoard(x, result):
        assert [array.tobytes() for array in kept] == [copy.tobytes() for copy in copies]
        for array in kept + copies:
            array[...] = 1e9
        kept.append(np.array(result))
        copies.append(kept[-1].copy())
        return kept[-1]

    for x0 in (kind.start(),) if kind.scalar else (kind.start(), starts(5)):
        for options in ({}, {"ftol": 1e-12}):
            result = kind.solve(x0, spoil=hoard, spoil_slope=unspoiled, **options)
            assert bits(result) == bits(kind.solve(x0, **options))


@every_kind
def test_result_of_wrong_shape(kind):
    """A result of any other shape is refused, never broadcast, with what was expected and what came."""
    wrong = [lambda y: np.append(y, 0.0), lambda y: np.stack([y, y]), lambda y: np.empty(0)]
    if kind.vectorized:
        wrong += [lambda y: y[:-1], lambda y: y[:, None], lambda y: y[None], lambda y: y[:1], lambda y: 1.0]
    for break_shape in wrong:
        for call in (kind.solve, kind.gradient)[:1 + (kind.jac == "differences")]:
            value = {"value": lambda x, change=break_shape: change(valleys(x))}
            with pytest.raises(ValueError, match=r"fun must return one.*(expected.*\(\d+,\)|for one point), got .*\("):
                call(kind.start(), **value, **({} if call == kind.gradient else {"ftol": 1e-9}))
    if kind.jac != "differences":
        for change in (lambda g: g[:-1], lambda g: np.array([g, g]), lambda g: g[..., :-1], lambda g: np.ones(3),
                       *[lambda g: 1.0, lambda g: g.T][:2 * bool(kind.vectorized)]):
            for x0 in (kind.start(),) if kind.scalar else (kind.start(), [[1.0], [2.0]]):
                with pytest.raises(ValueError, match=r"jac must return.*expected .*, got \("):
                    kind.solve(x0, spoil_slope=lambda x, g, change=change: change(g))


@every_vectorized_kind
def test_wrong_shape_is_no_problem_of_one_problem(kind):
    """It is raised at once, also where exceptions are recorded."""
    calls = []

    def spoil(x, result):
        calls.append(1)
        return result[:-1]

    with pytest.raises(ValueError, match=r"must return .*expected"):
        kind.solve(starts(1000), spoil=spoil, on_error="record")
    assert len(calls) <= 2


@pytest.mark.parametrize("workers", [1, 2, 9])
def test_wrong_type_of_one_point_is_a_fault_of_that_problem(workers):
    """Where exceptions are recorded; a power of a negative Python float is complex."""
    result = minimize(lambda a, b: a**0.5 + (a - 2.0) ** 2 + b * b, [[1.0, 1.0], [4.0, 1.0], [-1.0, 1.0], [2.0, 2.0]],
                      unpack=True, on_error="record", workers=workers)
    assert result.status.tolist() == [Status.GTOL, Status.GTOL, Status.EXCEPTION, Status.GTOL]


@pytest.mark.parametrize("name", ["learning_rate", "gtol", "xtol", "ftol", "ftarget", "maxtime", "maxiter", "maxfev"])
@pytest.mark.parametrize("value", [True, np.array([True, False])], ids=repr)
def test_booleans_are_no_numbers(name, value):
    with pytest.raises(TypeError, match=name):
        minimize(valleys, starts(2), **{name: value})


@pytest.mark.parametrize("solver", [minimize, gradient])
def test_option_that_is_no_boolean(solver):
    with pytest.raises(TypeError, match="unpack must be True or False, got 'no'"):
        solver(valleys, [1.0], unpack="no")


@pytest.mark.parametrize("solver", [minimize, gradient])
def test_masked_batch_args(solver):
    """A mask would be lost on the way."""
    data = np.ma.array([[1.0, 999.0]], mask=[[False, True]])
    with pytest.raises(TypeError, match=r"batch_args\[0\] must not be a masked array"):
        solver(lambda x, y: ((x - y) ** 2).sum(), [[0.0]], batch_args=(data,))


@every_vectorized_kind
@pytest.mark.parametrize(("n_dim", "n_problems"), [
    *((n_dim, n_problems) for n_dim in (32, 64) for n_problems in (1, 2, 32, 33, 64, 1000)),
    (520, 512),  # which is raised because rows must not be 4096 bytes long
])
def test_axes_that_are_mistaken(kind, n_dim, n_problems):
    """The first block has other numbers of points and of dimensions, so that a sum along the wrong axis shows."""
    if kind.unpack:
        pytest.skip("coordinates come one by one")
    shapes = []

    def mistaken(x):
        shapes.append(np.shape(x))
        return (x * x).sum(axis=1)

    x0 = np.ones((n_problems, n_dim))
    for call in (partial(kind.solve, slope=lambda x: 2 * x), kind.gradient):
        with pytest.raises(ValueError, match=r"expected .*, got"):
            call(x0, value=mistaken)
    assert all(shape[0] == n_dim != shape[1] for shape in shapes)


CONVERSIONS = {
    "array of one": lambda y: np.reshape(y, (1, 1)), "list": lambda y: np.asarray(y).tolist(), "float32": np.float32,
    "int": lambda y: np.asarray(y).astype(int), "bool": lambda y: np.asarray(y) > 0.5, "python int": lambda y: int(y),
    "python bool": lambda y: bool(y > 0.5), "big-endian": lambda y: np.asarray(y).astype(">f8"),
    "misaligned": lambda y: misaligned(np.asarray(y)), "read-only": lambda y: read_only(np.asarray(y)),
    "reversed": lambda y: np.asarray(y)[..., ::-1].copy()[..., ::-1], "uint8": lambda y: np.asarray(y).astype("u1"),
}


@every_kind
@pytest.mark.parametrize("way", CONVERSIONS)
@pytest.mark.filterwarnings("ignore:jac contradicts the values:RuntimeWarning")  # which are rounded, or of one of both
def test_result_that_is_converted(kind, way):
    """Whatever holds real numbers of the right shape is taken as float64."""
    convert = CONVERSIONS[way]
    if kind.vectorized and way in ("array of one", "python int", "python bool"):
        pytest.skip("for one point")
    if not kind.vectorized and way == "reversed":
        pytest.skip("for many points")
    for spoils in ({"spoil": lambda x, y: convert(y), "spoil_slope": unspoiled},
                   {"spoil_slope": lambda x, g: convert(g)})[:1 + bool(kind.vectorized)]:
        plain = {name: lambda x, y, f=spoil: np.asarray(f(x, y), dtype=float).reshape(np.shape(y))
                 for name, spoil in spoils.items()}
        for options in ({"maxiter": 5}, {"maxiter": 5, "ftol": 1e-12}):
            result = kind.solve(kind.start(), **spoils, **options)
            assert bits(result) == bits(kind.solve(kind.start(), **plain, **options))


NOT_REAL_RESULTS = [
    (lambda y: None, "NoneType"), (lambda y: "low", "str"), (lambda y: np.asarray(y) + 0j, "complex"),
    (lambda y: np.asarray(y).astype(object), "object"), (lambda y: np.ma.masked_less(np.atleast_1d(y), 9), "masked"),
    (lambda y: object(), "object"), (lambda y: np.ma.masked, "masked"), (lambda y: np.asarray(y).astype("U9"), "<U9"),
    (lambda y: np.asarray(y).astype("m8[s]"), "timedelta64"), (lambda y: {}, "dict"),
]


@every_kind
@pytest.mark.parametrize(("convert", "named"), NOT_REAL_RESULTS, ids=range(len(NOT_REAL_RESULTS)))
def test_result_that_is_not_real(kind, convert, named):
    """What is no real number, or may be missing, is a TypeError that names its type."""
    with pytest.raises(TypeError, match=f"fun must return.*{named}"):
        kind.solve(kind.start(), spoil=lambda x, y: convert(y), spoil_slope=unspoiled)
    if kind.jac != "differences":
        with pytest.raises(TypeError, match=f"jac must return.*{named}"):
            kind.solve(kind.start(), spoil=unspoiled, spoil_slope=lambda x, y: convert(y))


def raising(error, faulty, raised):
    """Raises where `faulty(x)` says so, and notes what it raised."""

    def spoil(x, result):
        if np.any(faulty(x)):
            raised.append(error("out of tune"))
            raise raised[-1]
        return result

    return spoil


WHEN = {  # |x - minimum| is 0.4**k after k iterations
    0: lambda x: np.abs(x[0] - 10 * problem_at(x)) > 0.5,
    2: lambda x: np.abs(x[0] - 10 * problem_at(x)) < 0.3,
}


@every_batch_kind
@pytest.mark.parametrize("iteration", WHEN)
@pytest.mark.parametrize("n_problems", [4, 50])
def test_objective_that_raises(kind, iteration, n_problems):
    """The user's own exception comes back, with the lowest problem and the iteration; or that problem alone has it."""

    class OutOfTuneError(Exception):
        pass

    def faulty(x):
        return np.isin(problem_at(x), (2, 3)) & WHEN[iteration](x)

    raised = []
    spoil = raising(OutOfTuneError, faulty, raised)
    with pytest.raises(OutOfTuneError) as caught:
        kind.solve(starts(n_problems), spoil=spoil)
    assert any(caught.value is error for error in raised)
    assert caught.value.__notes__ == [f"fastgd: raised for problem 2 at iteration {iteration}"]
    if iteration == 0:
        with pytest.raises(OutOfTuneError) as caught:
            kind.gradient(starts(n_problems), lambda x: spoil(x, valleys(x)))
        assert any(caught.value is error for error in raised)
        assert "problem 2" in caught.value.__notes__[0]

    result = kind.solve(starts(n_problems), spoil=spoil, on_error="record")
    assert np.array_equal(np.flatnonzero(result.status == Status.EXCEPTION), [2, 3])
    assert not result.success[2:4].any()
    assert np.array_equal(result.nit[2:4], [max(iteration - 1, 0)] * 2)
    assert np.abs(result.x[2:4] - [[20], [30]]).max() == pytest.approx(0.4 if iteration else 1.0)
    healthy = kind.solve(starts(n_problems))
    assert bits(result, others(n_problems, 2, 3)) == bits(healthy, others(n_problems, 2, 3))


@every_batch_kind
def test_exception_that_takes_no_notes(kind):
    """It is raised all the same, the very object."""
    @dataclass(frozen=True)
    class FrozenError(Exception):
        code: int

    error = FrozenError(3)

    def spoil(x, result):
        raise error

    for run in (lambda: kind.solve(starts(3), spoil=spoil), lambda: kind.gradient(starts(3), lambda x: spoil(x, x))):
        with pytest.raises(FrozenError) as caught:
            run()
        assert caught.value is error


@every_batch_kind
def test_counts_of_a_start_that_fails(kind):
    """nfev and njev are the calls for a problem also where it ends before it begins, alone as in a batch, and nothing
    is asked twice."""
    for way, options in (("raises", {"on_error": "record"}), ("raises", {"on_error": "record", "ftol": 1e-9}),
                         ("nan", {}), ("nan", {"ftol": 1e-9})):
        def spoil(x, result, way=way):
            wrong = problem_at(x) == 1
            if way == "raises" and wrong.any():
                raise ValueError
            return np.where(wrong, np.nan, result)

        batch = kind.solve(starts(3), spoil=spoil, **options)
        for problem in range(3):
            alone = kind.solve(starts(3)[problem], spoil=spoil, **options)
            assert (alone.nfev, alone.njev) == (batch.nfev[problem], batch.njev[problem])
        assert batch.nfev[1] <= (1 if kind.jac == "pair" else 5 + ("ftol" in options))
        assert batch.njev[1] <= 1


@every_vectorized_kind
def test_search_for_those_that_raise_ends_in_time(kind):
    """Among many problems that raise the time limit holds as well."""
    n_calls = 0

    def sleepy(x, result):
        nonlocal n_calls
        n_calls += 1
        time.sleep(0.01)
        raise ValueError

    result = kind.solve(starts(200), spoil=sleepy, on_error="record", maxtime=0.05)
    assert n_calls < 50
    assert set(result.status) == {Status.MAXTIME}


@every_batch_kind
def test_objective_that_raises_at_the_answer(kind):
    """An exception at the last value names its problem and the iteration of the answer."""
    calls = []
    for x0, maxiter in ((starts(6), [1, 2, 3, 4, 5, 6]), (starts(1)[0], 4)):
        solve = partial(kind.solve, x0, maxiter=maxiter)
        result = solve()
        answer = result.x[3] if result.x.ndim == 2 else result.x
        spoil = raising(LookupError, lambda x, a=answer: (x[0] == a[0]) & (x[1] == a[1]), calls)
        with pytest.raises(LookupError) as caught:
            solve(spoil=spoil, spoil_slope=unspoiled)
        assert caught.value.__notes__ == [f"fastgd: raised for problem {3 * (result.x.ndim == 2)} at iteration 4"]


@over([kind for kind in KINDS if kind.vectorized and kind.jac == "differences"])
@pytest.mark.parametrize("n_problems", range(1, 12))
def test_padding_never_raises(kind, n_problems):
    """Points that were added to fill a block are none of the problems' points: what they raise is not told."""
    def faulty(x):
        return (x[0] == 1.0) & (x[1] == -1.0) | (x[0] == 11.0) & (x[1] == 9.0)  # x0 is no point of the stencil

    spoil = raising(LookupError, faulty, [])
    jac = Difference(step=2.0**-17)  # with which the value at x0 is not asked for
    assert bits(kind.solve(starts(n_problems), spoil=spoil, jac=jac)) == bits(kind.solve(starts(n_problems), jac=jac))


@over([kind for kind in KINDS if kind.vectorized and kind.jac == "differences"])
@pytest.mark.parametrize("method", ["gd", "adam", "bfgs", "newton"])
@pytest.mark.parametrize("n_problems", [1, 2, 3, 5, 8, 9])
def test_padding_is_at_points_of_the_problems(kind, method, n_problems):
    """Where steps are calibrated and answers looked at again, too: what raises at any point that is not asked for when
    the problems run one by one is never asked there."""
    def value(x):  # of which rounding hides the second coordinate, so that steps are looked for
        u, v = x[0] - 10 * np.round(x[0] / 10), x[1] - 10 * np.round(x[1] / 10)
        return u * u + 1e-9 * (v * v) + u * u * v * v + 1e3

    asked = set()

    def note(x, y):
        asked.add((float(x[0]), float(x[1])))
        return y

    def faulty(x):
        return any((float(a), float(b)) not in asked for a, b in zip(*x, strict=True))

    options = {"method": method, "learning_rate": 0.1 if method == "adam" else None, "maxiter": 8}
    x0 = starts(n_problems) + 0.123
    pointwise = FORMS[0].solve(x0, value, spoil=note, **options)
    assert bits(kind.solve(x0, value, spoil=raising(LookupError, faulty, []), **options)) == bits(pointwise)


@every_kind
@pytest.mark.parametrize("error", [OverflowError, ZeroDivisionError])
def test_arithmetic_errors(kind, error):
    """Python's floats say inf and nan by raising: for a function of floats, and only for it, such a value counts."""
    x0 = kind.start() if kind.scalar else starts(4)
    raised = []
    spoil = raising(error, lambda x: (problem_at(x) == (0 if kind.scalar else 2)) & WHEN[2](x), raised)
    if kind.vectorized or not (kind.unpack or kind.scalar):
        with pytest.raises(error) as caught:
            kind.solve(x0, spoil=spoil)
        assert any(caught.value is one for one in raised)
        return
    result = kind.solve(x0, spoil=spoil)
    assert raised
    assert np.atleast_1d(result.status)[-2 + kind.scalar] == Status.NONFINITE
    if not kind.scalar:
        assert bits(result, others(4, 2)) == bits(kind.solve(x0), others(4, 2))


@every_kind
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit])
@pytest.mark.parametrize("on_error", ["raise", "record"])
def test_what_always_ends_the_program(kind, error, on_error):
    """Ctrl-C and exit are no exceptions to record, in a first call and when calls are tried again."""
    x0 = kind.start() if kind.scalar else starts(4)
    for errors in ([error(3)], [LookupError(), error(3)])[:1 + bool(kind.vectorized)]:
        left = iter(errors)

        def spoil(x, result, left=left):
            raise next(left)

        with pytest.raises(type(errors[-1])) as caught:
            kind.solve(x0, spoil=spoil, on_error=on_error)
        assert caught.value is errors[-1]


@every_batch_kind
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("where", ["start", "stencil", "later", "everywhere"])
def test_values_that_are_not_finite(kind, value, where):
    """A problem that meets nan or inf ends as NONFINITE at its last good point, and alone."""
    if where == "stencil" and kind.jac != "differences":
        pytest.skip("no stencil")

    def spoil(x, result):
        hits = {"start": WHEN[0], "later": WHEN[2], "stencil": lambda x: x[0] > 21, "everywhere": lambda x: True}
        return np.where((problem_at(x) == 2) & hits[where](x), value, result)

    for options in ({}, {"ftol": 1e-12}, {"keep_best": True}):
        healthy = kind.solve(starts(9), **options)
        result = kind.solve(starts(9), spoil=spoil, **options)
        assert result.status[2] == Status.NONFINITE
        assert not result.success[2]
        assert result.nit[2] == (where == "later")
        assert np.abs(result.x[2] - 20).max() == pytest.approx(0.4 if where == "later" else 1.0)
        assert bits(result, others(9, 2)) == bits(healthy, others(9, 2))
    single = kind.solve(starts(3)[2], spoil=spoil, keep_best=True)
    assert bits(single) == bits(result, 2)


@over([kind for kind in KINDS if kind.jac == "differences"])
def test_difference_that_overflows(kind):
    """Finite values whose difference is not finite give no gradient."""
    result = kind.solve(kind.start(), value=lambda x: np.where(np.asarray(x[0]) > 1, 1.7e308, -1.7e308))
    assert result.status == Status.NONFINITE
    assert np.array_equal(result.x, kind.start())


@every_kind
@pytest.mark.parametrize(("solver", "sign"), [(minimize, 1.0), (maximize, -1.0)], ids=["minimize", "maximize"])
@pytest.mark.parametrize(("value", "status"), [(-np.inf, Status.UNBOUNDED), (np.inf, Status.NONFINITE)],
                         ids=["downwards", "upwards"])
def test_minus_infinity(kind, solver, sign, value, status):
    """-inf is a function without a minimum, and inf one without a maximum; the converse is just not finite."""
    result = kind.solve(
        kind.start(), lambda x: sign * valleys(x), lambda x: sign * slopes(x), solver=solver,
        spoil=lambda x, y: np.where(np.abs(x[0]) < 0.3, sign * value, y), spoil_slope=unspoiled)
    assert result.status == status
    assert np.isfinite(result.x).all()
    assert not result.success


@every_kind
def test_divergence(kind):
    """A rate that is too large leads away, but the answer is finite and no success."""
    def fourth_power(x):
        with np.errstate(all="ignore"):
            return sum(np.multiply(c, c) ** 2 for c in x)

    def its_slope(x):
        with np.errstate(all="ignore"):
            return np.array([4 * np.multiply(c, c) * c for c in x])

    for bounds in (None, (-1e200, 1e200)):
        for maxiter in (3, 1000):
            result = kind.solve(kind.start(), fourth_power, its_slope, learning_rate=10.0, maxiter=maxiter,
                                bounds=bounds)
            assert result.status in (Status.NONFINITE, Status.MAXITER)
            assert np.isfinite(result.x).all()


@every_kind
def test_constant_function(kind):
    """Where nothing changes the start is the answer."""
    result = kind.solve(kind.start(), lambda x: 0.0 * x[0] + 3, lambda x: 0.0 * np.array(x))
    assert (result.status, result.nit, result.fun) == (Status.GTOL, 0, 3.0)
    assert np.array_equal(result.x, kind.start())


@over([kind for kind in KINDS if kind.jac == "differences"])
def test_step_that_vanishes(kind):
    """A step that leaves x where it is gives no zero gradient but STEP_UNDERFLOW, for the problems concerned."""
    result = kind.solve(kind.start(), jac=Difference(step=1e-20))
    assert result.status == Status.STEP_UNDERFLOW
    assert np.array_equal(result.x, kind.start())
    with pytest.raises(ValueError, match="step"):
        kind.gradient(kind.start(), step=1e-20)
    if not kind.scalar:
        far = starts(5)
        far[3] = 1e17
        result = kind.solve(far, jac=Difference(step=1e-3))
        assert result.status[3] == Status.STEP_UNDERFLOW
        assert bits(result, others(5, 3)) == bits(kind.solve(starts(5), jac=Difference(step=1e-3)), others(5, 3))
        with pytest.raises(ValueError, match="step"), np.errstate(all="ignore"):
            kind.gradient([[1e17, 0.0], [0.0, 1.0]], lambda x: np.where(x[1] > 0.5, -np.inf, x[0]), step=1e-3)


@every_kind
@pytest.mark.filterwarnings("ignore:jac contradicts the values:RuntimeWarning")
def test_objective_that_is_not_deterministic(kind):
    """Noise, and exceptions that do not come again, end within the limits."""
    rng = np.random.default_rng(5)

    def noisy(x, result):
        if rng.random() < 0.05:
            raise LookupError("now and then")
        return np.where(rng.random(np.shape(result)) < 0.001, np.nan, result + rng.random(np.shape(result)))

    x0 = kind.start() if kind.scalar else starts(50)
    for options in ({}, {"keep_best": True}, {"xtol": 1e-3, "ftol": 1e-3}, {"bounds": (-2, 600)}):
        result = kind.solve(x0, spoil=noisy, maxiter=20, on_error="record", **options)
        assert np.isfinite(result.x).all()
        assert np.max(result.nit) <= 20
        assert np.isin(result.status, [*Status]).all()


@every_kind
def test_objective_that_calls_fastgd(kind):
    """A run inside a run, of the same objective, disturbs neither."""
    x0 = kind.start() if kind.scalar else starts(40)
    expected = bits(kind.solve(x0))
    inner = []

    def nested(x, result, depth=0):
        if depth < 3 and len(inner) < 5:
            kind.gradient(kind.start())
            inner.append(bits(kind.solve(x0, spoil=partial(nested, depth=depth + 1))))
        return result

    assert bits(kind.solve(x0, spoil=nested)) == expected
    assert len(inner) >= 5
    assert all(result == expected for result in inner)


@every_kind
def test_several_threads(kind):
    """Runs of one objective in several threads at once give what they give one by one."""
    x0 = kind.start() if kind.scalar else starts(20)
    options = kind.options()
    expected = bits(minimize(x0=x0, learning_rate=RATE, **options))
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            runs = [pool.submit(minimize, x0=x0, learning_rate=RATE, **options) for _ in range(16)]
            assert all(bits(run.result()) == expected for run in runs)
    finally:
        sys.setswitchinterval(interval)


@every_kind
def test_objective_that_sleeps(kind):
    """The time limit holds between calls; problems that were not begun keep x0 and have no value."""
    def sleepy(x, result):
        time.sleep(0.003)
        return result

    x0 = kind.start() if kind.scalar else starts(4)
    begin = time.perf_counter()
    result = kind.solve(x0, lambda x: x[0] + 0.0, lambda x: np.array([0.0 * c + (i == 0) for i, c in enumerate(x)]),
                        spoil=sleepy, maxiter=10**9, maxtime=0.03)
    assert time.perf_counter() - begin < 20
    assert np.all(result.status == Status.MAXTIME)
    assert not np.any(result.success)
    begun = np.atleast_1d(result.nfev) > 0
    assert begun[0]
    assert np.array_equal(begun, ~np.isnan(np.atleast_1d(result.fun)))
    assert np.array_equal(np.atleast_2d(result.x)[~begun], np.atleast_2d(x0)[~begun])


@pytest.mark.parametrize(("options", "advice"), [
    ({"lr": 0.1}, "'learning_rate'"), ({"tol": 1e-3}, "'gtol'"), ({"seed": 1}, "'rng'"), ({"n_jobs": 2}, "'workers'"),
    ({"method": "SGD"}, "'gd'"), ({"max_iter": 3}, "'maxiter'")], ids=str)
def test_names_of_other_libraries(options, advice):
    with pytest.raises((TypeError, ValueError), match=f"did you mean {advice}"):
        minimize(valleys, [1.0, 1.0], **options)


@pytest.mark.parametrize(("run", "advice"), [
    (lambda: minimize(lambda x: (x - 3) ** 2, np.zeros(5)), r"x0 of shape \(5, 1\)"),
    (lambda: minimize(valleys, [0.0, 0.0], bounds=[(0, 1), (0, 1)]), r"tuple\(zip\(\*pairs\)\)"),
    (lambda: minimize("module.function", [0.0]), "package.module:name"),
    (lambda: minimize(valleys, [0.0], workers=SimpleNamespace(map=map)), "pass its map"),
    (lambda: minimize(valleys, [[0.0]], out={"x": np.broadcast_to(0.0, (1, 1))}), "read-only"),
    (lambda: minimize(valleys, [[0.0, 1.0]] * 3, out={"x": np.zeros((2, 3)).T}), "not C-contiguous"),
    (lambda: minimize(valleys, [0.0], checkpoint="/no such folder/run.npz"), "no folder for the checkpoint"),
    (lambda: minimize(valleys, [0.0], method=fastgd.methods.Adam), "the class Adam"),
], ids=range(8))
def test_advice(run, advice):
    """What somebody who knows other libraries may try first is refused with what to do instead."""
    with pytest.raises((TypeError, ValueError, FileNotFoundError), match=advice):
        run()


def test_pairs_as_scipy_has_them():
    """None in one of them is no bound."""
    pairs = [(0.5, None), (None, -0.5)]
    result = minimize(lambda x: x @ x, [1.0, -1.0], bounds=tuple(zip(*pairs, strict=True)))
    assert result.x.tolist() == [0.5, -0.5]


@pytest.mark.parametrize("start", [[np.inf, 0.0], [-np.inf, 0.0], [np.nan, 5.0], [5.0, np.inf]], ids=repr)
def test_start_that_is_not_finite_with_bounds(start):
    """It ends that problem alone; a finite one outside is an error of the call."""
    result = minimize(lambda x: x @ x, [[0.5, 0.5], start], bounds=(-1.0, 1.0))
    assert result.status.tolist() == [Status.GTOL, Status.NONFINITE]
    assert np.array_equal(result.x[1], start, equal_nan=True)
    with pytest.raises(ValueError, match=r"must be inside the bounds: at index \(1, 0\)"):
        minimize(lambda x: x @ x, [[0.5, 0.5], [5.0, 0.0]], bounds=(-1.0, 1.0))


@pytest.mark.skipif(np.dtype(np.longdouble).itemsize == 8, reason="it is a double")
def test_long_doubles_that_no_double_holds():
    """They are 0 or infinity, whatever np.seterr says."""
    huge, tiny = np.longdouble("1e400"), np.longdouble("1e-400")
    with np.errstate(all="raise"):
        assert minimize(lambda x: tiny, [1.0]).fun == 0.0
        assert minimize(lambda x: huge, [1.0], on_error="record").status == Status.NONFINITE
        assert minimize(lambda x: x @ x, [tiny]).x == 0.0
        assert minimize(lambda x: x @ x, [1.0], bounds=(-huge, huge)).success


class OwnSchedule(Schedule):
    def __init__(self, rates):
        self.rates = rates

    def _rates(self, k):
        return self.rates(k)


@pytest.mark.parametrize("vectorized", [False, True])
def test_schedule_of_the_users_own(vectorized):
    """Its rates are checked as those of a function are."""
    def fun(x):
        return (x[0] - 1.0) ** 2

    def solve(rates):
        return minimize(fun, [[0.0], [2.0]], learning_rate=OwnSchedule(rates), maxiter=5, vectorized=vectorized)

    assert bits(solve(lambda k: np.full(k.shape, 1))) == bits(solve(lambda k: np.full(k.shape, 1.0)))
    for bad, error, message in (
        (lambda k: np.where(k < 3, 0.1, -1.0), ValueError, r"0 <= learning_rate\(3\) < inf, got .* = -1"),
        (lambda k: np.where(k < 3, 0.1, np.nan), ValueError, r"learning_rate\(3\) < inf, got .* = nan"),
        (lambda k: np.array(["0.1"] * len(k)), TypeError, "learning_rate must be real numbers"),
        (lambda k: np.ones((2, len(k))), ValueError, "reshape"),
    ):
        with pytest.raises(error, match=message):
            solve(bad)


@pytest.mark.parametrize("name", ["maxiter", "maxfev"])
def test_integers_beyond_all_counts(name):
    for value in (2**63, 2**64, 10**30, -10**30):
        with pytest.raises(ValueError, match=rf"{name} must be at least \d and below 2\*\*63, got {value}"):
            minimize(valleys, starts(2), **{name: value})


def test_problems_that_trace_names_in_many_forms():
    x0 = np.zeros((2, 3, 1))
    for problems in ([[0, 1], [1, 2]], [(0, 1), (1, 2)], np.array([[0, 1], [1, 2]]),
                     [[False, True, False], [False, False, True]]):
        assert list(minimize(valleys, x0, trace=(1, problems), maxiter=2).trace) == [(0, 1), (1, 2)]
    for problems in ([1, (0, 1)], [(0, 1), (1,)]):
        with pytest.raises(TypeError, match="trace must name all problems alike"):
            minimize(valleys, x0, trace=(1, problems))
    for trace in (np.array([1, 2]), [1], "all", None):
        with pytest.raises(TypeError, match="trace must be an integer or a pair"):
            minimize(valleys, x0, trace=trace)


@pytest.mark.parametrize("options", [{}, {"workers": 2, "chunk_size": 2}, {"workers": 9}], ids=str)
def test_problems_of_an_image_are_named_by_their_indices(options):
    def fun(x):
        if x[0] == 5.0:
            raise ArithmeticError
        return x @ x

    x0 = np.arange(6.0).reshape(2, 3, 1)
    with pytest.raises(ArithmeticError) as caught:
        minimize(fun, x0, **options)
    assert caught.value.__notes__ == ["fastgd: raised for problem (1, 2) at iteration 0"]
    with pytest.raises(ArithmeticError) as caught:
        gradient(lambda x: fun(np.round(x)), x0)
    assert caught.value.__notes__ == ["fastgd: raised for problem (1, 2)"]
