"""Faulty parameters, options and objectives, for every method: an error that says where, or that problem's status."""

import dataclasses
import re
import time

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fastgd import Difference, Status, maximize, methods, minimize, schedules
from fastgd.noise import GaussianNoise

from .problems import CHECKS_OF_JAC, FIELDS, bits, counted, rosenbrock, slopes_of_rosenbrock, valley
from .test_difference import boxes
from .test_faults import KINDS, Kind, others, over, problem_at, slopes, starts, valleys

#: Every method, with a rate at which its first steps are neither tiny nor too long.
METHODS = {"gd, fixed": methods.GradientDescent(0.1)} | {
    name: method if method.fixed_rate is None else dataclasses.replace(method, learning_rate=0.1)
    for name, method in methods.BY_NAME.items()}
#: Those that search for their steps, and those that take a learning rate; "gd" is among both.
SEARCHES = [name for name, method in METHODS.items() if method.fixed_rate is None]
WITH_RATES = [name for name, method in METHODS.items() if isinstance(method, methods.FirstOrder)]
CLASSES = [methods.GradientDescent, methods.Adagrad, methods.RMSprop, methods.Adam, methods.AdamW, methods.NAdam]

#: The same with rates that do for Rosenbrock's function.
GENTLE = {name: dataclasses.replace(method, learning_rate=0.0005) if name in ("gd, fixed", "momentum", "nesterov")
          else method for name, method in METHODS.items()}
every_method = pytest.mark.parametrize("name", METHODS)
every_search = pytest.mark.parametrize("name", SEARCHES)
every_method_with_rates = pytest.mark.parametrize("name", WITH_RATES)
#: Each form with some way to get gradients; every combination with one method is tested elsewhere.
SOME = [kind for kind in KINDS if f"{kind.name}, {kind.jac}" in (
    "f(x), differences", "f(*x), function", "f(float), differences", "f(float), pair", "columns, differences",
    "columns, pair", "rows, function", "f(*columns), differences")]
every_kind = over(SOME)
every_batch_kind = over([kind for kind in SOME if not kind.scalar])
every_difference = over([kind for kind in SOME if kind.jac == "differences"])


def solve(kind, name, x0, *arguments, **options):
    return kind.solve(x0, *arguments, **{"method": METHODS[name], "learning_rate": None, **options})


def away_from_start(x, distance):
    """Where the first coordinate of a point is further than this from that of `starts`."""
    return np.abs(x[0] - 10 * problem_at(x) - 1.0) > distance


# Parameters and options

RANGES = {  # what every parameter is: the least and the first value that is refused, for numbers
    "learning_rate": "positive", "eps": "positive", "momentum": "share", "beta1": "share", "beta2": "share",
    "weight_decay": "number", "momentum_decay": "number", "initial_accumulator": "number", "nesterov": "flag",
    "amsgrad": "flag", "centered": "flag"}
RANGE_OF = [(cls, field.name, "share" if (cls, field.name) == (methods.RMSprop, "decay") else RANGES[field.name])
            for cls in CLASSES for field in dataclasses.fields(cls)]
every_parameter = pytest.mark.parametrize(("cls", "name", "range_"), RANGE_OF,
                                          ids=[f"{cls.__name__} {name}" for cls, name, _ in RANGE_OF])


def make(cls, name, value):
    """The method with one parameter of its own, beside a rate that goes with all others."""
    return cls(**{"learning_rate": 0.1, name: value})


@every_parameter
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, -1.0, -5e-324, np.float32(-0.5), -1, 10**400, -10**400],
                         ids=str)
def test_number_out_of_range(cls, name, range_, value):
    """Nan, infinity and what is negative are in no range; the message names parameter and range."""
    if range_ == "flag":
        with pytest.raises(TypeError, match=f"{name} must be True or False"):
            make(cls, name, value)
        return
    with pytest.raises(ValueError, match=rf"{name} must satisfy 0 .*{name}.*got {name} = -?(nan|inf|\d)"):
        make(cls, name, value)


