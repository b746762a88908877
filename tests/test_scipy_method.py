"""fastgd as a method of scipy.optimize.minimize: the oracle is fastgd.minimize itself, called directly."""

import pickle

import numpy as np
import pytest
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, basinhopping, dual_annealing
from scipy.optimize import minimize as scipy_minimize

import fastgd
from fastgd import Difference, Status, scipy_method

from .problems import bits, counted, rosenbrock, slopes_of_rosenbrock

RATE = 0.002
X0 = [0.4, -0.3]


def through_scipy(fun=rosenbrock, x0=X0, options=None, method="gd", **arguments):
    """A run through SciPy; `options` are those of the method."""
    options = {"learning_rate": RATE, "maxiter": 30, **(options or {})}
    return scipy_minimize(fun, x0, method=scipy_method(method, **options), **arguments)


def directly(fun=rosenbrock, x0=X0, *args, **options):
    return fastgd.minimize(fun, x0, *args, **{"learning_rate": RATE, "maxiter": 30, **options})


def pair(x):
    return rosenbrock(x), slopes_of_rosenbrock(x)


def shifted(x, shift, scale=1.0):
    return scale * ((x[0] - shift)**2 + (x[1] + shift)**2)


def slopes_of_shifted(x, shift, scale=1.0):
    return 2 * scale * np.array([x[0] - shift, x[1] + shift])


# The same run

@pytest.mark.parametrize("options", [
    {}, {"gtol": 1.0}, {"maxfev": 60}, {"maxiter": 0}, {"ftarget": 0.5}, {"ftol": 1e-3}, {"keep_best": True},
    {"vectorized": True}, {"jac": Difference(step=1e-4)}, {"jac": "3-point"}, {"learning_rate": 1e-3},
], ids=repr)
def test_same_bits_as_fastgd(options):
    """In every field, wherever the options stand."""
    expected = bits(directly(**options))
    assert bits(through_scipy(options=options)) == expected
    later = {name: value for name, value in options.items() if name != "jac"}  # SciPy has an argument of that name
    sooner = {name: value for name, value in options.items() if name == "jac"}
    sooner = {"gtol": 17.0, "maxiter": 3, **sooner}
    both = {"learning_rate": RATE, "maxiter": 30, "gtol": 1e-6, **later}
    assert bits(scipy_minimize(rosenbrock, X0, method=scipy_method(**sooner), options=both)) == expected


@pytest.mark.parametrize("method", ["gd", fastgd.methods.GradientDescent(RATE)], ids=repr)
def test_methods(method):
    assert bits(through_scipy(method=method)) == bits(directly(method=method))


def test_fields_of_the_result():
    """SciPy's names, and its kind of result."""
    result = through_scipy(lambda x: (x[0] - 1)**2, [0.0], {"learning_rate": 0.4})
    assert isinstance(result, OptimizeResult)
    assert set(result) == {"x", "fun", "jac", "nit", "nfev", "njev", "status", "success", "message"}
    assert result.success is True
    assert result.status == Status.GTOL == 0
    assert result.message == Status.GTOL.message
    assert result.x == pytest.approx([1.0], abs=1e-6)
    assert result.message in repr(result)
    failed = through_scipy()
    assert failed.success is False
    assert failed.status == Status.MAXITER
    assert pickle.loads(pickle.dumps(failed)).message == failed.message


def test_run_that_fails():
    result = through_scipy(lambda x: rosenbrock(x) if x[0] > 0.3 else np.nan)
    assert result.status == Status.NONFINITE
    assert not result.success
    assert np.isfinite(result.x).all()


def test_trace_is_passed_on():
    result = through_scipy(options={"trace": 1})
    assert result.trace.nit.tolist() == list(range(31))
    assert np.array_equal(result.trace.x[-1], result.x)


@pytest.mark.parametrize("args", [(0.5, 3.0), (0.5,), 0.5], ids=repr)
def test_args(args):
    """Those of the function and of its gradient; a single one needs no tuple."""
    expected = args if isinstance(args, tuple) else (args,)
    options = {"learning_rate": 0.1}
    assert bits(through_scipy(shifted, args=args, options=options)) == bits(directly(shifted, X0, expected, **options))
    result = through_scipy(shifted, args=args, jac=slopes_of_shifted, options=options)
    assert bits(result) == bits(directly(shifted, X0, expected, jac=slopes_of_shifted, **options))


