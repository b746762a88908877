"""When a problem ends and what is said of it: every status by construction, exact definitions, the order of tests."""

import math
import time

import numpy as np
import pytest

from fastgd import Difference, Status, gradient, maximize, minimize

from .problems import FIELDS, bits


def bowl(x):
    return (x * x).sum(axis=0)


def solve(fun=bowl, x0=(1.0, -0.5), **options):
    """On the bowl an iteration halves x, without rounding: x_k = x0 / 2^k, f_k = 1.25 / 4^k, g_k = 2 x_k."""
    return minimize(fun, x0, **{"jac": lambda x: 2 * x, "learning_rate": 0.25, "gtol": 0.0, **options})


@pytest.mark.parametrize(("options", "status", "nit"), [
    ({"gtol": 2 * 2.0**-7}, Status.GTOL, 7),
    ({"gtol": np.nextafter(2 * 2.0**-7, 0)}, Status.GTOL, 8),
    ({"xtol": 2.0**-7}, Status.XTOL, 7),  # |x_k - x_(k-1)| = |x_k|
    ({"xtol": np.nextafter(2.0**-7, 0)}, Status.XTOL, 8),
    ({"ftol": 3.75 * 4.0**-7}, Status.FTOL, 7),  # f_(k-1) - f_k = 3 f_k
    ({"ftol": np.nextafter(3.75 * 4.0**-7, 0)}, Status.FTOL, 8),
    ({"ftarget": 1.25 * 4.0**-7}, Status.FTARGET, 7),
    ({"ftarget": np.nextafter(1.25 * 4.0**-7, 0)}, Status.FTARGET, 8),
    ({"maxiter": 7}, Status.MAXITER, 7),
    ({"maxiter": 0}, Status.MAXITER, 0),
    # f(x0) and the second look there cost 5 more
    ({"jac": None, "maxfev": 4 * 8 + 1 + 5}, Status.MAXFEV, 7),
    ({"jac": None, "maxfev": 4 * 8 + 5}, Status.MAXFEV, 6),
    ({"jac": None, "maxfev": 5 * 8 + 4, "ftol": 1e-300}, Status.MAXFEV, 7),  # f is known at every iterate
    ({"jac": None, "maxfev": 5 * 8 + 3, "ftol": 1e-300}, Status.MAXFEV, 6),
    ({"jac": Difference(step=2.0**-17), "maxfev": 4 * 8 + 1}, Status.MAXFEV, 7),
    ({"jac": Difference(step=2.0**-17), "maxfev": 4 * 8}, Status.MAXFEV, 6),
    ({"jac": Difference(step=2.0**-17), "maxfev": 5 * 8, "ftol": 1e-300}, Status.MAXFEV, 7),
], ids=str)
@pytest.mark.parametrize("vectorized", [False, True])
def test_end_by_construction(options, status, nit, vectorized):
    """On a run computed by hand every criterion holds at its iteration, and one that is a little tighter later."""
    result = solve(vectorized=vectorized, **options)
    assert (result.status, result.nit) == (status, nit)
    assert result.success == (status >= 0)
    assert result.message == status.message
    if "jac" not in options:
        assert result.x.tolist() == [2.0**-nit, -0.5 * 2.0**-nit]
        assert result.fun == 1.25 * 4.0**-nit
        assert result.jac.tolist() == (2 * result.x).tolist()


@pytest.mark.parametrize(("x0", "options", "status", "nit"), [
    # x = 2^(20 - k): the tolerances are relative where |x| and |f| exceed 1
    ([2.0**20], {"xtol": 1.0}, Status.XTOL, 1),
    ([2.0**20], {"xtol": 0.99}, Status.XTOL, 21),
    ([2.0**20, 0.0], {"xtol": 1.0}, Status.XTOL, 1),
    ([2.0**20], {"ftol": 3.0}, Status.FTOL, 1),
    ([2.0**20], {"ftol": 2.9}, Status.FTOL, 21),
    # the last coordinate to become still decides
    ([1.0, 2.0**-8], {"xtol": 2.0**-4}, Status.XTOL, 4),
    ([2.0**-8, 1.0], {"gtol": 2.0**-4}, Status.GTOL, 5)])
def test_tolerances_are_relative_to_large_numbers(x0, options, status, nit):
    """xtol max(1, |x|) holds in every coordinate, ftol max(1, |f|) for the value, gtol is absolute."""
    result = solve(x0=x0, **options)
    assert (result.status, result.nit) == (status, nit)