@every_parameter
def test_ends_of_the_range(cls, name, range_):
    """0 is refused where it is senseless, and 1 for a share of the past."""
    if range_ == "flag":
        assert getattr(make(cls, name, False), name) is False
        return
    refused = {"positive": [0, 0.0, -0.0], "share": [1, 1.0, 2.0], "number": []}[range_]
    allowed = {"positive": [5e-324, 1e308], "share": [0, 1 - 2.0**-53], "number": [0, -0.0, 1e308]}[range_]
    for value in refused:
        with pytest.raises(ValueError, match=name):
            make(cls, name, value)
    for value in (*allowed, np.float32(0.5), np.float64(0.5), np.int8(1) if range_ != "share" else 0.25):
        stored = getattr(make(cls, name, value), name)
        assert type(stored) is float
        assert stored == value


@every_parameter
@pytest.mark.parametrize("value", ["0.1", None, 1j, [0.1], (0.1, 0.2), np.array(0.1), np.ones(2), b"1", object(), {}],
                         ids=repr)
def test_parameter_of_wrong_type(cls, name, range_, value):
    """What is no number, or no bool for a flag, is a TypeError; a rate may have another name, but only a known one."""
    error = ValueError if name == "learning_rate" and isinstance(value, str) else TypeError
    with pytest.raises(error, match=name):
        make(cls, name, value)
    if name != "learning_rate" and cls is methods.GradientDescent:
        with pytest.raises(TypeError, match=name):
            cls(**{name: value})


@every_parameter
def test_bool_is_no_number_and_number_no_bool(cls, name, range_):
    """True is not 1, nor 1 True."""
    for value in ((0, 1, None) if range_ == "flag" else (True, False)):
        with pytest.raises(TypeError, match=name):
            make(cls, name, value)


def test_parameters_that_do_not_go_together():
    """The search goes without momentum, and Nesterov's form needs one."""
    for options in ({"momentum": 0.9}, {"momentum": 0.9, "nesterov": True}, {"nesterov": True}):
        with pytest.raises(ValueError, match="momentum"):
            methods.GradientDescent(**options)
    with pytest.raises(ValueError, match="momentum"):
        methods.GradientDescent(0.1, nesterov=True)
    for name in ("momentum", "nesterov"):
        with pytest.raises(ValueError, match="momentum"):
            minimize(valley, [1.0], method=name, learning_rate="auto")


@every_method_with_rates
@pytest.mark.parametrize("rate", ["auto", "Auto", "", "0.1"])
def test_rate_by_name(name, rate):
    """The only rate with a name is "auto", of gradient descent alone."""
    method = METHODS[name]
    if rate == "auto" and name in ("gd", "gd, fixed"):
        assert minimize(valley, [1.0], method=method, learning_rate=rate).success
        return
    for make_it in (lambda: minimize(valley, [1.0], method=method, learning_rate=rate),
                    lambda: dataclasses.replace(method, learning_rate=rate)):
        with pytest.raises(ValueError, match=r"learning_rate.*auto"):
            make_it()
    with pytest.raises(TypeError, match="learning_rate"):
        minimize(valley, [[1.0], [2.0]], method=method, learning_rate=[rate, rate])


@every_method_with_rates
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -1.0, 0.0])
def test_rates_of_a_batch_out_of_range(name, bad):
    """Rates of problems are checked one by one."""
    with pytest.raises(ValueError, match=r"learning_rate\[1\]"):
        minimize(valley, np.ones((3, 2)), method=METHODS[name], learning_rate=[0.1, bad, 0.1])
    with pytest.raises(ValueError, match=r"learning_rate\[1, 0\]"):
        minimize(valley, np.ones((2, 2, 2)), method=METHODS[name], learning_rate=[[0.1, 0.1], [bad, 0.1]])


@every_method_with_rates
@pytest.mark.parametrize("shape", [(2,), (4,), (3, 1), (3, 2), (0,), (1, 3, 1)], ids=str)
def test_rates_of_another_batch(name, shape):
    """Rates that are not the batch's are refused with both shapes; so is more than one for a single problem."""
    with pytest.raises(ValueError, match=rf"learning_rate of shape {re.escape(str(shape))}.*\(3,\)"):
        minimize(valley, np.ones((3, 2)), method=METHODS[name], learning_rate=np.full(shape, 0.1))
    with pytest.raises(ValueError, match=rf"learning_rate of shape {re.escape(str(shape))}.*\(\)"):
        minimize(valley, np.ones(2), method=METHODS[name], learning_rate=np.full(shape, 0.1))


@every_method_with_rates
@pytest.mark.parametrize(("rate", "error"), [
    (np.nan, ValueError), (np.inf, ValueError), (-1e-9, ValueError), ("0.1", TypeError), (None, TypeError),
    (np.ones(2), TypeError)], ids=str)