@pytest.mark.parametrize("x0", [0.3, [1], np.array([3, 4]), np.array([[3.0, 4.0]])[0, ::-1]], ids=repr)
def test_starting_points(x0):
    """SciPy makes a number an array of one."""
    def fun(x):
        return (x * x).sum()

    result = through_scipy(fun, x0, {"learning_rate": 0.3})
    assert bits(result) == bits(directly(fun, np.atleast_1d(x0), learning_rate=0.3))
    assert result.x.shape == np.atleast_1d(x0).shape


# Gradients

def test_gradient_function():
    assert bits(through_scipy(jac=slopes_of_rosenbrock)) == bits(directly(jac=slopes_of_rosenbrock))


def test_gradient_with_the_value():
    """SciPy remembers the pair of the last point, so that the value at the answer costs no further call. Two values are
    compared with the first gradient."""
    fun, calls = counted(pair)
    result = through_scipy(fun, jac=True)
    assert bits(result) == bits(directly(jac=slopes_of_rosenbrock))
    assert len(calls) == result.njev + 2


def test_words_for_differences():
    """SciPy keeps them to itself, which leaves the default; that of the method stays."""
    assert bits(through_scipy(jac="3-point")) == bits(directly())
    step = Difference(step=1e-2)
    assert bits(through_scipy(jac="2-point", options={"jac": step})) == bits(directly(jac=step)) != bits(directly())


def test_gradient_of_the_call_comes_first():
    result = through_scipy(jac=slopes_of_rosenbrock, options={"jac": Difference(step=0.1)})
    assert bits(result) == bits(directly(jac=slopes_of_rosenbrock))


# Bounds

@pytest.mark.parametrize("bounds", [
    Bounds([-np.inf, -1.0], [0.7, np.inf]),
    Bounds([-np.inf, -1.0], [0.7, np.inf], keep_feasible=True),
    [(None, 0.7), (-1.0, None)],
    ((None, 0.7), (-1.0, None)),
    ([-np.inf, 0.7], np.array([-1.0, np.inf])),
    np.array([[-np.inf, 0.7], [-1.0, np.inf]]),
    zip([None, -1.0], [0.7, None], strict=True),
], ids=["Bounds", "feasible Bounds", "list", "tuple", "tuple of lists", "array", "iterator"])
def test_bounds(bounds):
    """A tuple of two is a pair for each of two coordinates, as everywhere in SciPy."""
    result = through_scipy(bounds=bounds, options={"maxiter": 1000})
    assert bits(result) == bits(directly(bounds=([-np.inf, -1.0], [0.7, np.inf]), maxiter=1000))
    assert result.x[0] == 0.7


@pytest.mark.parametrize("bounds", [Bounds(-0.5, 0.2), [(-0.5, 0.2)] * 2], ids=repr)
def test_start_outside_is_moved_to_the_bounds(bounds):
    """And nothing is evaluated outside."""
    points = []

    def fun(x):
        points.append(x.copy())
        return rosenbrock(x)

    x0 = np.array([3.0, -7.0])
    result = through_scipy(fun, x0, bounds=bounds)
    assert bits(result) == bits(directly(x0=[0.2, -0.5], bounds=(-0.5, 0.2)))
    assert np.min(points) >= -0.5
    assert np.max(points) <= 0.2
    assert x0.tolist() == [3.0, -7.0]


@pytest.mark.parametrize(("bounds", "message"), [
    ([(0, 1)], r"a pair \(low, high\) for each of the 2 coordinates of x0, got \[\(0, 1\)\]"),
    ([(0, 1)] * 3, "for each of the 2 coordinates"),
    ([(0, 1), (2,)], "for each of the 2 coordinates"),
    ((0, 1), "for each of the 2 coordinates"),
    ([(0, 1), (2, 1)], "a lower bound is above the upper bound"),
    ([(0, 1), (np.nan, 1)], "bounds must not be nan"),
    (Bounds([0, 1, 2], 4), "does not broadcast to the shape of x0"),
], ids=repr)
def test_faulty_bounds(bounds, message):
    with pytest.raises(ValueError, match=message):
        through_scipy(bounds=bounds)