AT_ITERATION_11 = [
    (Status.GTOL, {"gtol": 2 * 2.0**-11}), (Status.XTOL, {"xtol": 2.0**-11}), (Status.FTOL, {"ftol": 3.75 * 4.0**-11}),
    (Status.FTARGET, {"ftarget": 1.25 * 4.0**-11}), (Status.MAXITER, {"maxiter": 11}), (Status.MAXFEV, {"maxfev": 12})]


@pytest.mark.parametrize("first", range(6))
def test_order_of_the_tests(first):
    """Of the criteria that hold at an iterate the first one, in the order of their list, gives the status."""
    options = {"ftol": 1e-300}
    for _, more in AT_ITERATION_11[first:]:
        options |= more
    result = solve(**options)
    assert (result.status, result.nit) == (AT_ITERATION_11[first][0], 11)


def test_zero_switches_off():
    """At 0, xtol and ftol end nothing, even when nothing moves any more; a gradient of 0 is one within gtol = 0."""
    flat = minimize(lambda x: 3.0, [1.0, 2.0], jac=lambda x: np.full(2, 1e-30), learning_rate=1.0, gtol=0.0, maxiter=9)
    assert (flat.status, flat.nit) == (Status.MAXITER, 9)
    still = minimize(lambda x: 3.0, [1.0, 2.0], jac=lambda x: np.full(2, 1e-30), learning_rate=1.0, gtol=0, xtol=1e-16)
    assert (still.status, still.nit) == (Status.XTOL, 1)
    assert solve(x0=[0.0, 0.0]).status == Status.GTOL


def test_ftol_wants_a_decrease():
    """A value that rises or stays has not converged."""
    for fun in (lambda x: 3.0, lambda x: -x[0]):
        with pytest.warns(RuntimeWarning, match="jac contradicts the values"):
            result = minimize(fun, [1.0], jac=lambda x: np.ones(1), learning_rate=1e-9, gtol=0.0, ftol=1e-3, maxiter=9)
        assert result.status == Status.MAXITER


def test_start_may_be_the_answer():
    """Criteria that need no step hold at x0; those of a step do not."""
    assert [solve(**options, maxiter=3).nit for options in
            ({"gtol": 2.0}, {"ftarget": 1.25}, {"xtol": 9.0}, {"ftol": 9.0})] == [0, 0, 1, 1]


def test_target_of_a_maximum():
    """With maximize ftarget is reached from below."""
    result = maximize(lambda x: -bowl(x), [1.0, -0.5], jac=lambda x: -2 * x, learning_rate=0.25, gtol=0.0,
                      ftarget=-1.25 * 4.0**-5)
    assert (result.status, result.nit, result.fun) == (Status.FTARGET, 5, -1.25 * 4.0**-5)


@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize("jac", [None, lambda x: 2 * np.stack([x[0] - 2, x[1] + 3, x[2] - 0.25])],
                         ids=["differences", "function"])
def test_gradient_is_projected_on_active_bounds(jac, vectorized):
    """At a minimum on the bounds the gradient is not 0, but what of it leads inside is: GTOL."""
    def fun(x):
        return (x[0] - 2) * (x[0] - 2) + (x[1] + 3) * (x[1] + 3) + (x[2] - 0.25) * (x[2] - 0.25)

    result = minimize(fun, [0.5, 0.5, 0.5], jac=jac, bounds=(0, 1), learning_rate=0.2, vectorized=vectorized)
    assert result.status == Status.GTOL
    np.testing.assert_allclose(result.x, [1, 0, 0.25], atol=1e-6)
    np.testing.assert_allclose(result.jac, [-2, 6, 0], atol=1e-6)
    projected = result.x - np.clip(result.x - result.jac, 0, 1)
    assert abs(projected).max() <= 1e-6
    assert gradient(fun, result.x, bounds=(0, 1)) == pytest.approx(result.jac, abs=1e-6)


def test_slope_out_of_a_corner_is_no_convergence():
    """A problem that starts on a bound leaves it when the gradient leads inside."""
    result = minimize(bowl, [1.0, -1.0], bounds=(-1, 1), learning_rate=0.25, maxiter=1)
    assert result.status == Status.MAXITER
    assert result.x == pytest.approx([0.5, -0.5])


