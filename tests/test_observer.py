"""Looking at a run: callbacks and recorded paths."""

from functools import partial

import numpy as np
import pytest

from fastgd import Status, gradient, maximize, minimize

from .problems import CHECKS_OF_JAC, FIELDS, bits, counted, rosenbrock, slopes_of_rosenbrock

RATE = 0.002
X0 = np.random.default_rng(12).uniform(-1, 1, (6, 2))


def solve(x0, fun=rosenbrock, solver=minimize, **options):
    return solver(fun, x0, **{"learning_rate": RATE, "maxiter": 8, "gtol": 0.0, **options})


def states_of(run):
    """The states that a run's callback got."""
    states = []

    def callback(intermediate_result):
        states.append(intermediate_result)

    return states, run(callback=callback)


def test_state_by_its_name():
    """A callback whose only parameter is called intermediate_result gets the state by keyword."""
    states = []

    def by_keyword(*, intermediate_result):
        states.append(intermediate_result)

    class Callable:
        def __call__(self, intermediate_result):
            states.append(intermediate_result)

    for callback in (by_keyword, Callable(), Callable().__call__):
        states.clear()
        result = solve(X0[0], callback=callback)
        assert [state.nit for state in states] == list(range(1, 9))
        assert np.array_equal(states[-1].x, result.x)


def test_point_by_any_other_name():
    """Any other callback gets x, an array of its own each time."""
    states, _ = states_of(partial(solve, X0[0]))
    path = []
    for callback in (path.append, lambda xk: path.append(xk), lambda x, more=1: path.append(x),
                     partial(lambda more, x: path.append(x), 1)):
        path.clear()
        solve(X0[0], callback=callback)
        assert np.array_equal(path, [state.x for state in states])
        assert len({id(x) for x in path}) == 8


@pytest.mark.parametrize("options", [{}, {"vectorized": True}, {"jac": slopes_of_rosenbrock}, {"keep_best": True}],
                         ids=["differences", "vectorized", "gradient", "best"])
def test_fields_of_the_state(options):
    """x, fun, jac, nit and nfev are those of the iterate, by name and by key, and the last are the result's."""
    fun, calls = counted(rosenbrock)
    seen = []

    def callback(intermediate_result):
        state = intermediate_result
        seen.append(state)
        assert state.fun == rosenbrock(state.x)
        expected = slopes_of_rosenbrock(state.x) if "jac" in options else gradient(rosenbrock, state.x)
        assert np.array_equal(state.jac, expected)
        checks = CHECKS_OF_JAC if "jac" in options else 0
        assert "vectorized" in options or state.nfev == len(calls) - checks
        assert all(state[name] is getattr(state, name) for name in ("x", "fun", "jac", "nit", "nfev", "problem"))

    result = solve(X0[0], fun, callback=callback, **options)
    assert len(seen) == 8
    assert {name: np.asarray(seen[-1][name]).tobytes() for name in FIELDS[:5]} == {
        name: np.asarray(result[name]).tobytes() for name in FIELDS[:5]}


def test_state_of_a_scalar_problem():
    """Its x and jac are floats."""
    states, result = states_of(partial(minimize, lambda x: (x - 3)**2, 0.0, learning_rate=0.25, maxiter=4))
    assert [state.x for state in states] == pytest.approx([1.5, 2.25, 2.625, 2.8125])
    assert {type(value) for state in states for value in (state.x, state.jac, state.fun)} == {float}
    points = []
    minimize(lambda x: (x - 3)**2, 0.0, learning_rate=0.25, maxiter=4, callback=points.append)
    assert points == [state.x for state in states]
    assert points[-1] == result.x


@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize(("shape", "names"), [
    ((2,), [0]), ((6, 2), list(range(6))), ((2, 3, 2), [(i, j) for i in range(2) for j in range(3)])])