@pytest.mark.parametrize("x0", [[np.nan, 0.0], [0.0, np.inf]], ids=repr)
@pytest.mark.parametrize("bounds", [None, [(-1, 1), (-1, 1)]], ids=repr)
def test_start_that_is_not_finite(x0, bounds):
    """Bounds do not make a number of it."""
    with pytest.raises(ValueError, match="x0 must be finite"):
        through_scipy(x0=x0, bounds=bounds)


# Tolerance and display

def test_tolerance_is_that_of_the_gradient():
    expected = directly(gtol=1.5)
    assert expected.success
    assert bits(through_scipy(tol=1.5)) == bits(expected)
    assert bits(through_scipy(tol=1.5, options={"gtol": 9.0})) == bits(expected)
    assert bits(through_scipy(tol=9.0)) != bits(expected)
    method = scipy_method(learning_rate=RATE, maxiter=30)
    assert bits(scipy_minimize(rosenbrock, X0, method=method, tol=9.0, options={"gtol": 1.5})) == bits(expected)


@pytest.mark.parametrize("disp", [False, True])
def test_display(disp, capsys):
    method = scipy_method(learning_rate=RATE, maxiter=30)
    scipy_minimize(rosenbrock, X0, method=method, options={"disp": disp})
    assert capsys.readouterr().out == (f"{directly()!r}\n" if disp else "")


# Callbacks

def test_callback_by_intermediate_result():
    """It gets an OptimizeResult, as from SciPy's own methods."""
    states, expected = [], []

    def callback(intermediate_result):
        states.append(intermediate_result)

    def direct(intermediate_result):
        expected.append(intermediate_result)

    result = through_scipy(callback=callback)
    directly(callback=direct)
    assert len(states) == len(expected) == result.nit == 30
    for state, other in zip(states, expected, strict=True):
        assert isinstance(state, OptimizeResult)
        assert state.fun == state["fun"] == other.fun == rosenbrock(state.x)
        assert np.array_equal(state.x, other.x)
        assert (state.nit, state.nfev) == (other.nit, other.nfev)
    assert np.array_equal(states[-1].x, result.x)


def test_callback_by_point():
    path = []
    result = through_scipy(callback=path.append)
    assert len(path) == 30
    assert np.array_equal(path[-1], result.x)
    points = []
    through_scipy(callback=lambda xk: points.append(xk))
    assert np.array_equal(points, path)


def test_callback_that_stops():
    def by_state(intermediate_result):
        if intermediate_result.nit == 7:
            raise StopIteration

    path = []

    def by_point(xk):
        path.append(xk)
        if len(path) == 7:
            raise StopIteration

    for callback in (by_state, by_point):
        result = through_scipy(callback=callback)
        assert result.nit == 7
        assert result.status == Status.CALLBACK
        assert not result.success
        assert np.array_equal(result.x, directly(maxiter=7).x)


def test_callback_that_raises():
    error = ArithmeticError("from the callback")

    def callback(intermediate_result):
        raise error

    with pytest.raises(ArithmeticError) as caught:
        through_scipy(callback=callback)
    assert caught.value is error


def test_callback_that_cannot_be_called():
    with pytest.raises(TypeError, match="callback must be callable, got int"):
        through_scipy(callback=3)


# What is refused

@pytest.mark.parametrize(("name", "value", "kind"), [
    ("hess", lambda x: np.eye(2), "function"),
    ("hess", "2-point", "str"),
    ("hessp", lambda x, p: p, "function"),
    ("constraints", {"type": "ineq", "fun": lambda x: x[0]}, "dict"),
    ("constraints", [{"type": "ineq", "fun": lambda x: x[0]}], "list"),
    ("constraints", LinearConstraint([[1, 1]], 0, 1), "LinearConstraint"),
], ids=["hess", "hess by differences", "hessp", "dict", "list", "linear"])
def test_what_fastgd_does_not_take(name, value, kind):
    with pytest.raises(TypeError, match=f"a method of fastgd does not take {name}, got {kind}"):
        through_scipy(**{name: value})


@pytest.mark.parametrize("constraints", [(), [], None], ids=repr)
def test_no_constraints(constraints):
    assert bits(through_scipy(constraints=constraints)) == bits(directly())


def test_misspelled_options():
    """Those of the method at once, those of SciPy's dictionary when they come."""
    with pytest.raises(TypeError, match=r"scipy_method\(\) .* 'learningrate'; did you mean 'learning_rate'"):
        scipy_method(learningrate=0.1)
    with pytest.raises(TypeError, match=r"'max_iter'; did you mean 'maxiter'"):
        scipy_minimize(rosenbrock, X0, method=scipy_method(learning_rate=RATE), options={"max_iter": 3})