def test_limit_on_time():
    """When the time is over, what is running ends with what it has, and what was not begun keeps x0."""
    def slow(x):
        time.sleep(0.002)
        return x[0]

    x0 = np.arange(12.0).reshape(6, 2)
    result = minimize(slow, x0, maxiter=10**9, maxtime=0.05)
    assert (result.status == Status.MAXTIME).all()
    begun = result.nfev > 0
    assert begun.tolist() == [True] + 5 * [False]
    assert np.isfinite(result.fun[0])
    assert np.array_equal(result.x[1:], x0[1:])
    assert np.isnan(result.fun[1:]).all()
    assert np.isnan(result.jac[1:]).all()
    assert {int(result[name][1:].sum()) for name in ("nit", "nfev", "njev")} == {0}


def test_time_that_suffices_changes_nothing():
    """A limit that is not reached leaves all bits as they are."""
    assert bits(solve(gtol=1e-6, maxtime=1e6)) == bits(solve(gtol=1e-6))


def test_callback_ends_its_problem_alone():
    """StopIteration ends the problem it was raised for, after that iteration; the others run on."""
    def stop(intermediate_result):
        if intermediate_result.problem == 2 and intermediate_result.nit == 3:
            raise StopIteration

    x0 = np.random.default_rng(0).normal(size=(5, 2))
    for vectorized in (False, True):
        plain = solve(x0=x0, gtol=1e-6, ftol=1e-300, vectorized=vectorized)
        result = solve(x0=x0, gtol=1e-6, vectorized=vectorized, callback=stop)
        assert (result.status[2], result.nit[2]) == (Status.CALLBACK, 3)
        assert np.array_equal(result.x[2], x0[2] / 8)
        others = [0, 1, 3, 4]
        assert bits(result, others) == bits(plain, others)


def test_converged_status_stands_before_the_callback():
    """A problem that has converged at an iterate is not made a failure by a callback that stops there."""
    def stop(x):
        raise StopIteration

    assert solve(gtol=1.0, callback=stop).status == Status.GTOL
    assert solve(gtol=0.9, callback=stop).status == Status.CALLBACK


def walk(value, slope=1.0):
    """From 0 by steps of -1, where the function is what `value` says."""
    return minimize(lambda x: value(x[0]), [0.0], jac=lambda x: np.array([slope]), learning_rate=1.0, ftol=1e-300,
                    maxiter=9)


@pytest.mark.parametrize(("value", "status"), [
    (np.nan, Status.NONFINITE), (np.inf, Status.NONFINITE), (-np.inf, Status.UNBOUNDED)])
def test_values_that_end_a_run(value, status):
    """What is not finite ends the run at the iterate before; only -inf is unbounded."""
    result = walk(lambda x: value if x < -3.5 else x)
    assert (result.status, result.nit, result.x[0], result.fun) == (status, 3, -3.0, -3.0)
    assert not result.success


def test_other_ends_of_a_run():
    """A gradient or a next point that is not finite, a step that vanishes, an exception on record."""
    def recorded(x):
        raise LookupError

    assert walk(lambda x: 0.0, np.nan).status == Status.NONFINITE
    with pytest.warns(RuntimeWarning, match="jac contradicts the values"):
        overflow = walk(lambda x: 0.0, 1.7e308)
    assert (overflow.status, overflow.nit, overflow.x[0]) == (Status.NONFINITE, 1, -1.7e308)
    assert minimize(bowl, [1.0], jac=Difference(step=1e-17)).status == Status.STEP_UNDERFLOW
    assert minimize(recorded, [1.0], on_error="record").status == Status.EXCEPTION


def test_statuses_and_their_messages():
    """Each status has a number, success from 0 on, and a sentence of its own."""
    numbers = {"GTOL": 0, "XTOL": 1, "FTOL": 2, "FTARGET": 3, "PRECISION": 4, "STALLED": -1, "MAXITER": -2,
               "NONFINITE": -3,
               "CALLBACK": -4, "MAXFEV": -5, "MAXTIME": -6, "STEP_UNDERFLOW": -7, "EXCEPTION": -8, "UNBOUNDED": -9,
               "WORKER_LOST": -10}
    assert {name: int(Status[name]) for name in numbers} == numbers
    messages = [status.message for status in Status]
    assert len(set(messages)) == len(messages)
    assert all(message[0].isupper() and message.endswith(".") and "\n" not in message for message in messages)
    assert [status.name for status in Status if status.message.startswith("Converged")] == [
        "GTOL", "XTOL", "FTOL", "PRECISION"]