def test_number_of_the_problem(shape, names, vectorized):
    """The problem is an int, or for an image a pair of them; the iterations of each come in their order, up to its
    last."""
    x0 = X0.ravel()[:np.prod(shape)].reshape(shape)
    states, result = states_of(partial(solve, x0, vectorized=vectorized, maxiter=np.arange(1, 7).reshape(shape[:-1])
                                       if len(shape) > 1 else 5))
    assert {state.problem for state in states} == set(names)
    assert all(type(i) is int for state in states for i in np.atleast_1d(np.array(state.problem, dtype=object)))
    for name in names:
        own = [state for state in states if state.problem == name]
        last = result if len(shape) == 1 else result[name]
        assert [state.nit for state in own] == list(range(1, last.nit + 1))
        assert np.array_equal(own[-1].x, last.x)


def test_order_of_the_problems():
    """A pointwise function serves one problem after the other, a vectorized one all of them iteration by iteration."""
    pointwise, _ = states_of(partial(solve, X0))
    assert [(state.problem, state.nit) for state in pointwise] == [(p, k) for p in range(6) for k in range(1, 9)]
    vectorized, _ = states_of(partial(solve, X0, vectorized=True))
    assert [(state.problem, state.nit) for state in vectorized] == [(p, k) for k in range(1, 9) for p in range(6)]


def test_callback_of_maximize():
    """Callbacks and paths show the user's function, not its negative."""
    states, result = states_of(partial(solve, X0[0], lambda x: -rosenbrock(x), maximize, trace=1))
    assert [state.fun for state in states] == [-rosenbrock(state.x) for state in states]
    assert result.trace.fun[1:].tolist() == [state.fun for state in states]
    assert np.array_equal(result.trace.jac[-1], result.jac)
    np.testing.assert_allclose(result.jac, -slopes_of_rosenbrock(result.x), rtol=1e-6)


def test_exception_of_a_callback_comes_through():
    """Only StopIteration has a meaning; anything else is the user's own and comes back as it is."""
    error = LookupError("mine")

    def callback(x):
        raise error

    for vectorized in (False, True):
        with pytest.raises(LookupError) as caught:
            solve(X0, callback=callback, vectorized=vectorized)
        assert caught.value is error


def test_stop_of_one_problem():
    """StopIteration ends a problem with its last iterate, whichever way the callback is called."""
    path = []

    def callback(x):
        path.append(x)
        if len(path) == 3:
            raise StopIteration

    result = solve(X0[0], callback=callback, trace=1)
    assert (result.status, result.nit, len(path)) == (Status.CALLBACK, 3, 3)
    assert np.array_equal(result.x, path[-1])
    assert result.trace.nit.tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("vectorized", [False, True])
def test_looking_changes_nothing(vectorized):
    """With callback and trace a run has the bits that it has when it evaluates f at every iterate anyway."""
    plain = solve(X0, ftol=1e-300, vectorized=vectorized)
    for options in ({"callback": lambda x: None}, {"trace": 3}, {"callback": lambda x: None, "trace": (1, [2])}):
        assert bits(solve(X0, vectorized=vectorized, **options)) == bits(plain)


@pytest.mark.parametrize("every", [1, 2, 3, 8, 9])
def test_every_kth_iteration(every):
    """trace=k holds the start, every k-th iterate and the last, with value and gradient."""
    states, _ = states_of(partial(solve, X0[0]))
    trace = solve(X0[0], trace=every).trace
    assert trace.nit.tolist() == sorted({*range(0, 9, every), 8})  # and the last
    assert np.array_equal(trace.x[0], X0[0])
    for row, nit in enumerate(trace.nit[1:], 1):
        assert np.array_equal(trace.x[row], states[nit - 1].x)
        assert trace.fun[row] == states[nit - 1].fun
        assert np.array_equal(trace.jac[row], states[nit - 1].jac)