def test_schedule_that_gives_no_rate(name, rate, error):
    """A function of the iteration must give numbers that are not negative; the message names the iteration."""
    with pytest.raises(error, match=r"learning_rate\(3\)"):
        minimize(valley, [1.0, 2.0], method=METHODS[name], learning_rate=lambda k: rate if k == 3 else 0.1)


@every_method_with_rates
def test_exception_of_a_schedule(name):
    """It is the user's own and comes back as it is."""
    error = LookupError("no such rate")

    def rate(k):
        raise error

    with pytest.raises(LookupError) as caught:
        minimize(valley, [1.0, 2.0], method=METHODS[name], learning_rate=rate)
    assert caught.value is error


@pytest.mark.parametrize("name", methods.BY_NAME)
def test_misspelled_method(name):
    """The nearest name is proposed, whatever it was meant for."""
    for word in (name + "x", name[0] + name[0] + name[1:], name[:-1] + "_" + name[-1]):
        for solver in (minimize, maximize):
            with pytest.raises(ValueError, match=f"method must be one of .*got '{word}'; did you mean '{name}'"):
                solver(valley, [1.0], method=word)
    for wrong in (type(methods.BY_NAME[name]), 3, [name], lambda: None):
        with pytest.raises(TypeError, match="method must be a name or an instance"):
            minimize(valley, [1.0], method=wrong)


@every_method_with_rates
def test_class_of_a_schedule_as_rate(name):
    """It could be called as any function of the iteration, and would make a schedule of it."""
    for make in (lambda: minimize(valley, [1.0], method=METHODS[name], learning_rate=schedules.Constant),
                 lambda: dataclasses.replace(METHODS[name], learning_rate=schedules.Constant)):
        with pytest.raises(TypeError, match="must be a number, a schedule or a function, got the class Constant"):
            make()


@every_search
def test_noise_with_the_search(name):
    """A line search follows the gradient itself."""
    cls = type(METHODS[name]).__name__
    with pytest.raises(ValueError, match=f"noise does not go with {cls} as given, which searches.* learning_rate=0.01"):
        minimize(valley, [1.0], method=METHODS[name], noise=GaussianNoise())
    with pytest.raises(TypeError, match="noise"):
        minimize(valley, [1.0], method="adam", noise=0.1)
    with pytest.raises(ValueError, match="rng"):
        minimize(valley, [1.0], method="adam", rng=1)


# Bounds

@every_method
@every_batch_kind
def test_bounds_that_make_no_sense(kind, name):
    """Crossed or nan bounds and a start outside are refused with their index before anything is called."""
    def spoil(x, y):
        raise AssertionError

    for lower, upper in ((-2.0, [[5, 5], [15, 8.5], [25, 25]]), ([[-2.0], [np.nan], [-2]], 99.0),
                         ([[-2, -2], [-2, 9.5], [-2, -2]], 99.0)):
        with pytest.raises(ValueError, match=r"\(1, [01]\)"):
            solve(kind, name, starts(3), bounds=(lower, upper), spoil=spoil)


@every_method
@every_batch_kind
def test_frozen_coordinate(kind, name):
    """Where both bounds are one the coordinate stays as it is, and the others go down."""
    x0 = starts(5, 3)
    lower, upper = x0 - 2.0, x0 + 2.0
    lower[:, 1] = upper[:, 1] = x0[:, 1]
    result = solve(kind, name, x0, bounds=(lower, upper), maxiter=50)
    assert np.array_equal(result.x[:, 1], x0[:, 1])
    assert (np.abs(result.x - np.round(x0, -1)) < np.abs(x0 - np.round(x0, -1)))[:, [0, 2]].all()
    everything = solve(kind, name, x0, bounds=(x0, x0))
    assert everything.status.tolist() == 5 * [Status.GTOL]
    assert everything.nit.tolist() == 5 * [0]
    assert np.array_equal(everything.x, x0)


def spied(fun, seen):
    def spying(x):
        seen.extend(np.array(x, dtype=float).reshape(len(x), -1).T.tolist())
        return fun(x)
    return spying


@every_method
@example((np.zeros(3), np.array([np.inf, 0.0, 0.0]), np.zeros(3)), 1e300, True, True, False)
@given(box=boxes(), rate=st.sampled_from([None, 1e-3, 0.3, 1e3, 1e9, 1e300]), vectorized=st.booleans(),
       with_gradient=st.booleans(), noise=st.booleans())