@pytest.mark.parametrize("name", ["fun", "x0", "args", "method"])
def test_options_that_are_arguments(name):
    method = scipy_method("gd", learning_rate=RATE)
    # SciPy passes args by name, and Python refuses it before fastgd is called
    expected = "multiple values for keyword argument 'args'" if name == "args" else f"does not take '{name}'"
    with pytest.raises(TypeError, match=expected):
        scipy_minimize(rosenbrock, X0, method=method, options={name: 1})
    with pytest.raises(TypeError, match=f"does not take '{name}'"):
        through_scipy(options={name: 1})


def test_unknown_method():
    with pytest.raises(ValueError, match=r"method must be one of .* did you mean 'gd'"):
        through_scipy(method="gdd")


@pytest.mark.parametrize(("options", "error", "message"), [
    ({"learning_rate": -1.0}, ValueError, "0 < learning_rate"),
    ({"learning_rate": np.nan}, ValueError, "0 < learning_rate"),
    ({"maxiter": 1.5}, TypeError, "maxiter must be an integer"),
    ({"gtol": "small"}, TypeError, "gtol must be real numbers"),
])
def test_faulty_options(options, error, message):
    with pytest.raises(error, match=message):
        through_scipy(options=options)


def test_exception_of_the_function():
    error = ArithmeticError("from the function")

    def fun(x):
        raise error

    with pytest.raises(ArithmeticError) as caught:
        through_scipy(fun)
    assert caught.value is error


# As an object, and in other hands

def test_pickled():
    method = scipy_method("gd", learning_rate=RATE, maxiter=30, jac=Difference(step=1e-4))
    twin = pickle.loads(pickle.dumps(method))
    expected = bits(directly(jac=Difference(step=1e-4)))
    assert bits(scipy_minimize(rosenbrock, X0, method=twin)) == expected


def test_a_method_serves_many_runs():
    """What one call brings is forgotten in the next."""
    method = scipy_method(learning_rate=RATE, maxiter=30)
    scipy_minimize(rosenbrock, X0, method=method, jac=slopes_of_rosenbrock, bounds=[(0, 1)] * 2, tol=9.0,
                   callback=lambda xk: None, options={"maxiter": 2})
    assert bits(scipy_minimize(rosenbrock, X0, method=method)) == bits(directly())


def wells(x):
    """A bowl with ripples; the lowest well is the one at 0."""
    return float(np.sum(x * x + 2 - 2 * np.cos(6 * x)))


@pytest.mark.parametrize("bounds", [None, [(-2.5, 2.5)] * 2], ids=repr)
def test_basinhopping(bounds):
    """Steps that lead out of bounds are moved back."""
    method = scipy_method(learning_rate=0.01, maxiter=300)
    result = basinhopping(wells, [2.2, -2.2], niter=60, stepsize=2.0, rng=np.random.default_rng(3),
                          minimizer_kwargs={"method": method, "bounds": bounds})
    assert result.x == pytest.approx([0.0, 0.0], abs=1e-6)
    assert result.lowest_optimization_result.status == Status.GTOL
    assert result.minimization_failures == 0


def test_dual_annealing():
    method = scipy_method(learning_rate=0.01, maxiter=300)
    box = [(-2.5, 2.5)] * 2
    result = dual_annealing(wells, box, maxiter=20, rng=np.random.default_rng(3),
                            minimizer_kwargs={"method": method, "bounds": box})
    assert result.x == pytest.approx([0.0, 0.0], abs=1e-6)


def test_own_bounds_are_those_of_minimize():
    """Options of scipy_method have fastgd's forms: (lower, upper), not pairs; those of the call come before them."""
    def fun(x):
        return ((x - 0.5) ** 2).sum()

    method = scipy_method("gd", bounds=([-1, -1], [0.25, 2]))
    np.testing.assert_allclose(scipy_minimize(fun, [0.2, 0.2], method=method).x, [0.25, 0.5], atol=1e-6)
    inside = scipy_minimize(fun, [0.2, 0.2], method=method, bounds=[(0, 1), (0, 0.3)])
    np.testing.assert_allclose(inside.x, [0.5, 0.3], atol=1e-6)