def test_paths_of_a_batch():
    """Each problem has a path of its own length, under its index: the path of its own run."""
    maxiter = np.arange(6)
    batch = solve(X0, trace=1, maxiter=maxiter)
    image = solve(X0.reshape(2, 3, 2), trace=1, maxiter=maxiter.reshape(2, 3))
    assert list(batch.trace) == list(range(6))
    assert list(image.trace) == list(np.ndindex(2, 3))
    for problem in range(6):
        own = solve(X0[problem], trace=1, maxiter=problem).trace
        for trace in (batch.trace[problem], image.trace[divmod(problem, 3)]):
            assert len(trace) == problem + 1
            assert all(np.array_equal(trace[name], own[name]) for name in ("nit", "x", "fun", "jac"))


@pytest.mark.parametrize("vectorized", [False, True])
def test_paths_of_named_problems(vectorized):
    """trace=(k, problems) records those problems only, of a batch of any size, however they are named."""
    many = np.resize(X0, (3000, 2))
    trace = solve(many, trace=(2, [5, -1]), vectorized=vectorized).trace
    assert list(trace) == [5, 2999]
    assert trace[5].nit.tolist() == [0, 2, 4, 6, 8]
    assert list(solve(many, trace=(1, 7), maxiter=1).trace) == [7]
    image = solve(X0.reshape(2, 3, 2), trace=(4, [(0, 2), (1, 0)]), vectorized=vectorized)
    assert list(image.trace) == [(0, 2), (1, 0)]
    assert np.array_equal(image.trace[1, 0].x[-1], image.x[1, 0])
    assert solve(X0, trace=0).trace is None
    with pytest.raises(ValueError, match="3000 problems"):
        solve(many, trace=1)
    with pytest.raises(IndexError):
        solve(X0, trace=(1, [6]))


@pytest.mark.parametrize("n_steps", [9_999, 10_000, 25_000])
@pytest.mark.parametrize("every", [1, 2])
def test_long_paths_are_thinned(n_steps, every):
    """A path has at most 10,000 points, evenly spaced from the start on, however long the run."""
    trace = minimize(lambda x: x, 0.0, jac=lambda x: 1.0, learning_rate=1.0, maxiter=n_steps, trace=every).trace
    assert len(trace) <= 10_000
    assert trace.nit[0] == 0
    assert trace.nit[-1] == n_steps
    spacing = np.unique(np.diff(trace.nit[:-1]))
    assert len(spacing) == 1
    assert (spacing[0] == every) == (n_steps // every < 10_000)
    assert 0 < trace.nit[-1] - trace.nit[-2] <= spacing[0]
    assert len(trace) > 5_000 or n_steps // every < 10_000
    assert np.array_equal(trace.x, -trace.nit.astype(float))


@pytest.mark.parametrize("x0", [[1.0], [[1.0], [2.0]]])
def test_traced_problem_that_is_not_there(x0):
    with pytest.raises(IndexError, match="trace names a problem"):
        minimize(lambda x: x[0] ** 2, x0, trace=(1, [2]))


def test_mask_of_another_shape():
    with pytest.raises(IndexError, match=r"the mask of trace has shape \(2,\), the batch \(3,\)"):
        minimize(lambda x: 1 / 0, np.ones((3, 2)), trace=(1, np.array([True, False])))


def test_paths_by_a_mask():
    result = minimize(lambda x: x[0] ** 2, [[1.0], [2.0], [3.0]], trace=(1, np.array([False, True, True])))
    assert list(result.trace) == [1, 2]


def test_no_path():
    """Of none of the problems; and of one that failed at its start."""
    assert minimize(lambda x: x[0] ** 2, [1.0], trace=(1, [])).trace is None
    assert minimize(lambda x: x[0] ** 2, [[1.0]], trace=(1, [])).trace == {}
    path = minimize(lambda x: np.nan, [0.0, 1.0], trace=1).trace
    assert (path.x.shape, path.jac.shape, path.fun.shape) == ((0, 2), (0, 2), (0,))