def test_bounds_are_never_left(name, box, rate, vectorized, with_gradient, noise):
    """However tight the box, wherever the start and however far a step wants to go, no point is outside: of the
    stencil, of a trial, or the answer."""
    lower, upper, x = box
    seen = []
    fun = spied(lambda x: (x[0] - 1) * (x[0] - 1) + x[1] * x[2] * x[2], seen)
    jac = spied(lambda x: np.array([2 * x[0] - 2, x[2] * x[2], 2 * x[1] * x[2]]), seen) if with_gradient else None
    has_rate = rate is not None and name in WITH_RATES
    method = dataclasses.replace(METHODS[name], learning_rate=rate) if has_rate else METHODS[name]
    noisy = noise and method.fixed_rate is not None
    with np.errstate(over="ignore", invalid="ignore"):  # of that function, at infinity * 0
        result = minimize(fun, [x, x], method=method, bounds=(lower, upper), vectorized=vectorized, jac=jac, maxiter=6,
                          noise=GaussianNoise(100.0) if noisy else None, rng=1 if noisy else None)
    for points in (np.array(seen), result.x):
        assert points.size
        assert ((points >= lower) & (points <= upper)).all()


# The objective

WHERE = {
    "start": lambda x: True,
    "stencil": lambda x: x[0] > 10 * problem_at(x) + 1,
    "first step": lambda x: away_from_start(x, 4e-3),  # that is beyond the stencils, of Hessians, too
}


@every_method
@every_batch_kind
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("where", WHERE)
def test_values_that_are_not_finite(kind, name, value, where):
    """A problem that meets nan or inf does not succeed and keeps its last good point, or, in a search, turns back;
    the others keep their bits."""
    if where == "stencil" and kind.jac != "differences":
        pytest.skip("no stencil")

    def spoil(x, result):
        return np.where((problem_at(x) == 2) & WHERE[where](x), value, result)

    x0 = starts(5)
    for options in ({}, {"keep_best": True}, {"ftol": 1e-12}, {"bounds": (-2.0, 50.0)}):
        options = {"maxiter": 25, **options}
        healthy = solve(kind, name, x0, **options)
        result = solve(kind, name, x0, spoil=spoil, **options)
        assert np.abs(result.x[2] - x0[2]).max() <= 4e-3
        if name not in SEARCHES or where != "first step":
            assert result.status[2] == Status.NONFINITE
            assert result.nit[2] == 0
            assert np.array_equal(result.x[2], x0[2])
        else:
            short = {Status.FTOL} if "ftol" in options else set()  # its steps become shorter and shorter
            assert result.status[2] in {Status.NONFINITE, Status.STALLED, Status.MAXITER} | short
            assert result.fun[2] < valleys(x0[2])
            assert np.abs(result.jac[2] - [2.0, -2.0]).max() < 0.01
        assert bits(result, others(5, 2)) == bits(healthy, others(5, 2))
        single = solve(kind, name, x0[2], spoil=spoil, **options)
        assert bits(single) == bits(result, 2)


@every_method
@every_kind
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_no_value_at_all(kind, name, value):
    """An objective that is never finite leaves its start as it was."""
    result = solve(kind, name, kind.start(), spoil=lambda x, y: np.full(np.shape(y), value))
    assert (result.status, result.nit) == (Status.NONFINITE, 0)
    assert np.array_equal(result.x, kind.start())


@pytest.mark.parametrize("name", [name for name in SEARCHES if name != "newton"])  # whose first step does not overshoot
@pytest.mark.parametrize("value", [np.nan, np.inf])
@every_kind
def test_search_turns_back_from_values_that_are_not_finite(kind, value, name):
    """The search takes what is not finite for a wall: the first steps overshoot it, the minimum before it is found."""
    seen = []

    def spoil(x, y):
        beyond = np.asarray(x[0]) < -0.25
        seen.append(np.any(beyond))
        return np.where(beyond, value, y)

    x0 = 0.4 if kind.scalar else np.array([0.4, 0.3])
    result = solve(kind, name, x0, spoil=spoil)
    assert any(seen)
    assert result.status == Status.GTOL
    assert np.abs(result.x).max() < 1e-6