def test_statuses_of_a_batch():
    """Problems of one batch end for reasons of their own, each with its message."""
    result = solve(x0=np.ones((4, 1)), gtol=[1.0, 0, 0, 0], xtol=[0, 0.1, 0, 0], ftol=[0, 0, 0.1, 0], maxiter=6)
    assert result.status.tolist() == [Status.GTOL, Status.XTOL, Status.FTOL, Status.MAXITER]
    assert result.success.tolist() == [True, True, True, False]
    assert result.message.tolist() == [Status(code).message for code in result.status]
    assert {result[name].shape for name in FIELDS[3:]} == {(4,)}


@pytest.mark.parametrize("bounds", [None, (None, None), (-1e13, 1e13)])
def test_gradient_far_below_the_rounding_of_x_is_not_zero(bounds):
    """The projected gradient is compared with gtol itself, not as a change of x, in which it would be lost."""
    result = minimize(lambda x: 1e-5 * x[0], [1e12], jac=lambda x: [1e-5], maxiter=3, bounds=bounds)
    assert result.status == Status.MAXITER


def test_function_is_not_asked_at_infinity():
    """A step that overflows ends the problem before a function that raises there is called."""
    result = minimize(lambda x: math.sin(x[0]) * 1e300, [0.1], learning_rate=1e200)
    assert result.status == Status.NONFINITE
    assert result.x == [0.1]


def test_function_of_one_point_is_not_asked_beside_infinity():
    """Nor at x + h, where that overflows."""
    result = minimize(lambda x: float(int(x[0]) > 0), [np.finfo(float).max], learning_rate=0.1)
    assert result.status == Status.NONFINITE
    assert result.nfev == 1  # the value of the answer


@pytest.mark.parametrize("of_the_neighbour", [{"ftol": [0, 1e-9]}, {"ftol": [1e-9, 0]}, {"trace": (1, [1])}], ids=str)
@pytest.mark.parametrize("bounds", [None, (0, 2)])
@pytest.mark.parametrize("vectorized", [False, True])
def test_wishes_of_a_neighbour_change_nothing(of_the_neighbour, bounds, vectorized):
    """Whose f is looked at in every iteration needs more evaluations, within maxfev: only that problem."""
    def solve(x0, **more):
        return minimize(lambda x: (x[0] - 1) * (x[0] - 1), x0, learning_rate=0.1, maxfev=13 if bounds else 14,
                        bounds=bounds,
                        vectorized=vectorized, **more)

    batch = solve([[0.0], [0.0]], **of_the_neighbour)
    for problem in range(2):
        own = {name: value[problem] for name, value in of_the_neighbour.items() if name != "trace"}
        if "trace" in of_the_neighbour:
            own["trace"] = problem
        assert bits(solve([0.0], **own)) == bits(batch, problem)
    assert len(set(batch.nit)) == 2


def test_target_of_one_problem():
    batch = minimize(lambda x: (x[0] - 1) * (x[0] - 1), [[0.0], [0.0]], learning_rate=0.1, ftarget=[0.5, -1.0])
    assert batch.status.tolist() == [Status.FTARGET, Status.GTOL]


@pytest.mark.parametrize("method", ["adam", "gd"])
@pytest.mark.parametrize("n_problems", [3, 700])
def test_limits_of_each_problem_hold_to_the_evaluation(method, n_problems):
    """In lanes whose problems come and go at different times, as in a run of one problem alone."""
    rng = np.random.default_rng(3)
    x0 = rng.normal(size=(n_problems, 2))
    maxiter, maxfev = rng.integers(0, 30, n_problems), rng.integers(1, 150, n_problems)

    def run(choice):
        return minimize(lambda x: (x[0] - 1.0) ** 2 + (x[0] * x[1] - 2.0) ** 2, x0[choice], vectorized=True,
                        method=method, gtol=1e-3, maxiter=maxiter[choice], maxfev=maxfev[choice])

    together = run(slice(None))
    assert {Status.MAXITER, Status.MAXFEV} <= set(together.status)
    assert np.all(together.nit <= maxiter)
    assert np.all(together.nfev <= maxfev)
    for problem in range(0, n_problems, 1 + n_problems // 60):
        alone = run(problem)
        assert (alone.status, alone.nit, alone.nfev, alone.njev) == (
            together.status[problem], together.nit[problem], together.nfev[problem], together.njev[problem])
        assert np.array_equal(alone.x, together.x[problem])