@every_method
@every_difference
def test_difference_that_overflows(kind, name):
    """Finite values whose difference is not finite give no gradient, at the start or later."""
    for depth in (1.7e308, 1e304, 1e300):
        result = solve(kind, name, kind.start(), maxiter=200,
                       value=lambda x, d=depth: np.where(np.asarray(x[0]) > 1.0, d, -d) + 0.0 * x[-1])
        assert not result.success or np.all(result.jac == 0.0)
        assert np.isfinite(result.x).all()
        assert (result.status, result.nit) == (Status.NONFINITE, 0) or depth < 1.7e308
        assert result.nit or np.array_equal(result.x, kind.start())


@every_method
@every_kind
@pytest.mark.parametrize(("solver", "sign"), [(minimize, 1.0), (maximize, -1.0)], ids=["minimize", "maximize"])
def test_minus_infinity(kind, name, solver, sign):
    """A function that falls to -inf has no minimum, and one that rises to inf no maximum."""
    result = solve(kind, name, kind.start(), lambda x: sign * valleys(x), lambda x: sign * slopes(x), solver=solver,
                   spoil=lambda x, y: np.where(np.abs(x[0]) < 0.3, sign * -np.inf, y), spoil_slope=lambda x, g: g,
                   keep_best=True)
    assert result.status == Status.UNBOUNDED
    assert not result.success
    assert np.isfinite(result.x).all()
    assert np.isfinite(result.fun)


def without_decay(method):
    """Weight decay alone would lead back to 0."""
    return dataclasses.replace(method, weight_decay=0.0) if isinstance(method, methods.AdamW) else method


@every_method
@every_kind
@pytest.mark.parametrize("rate", [None, 10.0, 1e100, 1e308])
def test_divergence(kind, name, rate):
    """Where there is no minimum, or the rate is too large, the answer is finite and no success."""
    def fourth_power(x):
        with np.errstate(all="ignore"):
            return -sum(np.multiply(c, c) * np.multiply(c, c) for c in x)

    def its_slope(x):
        with np.errstate(all="ignore"):
            return np.array([-4 * np.multiply(c, c) * c for c in x])

    for bounds in (None, (-1e200, 1e200)):
        for maxiter in (3, 300):
            result = solve(kind, name, kind.start(), fourth_power, its_slope, maxiter=maxiter, bounds=bounds,
                           method=without_decay(METHODS[name]), learning_rate=rate if name in WITH_RATES else None)
            assert result.status in (Status.NONFINITE, Status.MAXITER, Status.UNBOUNDED)
            assert np.isfinite(result.x).all()


HUGE_STEPS = {
    "adagrad": methods.Adagrad(1e10), "rmsprop": methods.RMSprop(1e10), "adam": methods.Adam(1e10),
    "amsgrad": methods.Adam(1e10, amsgrad=True), "adamw": methods.AdamW(1e10), "nadam": methods.NAdam(1e10),
    "nesterov": methods.GradientDescent(1e10, 0.9, True), "momentum": methods.GradientDescent(1e10, 0.9),
    "centered": methods.RMSprop(1e10, centered=True), "gd": methods.GradientDescent(1e10)}


@pytest.mark.parametrize("name", HUGE_STEPS)
@pytest.mark.parametrize("step", [None, 1e-3])
@pytest.mark.parametrize("bounds", [None, (-5.0, 5.0), (-1e308, 1e308)])
@pytest.mark.parametrize("vectorized", [False, True])
def test_next_point_that_is_nan(name, step, bounds, vectorized):
    """Where rate * gradient and its scale both overflow the next point is nan: that is no iterate, though the function
    has a value there."""
    def fun(x):
        return 1e300 * np.abs(np.nan_to_num(x)).sum(axis=0)

    with np.errstate(over="ignore"):
        result = minimize(fun, [0.5, 0.25], method=HUGE_STEPS[name], jac=Difference(step=step), bounds=bounds,
                          maxiter=5, vectorized=vectorized)
    assert np.isfinite(result.x).all()
    assert not result.success
    assert bounds is None or np.abs(result.x).max() <= bounds[1]


@every_method
@every_kind
@pytest.mark.parametrize("options", [{}, {"keep_best": True}, {"bounds": (-2.0, 50.0)}, {"xtol": 1e-3, "ftol": 1e-3}],
                         ids=str)
def test_constant_function(kind, name, options):
    """Where nothing changes the start is the answer."""
    result = solve(kind, name, kind.start(), lambda x: 0.0 * x[0] + 3, lambda x: 0.0 * np.array(x), **options)
    assert (result.status, result.nit, result.fun) == (Status.GTOL, 0, 3.0)
    assert np.array_equal(result.x, kind.start())


@every_method
@every_difference
def test_step_that_vanishes(kind, name):
    """A step that leaves x where it is gives STEP_UNDERFLOW, at the start or where the descent has got to."""
    result = solve(kind, name, kind.start(), jac=Difference(step=1e-20))
    assert (result.status, result.nit) == (Status.STEP_UNDERFLOW, 0)
    assert np.array_equal(result.x, kind.start())
    if not kind.scalar:
        far = starts(5)
        far[3] = 1e17
        result = solve(kind, name, far, jac=Difference(step=1e-3))
        assert result.status[3] == Status.STEP_UNDERFLOW
        assert bits(result, others(5, 3)) == bits(solve(kind, name, starts(5), jac=Difference(step=1e-3)), others(5, 3))


@every_method
def test_step_that_vanishes_on_the_way(name):
    """Far out even a step that did well at the start changes nothing: no success, and the last good point."""
    method = METHODS[name] if name in SEARCHES else dataclasses.replace(METHODS[name], learning_rate=1e16)
    fun = (lambda x: 1.0 - x[0] * x[0]) if name == "newton" else lambda x: -x[0]  # along a line it goes too slowly
    result = minimize(fun, [1.0 if name == "newton" else 0.0], method=method, jac=Difference(step=1e-3), maxiter=100)
    # the search of gd sees before that differences of f are rounded away
    assert result.status == (Status.STALLED if name == "gd" else Status.STEP_UNDERFLOW)
    assert np.isfinite(result.fun)


@every_method
@every_kind
@pytest.mark.filterwarnings("ignore:jac contradicts the values:RuntimeWarning")  # which are noisy
def test_objective_that_is_not_deterministic(kind, name):
    """Noise, and exceptions that do not come again, end within the limits."""
    rng = np.random.default_rng(5)

    def noisy(x, result):
        if rng.random() < 0.02:
            raise LookupError("now and then")
        return np.where(rng.random(np.shape(result)) < 0.001, np.nan, result + rng.random(np.shape(result)))

    x0 = kind.start() if kind.scalar else starts(30)
    for options in ({}, {"keep_best": True}, {"xtol": 1e-3, "ftol": 1e-3}, {"bounds": (-2, 600)}):
        result = solve(kind, name, x0, spoil=noisy, maxiter=15, maxfev=200, on_error="record", **options)
        assert np.isfinite(result.x).all()
        assert np.max(result.nit) <= 15
        assert np.max(result.nfev) <= 200
        assert np.isin(result.status, [*Status]).all()


def raising(error, faulty):
    def spoil(x, result):
        if np.any(faulty(x)):
            raise error
        return result
    return spoil


@every_method
@every_batch_kind
@pytest.mark.parametrize("n_problems", [4, 20])
def test_objective_that_raises_after_a_step(kind, name, n_problems):
    """At an iterate or at a trial of a search: the same object, with problem and iteration; or the last iterate on
    record and the bits of the others unchanged."""
    def faulty(x):
        return np.isin(problem_at(x), (2, 3)) & away_from_start(x, 4e-3)

    x0, error = starts(n_problems), LookupError("out of tune")
    with pytest.raises(LookupError) as caught:
        solve(kind, name, x0, spoil=raising(error, faulty))
    assert caught.value is error
    assert error.__notes__ == ["fastgd: raised for problem 2 at iteration 1"]

    for options in ({}, {"keep_best": True}, {"bounds": (-2.0, 600.0)}):
        result = solve(kind, name, x0, spoil=raising(error, faulty), on_error="record", maxiter=8, **options)
        assert np.array_equal(np.flatnonzero(result.status == Status.EXCEPTION), [2, 3])
        assert result.nit[2:4].tolist() == [0, 0]
        assert np.array_equal(result.x[2:4], x0[2:4])
        assert result.fun[2:4].tolist() == [valleys(x0[2]), valleys(x0[3])]
        assert np.abs(result.jac[2:4] - slopes(x0.T).T[2:4]).max() < 1e-6
        healthy = solve(kind, name, x0, maxiter=8, **options)
        assert bits(result, others(n_problems, 2, 3)) == bits(healthy, others(n_problems, 2, 3))


@every_batch_kind
@pytest.mark.parametrize("on_error", ["raise", "record"])
def test_objective_that_raises_in_the_middle_of_a_search(kind, on_error):
    """The first trial is too far and is refused; the second raises."""
    x0 = 10.0 * np.arange(4)[:, None] + [[0.1, -0.1]]  # the first trial goes 1 further, to the other side
    error, refused = LookupError("out of tune"), []

    def faulty(x):
        far = np.abs(x[0] - 10 * problem_at(x)) > 0.5
        refused.append(np.any((problem_at(x) == 1) & far))
        return (problem_at(x) == 1) & ~far & (np.abs(x[0] - 10 * problem_at(x) - 0.1) > 1e-3)

    if on_error == "raise":
        with pytest.raises(LookupError) as caught:
            solve(kind, "gd", x0, x_scale=1, spoil=raising(error, faulty))
        assert caught.value is error
        assert error.__notes__ == ["fastgd: raised for problem 1 at iteration 1"]
    else:
        result = solve(kind, "gd", x0, x_scale=1, spoil=raising(error, faulty), on_error="record")
        assert result.status[1] == Status.EXCEPTION
        assert result.nit[1] == 0
        assert np.array_equal(result.x[1], x0[1])
        assert result.fun[1] == valleys(x0[1])
        assert bits(result, others(4, 1)) == bits(solve(kind, "gd", x0, x_scale=1), others(4, 1))
    assert any(refused)


@every_method
@every_kind
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("on_error", ["raise", "record"])
def test_what_always_ends_the_program(kind, name, error, on_error):
    """Ctrl-C and exit are no exceptions to record, at the start or at a step."""
    for faulty in (lambda x: True, lambda x: away_from_start(x, 1e-3)):
        raised = error()
        with pytest.raises(error) as caught:
            solve(kind, name, kind.start(), spoil=raising(raised, faulty), on_error=on_error)
        assert caught.value is raised


@every_method
@pytest.mark.parametrize("jac", [None, "function", "pair"])
@pytest.mark.parametrize("late", [1, 2, 3, 5, 6, 7, 9, 10, 14])
def test_time_is_over(name, jac, late):
    """After a call that takes all the time there is, no other begins, but for one value at the answer; what was not
    begun keeps x0."""
    calls = []

    def wait():
        calls.append(None)
        if len(calls) == late:
            time.sleep(0.06)

    kind = Kind("f(x)", jac=jac or "differences")
    x0 = np.array([[1.3, -0.7], [10.8, 9.1]])
    result = kind.solve(x0, method=METHODS[name], learning_rate=None, meddle=lambda x: wait(), maxiter=10**9,
                        maxtime=0.05, value=lambda x: x[0] + x[1], slope=np.ones_like)
    assert len(calls) <= late + 1
    assert result.status.tolist() == 2 * [Status.MAXTIME]
    assert not result.success.any()
    assert np.isfinite(result.x).all()
    untouched = result.nfev + result.njev == 0
    assert np.array_equal(result.x[untouched], x0[untouched])
    assert np.isnan(result.fun[untouched]).all()


def rosenbrock_with_slope(x):
    return rosenbrock(x), slopes_of_rosenbrock(x)


@every_method
@pytest.mark.parametrize("bounds", [None, (-0.9, 3.0)])
@pytest.mark.parametrize("jac", [None, slopes_of_rosenbrock, True], ids=["differences", "function", "pair"])
@pytest.mark.parametrize("vectorized", [False, True])
def test_limit_on_evaluations(name, jac, bounds, vectorized):
    """maxfev is never exceeded, and a run ends for it only when what is left would not do for the next step."""
    x0 = [-0.9, 0.7]
    for maxfev in (*range(1, 40), 111):
        fun, calls = counted(rosenbrock_with_slope if jac is True else rosenbrock)
        result = minimize(fun, x0, method=GENTLE[name], jac=jac, bounds=bounds, maxfev=maxfev, gtol=0.0, maxiter=60,
                          vectorized=vectorized)
        assert result.nfev <= maxfev
        is_checked = jac is not None and np.isfinite(result.jac).all()  # else there was no room for the first gradient
        assert vectorized or result.nfev == len(calls) - CHECKS_OF_JAC * is_checked
        if jac is None:
            assert result.status == Status.MAXFEV or result.nit == 60 or maxfev == 111
            if result.status == Status.MAXFEV:
                # a gradient and a value, and with bounds at a fixed rate perhaps one more for a pair at a bound
                next_step = 5 + (bounds is not None and name not in SEARCHES) + (6 if name == "newton" else 0)
                assert maxfev - result.nfev < next_step
        elif result.status == Status.MAXFEV:
            assert maxfev - result.nfev < (3 if name == "newton" and jac is True else 1)  # two pairs give a Hessian


@every_method
def test_limit_on_evaluations_of_each_problem(name):
    """In a batch each problem ends as it would alone."""
    x0 = np.random.default_rng(3).uniform(-1, 1, (12, 2))
    limits = np.arange(1, 120, 10)
    for vectorized in (False, True):
        batch = minimize(rosenbrock, x0, method=GENTLE[name], maxfev=limits, vectorized=vectorized, gtol=0.0)
        assert (batch.nfev <= limits).all()
        for problem in range(12):
            alone = minimize(rosenbrock, x0[problem], method=GENTLE[name], maxfev=limits[problem], gtol=0.0)
            assert bits(alone) == bits(batch, problem)


@every_method
@every_batch_kind
def test_callback_that_stops(kind, name):
    """StopIteration ends its problem alone, with the iterate that the callback saw."""
    seen = {}

    def stop(intermediate_result):
        if intermediate_result.problem == 2 and intermediate_result.nit == 2:
            seen[2] = intermediate_result
            raise StopIteration

    x0 = starts(5) + np.linspace(-0.3, 0.3, 10).reshape(5, 2)
    quartic = {"value": lambda x: valleys(x) ** 2, "slope": lambda x: 2 * valleys(x) * slopes(x)}
    plain = solve(kind, name, x0, maxiter=9, ftol=1e-300, **quartic)
    result = solve(kind, name, x0, maxiter=9, callback=stop, **quartic)
    assert (result.status[2], result.nit[2]) == (Status.CALLBACK, 2)
    assert np.array_equal(result.x[2], seen[2].x)
    assert result.fun[2] == seen[2].fun
    assert bits(result, others(5, 2)) == bits(plain, others(5, 2))


@every_method
@pytest.mark.parametrize("vectorized", [False, True])
@pytest.mark.parametrize("bounds", [None, (-1.0, 0.8)])
def test_best_point_seen(name, vectorized, bounds):
    """keep_best returns the lowest iterate with its gradient, after the same run."""
    x0 = np.random.default_rng(4).uniform(-1, 0.8, (8, 2))
    options = {"method": GENTLE[name], "maxiter": 12, "gtol": 1e-12, "vectorized": vectorized, "bounds": bounds}
    last = minimize(rosenbrock, x0, trace=1, **options)
    best = minimize(rosenbrock, x0, keep_best=True, **options)
    assert [bits(best)[field] == bits(last)[field] for field in FIELDS[3:]] == 4 * [True]
    for problem, path in last.trace.items():
        lowest = np.argmin(path.fun)
        assert best.fun[problem] == path.fun[lowest] <= last.fun[problem]
        assert np.array_equal(best.x[problem], path.x[lowest])
        assert np.array_equal(best.jac[problem], path.jac[lowest])


@every_method
@pytest.mark.parametrize("vectorized", [False, True])
def test_neighbours_that_fail_in_every_way(name, vectorized):
    """Problems of + - * whose neighbours end at different times, by nan, -inf or an exception, have the bits of their
    own runs."""
    n_problems = 60
    rng = np.random.default_rng(7)
    x0 = rng.uniform(-1, 1, (n_problems, 2))
    way = np.arange(n_problems) % 5  # 0 and 1 are healthy
    when = rng.uniform(0.0, 1.0, n_problems)

    def fun(x, way, when):
        value = valley(x)
        low = value < when * 2.0
        if np.any((way == 4) & low):
            raise ArithmeticError
        return np.where((way == 2) & low, np.nan, np.where((way == 3) & low, -np.inf, value))

    options = {"method": METHODS[name], "maxiter": 30, "on_error": "record"}
    batch = minimize(fun, x0, batch_args=(way, when), vectorized=vectorized, **options)
    assert {Status.NONFINITE, Status.UNBOUNDED, Status.EXCEPTION} <= set(batch.status.tolist())
    assert not batch.success[(batch.status == Status.EXCEPTION) | (batch.status == Status.UNBOUNDED)].any()
    assert np.isfinite(batch.x).all()
    for problem in np.flatnonzero(way < 2):
        assert bits(minimize(valley, x0[problem], **options)) == bits(batch, problem)
