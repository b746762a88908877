"""The elementary functions of kernels: within 2 units in the last place of the exact result for every double, and the
same bits whatever the width of the kernel and the other points in it."""

import ctypes
import functools
import math

import mpmath
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("llvmlite")
from fastgd._jit import codegen, jitted, machine, trace

INFINITY, NAN = math.inf, math.nan
SMALLEST, LARGEST = 2.0**-1074, math.nextafter(INFINITY, 0.0)
# Of logaddexp log(exp(0) + exp(x)).
FUNCTIONS = ("exp", "expm1", "log", "log1p", "logaddexp", "sin", "cos", "tanh")
# Of none of them a graph makes a product or a root.
EXPONENTS = (0.25, 1 / 3, 1.5, 2.5, 5.0, 6.0, 7.0, 7.3, 10.0, 100.5, 350.0, 2000.0, 1e-3, 1e5, 2.0**53 - 1.0,
             -0.25, -0.5, -0.7, -1.5, -3.0, -6.0, -350.0, -2000.0, -1e7, SMALLEST)
EVERY = (*FUNCTIONS, *EXPONENTS)
EVERY_FORMULA = (*FUNCTIONS, 1 / 3, -0.7, 5.0, -3.0, 6.0, -6.0)
DOMAINS = {"log": 0.0, "log1p": -1.0}  # above these numbers
SPECIALS = np.array([0.0, -0.0, INFINITY, -INFINITY, NAN])
LN_2 = math.log(2.0)


# The functions, by their names, or powers by their exponents


def numpys(function):
    if function == "logaddexp":
        return lambda x: np.logaddexp(0.0, x)
    return getattr(np, function) if isinstance(function, str) else lambda x: np.power(x, function)


@functools.cache
def kernel(function, width=None, libm=False, alone=False):
    """A kernel as a function of an array; `alone` without the points that are computed again by the C library."""
    graph = trace.trace(jitted.Calling(lambda x: numpys(function)(x[0]), False, False, ()), 1, (), (), ())
    width = width or codegen.WIDTH
    text = codegen.value_kernel(graph, width, libm)
    if alone:
        rows = codegen.write_rows(graph, [graph.root], "f", width, libm)
        text = codegen.module(rows.functions("value", "ptr noalias %f"), rows)
    library = machine.Library(text)
    call = ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_ssize_t] * 4, *[ctypes.c_void_p] * 4)(library.address("value"))

    def values(points):
        n = -(-len(points) // 8) * 8
        block, result = np.ones(n), np.empty(n)
        block[:len(points)] = points
        assert call(1, 0, n, n, block.ctypes.data, None, result.ctypes.data, None) == 0
        return result[:len(points)]

    values.library = library
    return values


def exactly(function, x):
    """The result for a number, to 200 bits or more."""
    with mpmath.workprec(200):
        if function == "logaddexp":
            return mpmath.log1p(mpmath.exp(x))
        if isinstance(function, str):
            return getattr(mpmath, function)(mpmath.mpf(x))
        return mpmath.power(mpmath.mpf(x), mpmath.mpf(function))


def error(value, exact):
    """In units of the last place of the exact result; infinite where the value is a nan or has the wrong sign.

    An infinity is right for what rounds to it, and is 2^1024 otherwise.
    """
    if exact == 0:
        return 0.0 if value == 0.0 else INFINITY
    if math.isnan(value) or math.copysign(1.0, value) != mpmath.sign(exact):
        return INFINITY
    with mpmath.workprec(200):
        last_place = min(max(mpmath.mag(exact) - 53, -1074), 971)
        units = abs(mpmath.ldexp(exact, -last_place))
        if math.isinf(value):
            rounded_to_infinity = last_place == 971 and units >= mpmath.mpf(2**54 - 1) / 2
            return 0.0 if rounded_to_infinity else float(mpmath.ldexp(1, 1024 - last_place) - units)
        return float(abs(mpmath.ldexp(abs(value), -last_place) - units))


def worst(function, points):
    """The largest error, and the point that has it."""
    values = kernel(function)(points)
    return max((error(value, exactly(function, x)), x)
               for value, x in zip(values.tolist(), points.tolist(), strict=True))


def bits(values):
    """A nan is like any other one."""
    return np.where(np.isnan(values), NAN, values).view(np.uint64)


# Points


def around(points, n=3):
    """The doubles next to some."""
    return (np.asarray(points, float).view(np.int64)[:, None] + np.arange(-n, n + 1)).ravel().view(float)


def every_binade(rng):
    return np.ldexp(rng.uniform(1.0, 2.0, 2098), np.arange(-1074, 1024)) * rng.choice([-1.0, 1.0], 2098)


def close_to(points, rng):
    """At all distances from one last place to a thousandth."""
    points = np.repeat(points, 3)
    return points * (1.0 + rng.choice([-1.0, 1.0], len(points)) * 10.0 ** rng.uniform(-16.0, -3.0, len(points)))


def closest_to_quarter_turns():
    """Doubles up to 10^9 that are closer to multiples of pi / 4 than others, by the continued fractions of their
    ratios."""
    points = set()
    with mpmath.workprec(400):
        for turn in (mpmath.pi / 2, mpmath.pi / 4):
            for exponent in range(-52, -22):
                rest, before, now = mpmath.ldexp(1, exponent) / turn, 1, 0
                while True:
                    whole = int(mpmath.floor(rest))
                    before, now = now, whole * now + before
                    if now >= 2**53 or math.ldexp(now, exponent) > 1e9:
                        break
                    points.add(math.ldexp(now, exponent))
                    rest = 1 / (rest - whole)
    return np.array(sorted(points))


def points_of_exp(rng):
    return np.concatenate([
        rng.uniform(-750.0, 711.0, 800), rng.uniform(-745.2, -708.0, 200), rng.uniform(-2.0, 2.0, 800),
        close_to(np.arange(-2160, 2050, 19) * (LN_2 / 2.0), rng), around(np.arange(-12, 12) * (LN_2 / 2.0)),
        around([709.782712893384, 709.0895657128241, -708.3964185322641, -745.1332191019412, -744.4400719213813, -750.0,
                710.0, -40.0, -37.0, 2.0**-54, -(2.0**-54), 2.0**-53, 105.02001044577761, 0.35054830271031534]),
    ])


def points_of_log(rng):
    powers = 2.0 ** np.arange(-30.0, 30.0)
    return np.abs(np.concatenate([
        rng.uniform(0.0, 4.0, 800), close_to(np.ones(200), rng), around([1.0, 2.0**-1022], 40),
        close_to(powers * math.sqrt(0.5), rng), around(math.sqrt(0.5) * powers), around(powers),
        SMALLEST * np.arange(1.0, 100.0), rng.integers(1, 2**52, 300) * SMALLEST, [LARGEST, 0.7048821474925434],
    ]))


def points_of_log1p(rng):
    points = points_of_log(rng) - 1.0
    tiny = 10.0 ** rng.uniform(-20.0, -1.0, 500) * rng.choice([-1.0, 1.0], 500)
    return np.concatenate([points[points > -1.0], tiny, -1.0 + np.abs(tiny[np.abs(tiny) > 1e-16]), [2.0**-53 - 1.0],
                           around([math.sqrt(0.5) - 1.0, math.sqrt(2.0) - 1.0, -0.29547692562524575])])


def points_of_logaddexp(rng):
    return np.concatenate([points_of_exp(rng), close_to(np.full(100, math.log(math.sqrt(2.0) - 1.0)), rng),
                           around([math.log(math.sqrt(2.0) - 1.0)], 40)])


def points_on_circle(rng):
    turns = closest_to_quarter_turns()
    return np.concatenate([
        rng.uniform(-7.0, 7.0, 1000), rng.uniform(-1e9, 1e9, 500), turns, -turns,
        around(np.arange(1, 24) * (math.pi / 4.0)), close_to(rng.integers(-(10**9), 10**9, 300) * (math.pi / 4.0), rng),
        close_to(rng.choice([0.125, 0.25, 0.5], 200) + rng.integers(-200, 200, 200) * (math.pi / 2.0), rng),
        around([1e9, -1e9]), [1e22, 2.0**1000, LARGEST, -110257.21063599963, 275040198.93784267],
    ])


def points_of_tanh(rng):
    return np.concatenate([
        rng.uniform(-1.0, 1.0, 1000), rng.uniform(-20.0, 20.0, 300), close_to(np.full(100, 0.55), rng),
        around([0.55, -0.55, 20.0, 19.061547465398498], 20), np.arctanh(2.0 ** -rng.uniform(0.01, 3.0, 500)),
        [0.2027632221716591, 0.22089475007651363],  # more than 2 by (exp(2 x) - 1) / (exp(2 x) + 1)
    ])


def points_of_power(exponent, rng):
    """Over the range of the results, and around 1; negative ones where they have powers."""
    exponents = np.concatenate([rng.uniform(-1080.0, 1030.0, 150), rng.uniform(-1080.0, -1020.0, 60),
                                rng.uniform(1020.0, 1025.0, 40), rng.uniform(-4.0, 4.0, 50)])
    with np.errstate(all="ignore"):
        points = np.exp2(exponents / exponent)
    points = np.concatenate([
        points[np.isfinite(points) & (points > 0.0)], np.abs(every_binade(rng)[::23]), around([1.0, 2.0, 0.5], 10),
        close_to(np.ones(50), rng), close_to(2.0 ** np.arange(-5.5, 6.0), rng), SMALLEST * np.arange(1.0, 20.0),
        [LARGEST, 0.7018726830654144, 1.407102445406012],
    ])
    return points * rng.choice([-1.0, 1.0], len(points)) if exponent == math.floor(exponent) else points


@functools.cache
def points_of(function):
    """Finite ones, of which none is zero, in the domain."""
    rng = np.random.default_rng(0)
    if not isinstance(function, str):
        return points_of_power(function, rng)
    own = {"exp": points_of_exp, "expm1": points_of_exp, "log": points_of_log, "log1p": points_of_log1p,
           "logaddexp": points_of_logaddexp, "sin": points_on_circle, "cos": points_on_circle,
           "tanh": points_of_tanh}[function](rng)
    points = np.concatenate([own, every_binade(rng)[::4], np.arange(-9.0, 10.0) * SMALLEST])
    return points[np.isfinite(points) & (points != 0.0) & (points > DOMAINS.get(function, -INFINITY))]


# Exact results


ONE, BEYOND = mpmath.mpf(1), mpmath.ldexp(1, 1024)


@pytest.mark.parametrize(("value", "exact", "expected"), [
    (1.0, mpmath.fadd(ONE, 2.0**-54, exact=True), 0.25), (1.0 + 2.0**-52, ONE, 1.0), (1.0, ONE - 2.0**-53, 1.0),
    (1.0, -ONE, INFINITY), (NAN, ONE, INFINITY), (-0.0, ONE, INFINITY),
    (-0.0, mpmath.mpf(0), 0.0), (SMALLEST, mpmath.mpf(0), INFINITY),
    (0.0, mpmath.ldexp(1, -1075), 0.5), (2.0 * SMALLEST, mpmath.ldexp(3, -1075), 0.5),
    (INFINITY, 2 * BEYOND, 0.0), (-INFINITY, -2 * BEYOND, 0.0), (INFINITY, -2 * BEYOND, INFINITY),
    (LARGEST, BEYOND, 1.0), (INFINITY, mpmath.fsub(BEYOND, mpmath.ldexp(1, 970), exact=True), 0.0),
    (INFINITY, mpmath.fsub(BEYOND, mpmath.ldexp(3, 969), exact=True), 0.75),
], ids=str)
def test_errors_are_in_units_in_the_last_place(value, exact, expected):
    """Of the exact result: of subnormal ones that is the smallest number, of those that overflow 2^971."""
    assert error(value, exact) == expected


@pytest.mark.parametrize("function", EVERY)
def test_results_are_within_2_units_in_the_last_place(function):
    assert worst(function, points_of(function))[0] <= 2.0


@pytest.mark.parametrize("function", FUNCTIONS)
@given(x=st.floats(allow_nan=False, allow_infinity=False).filter(bool))
def test_results_of_any_number_are_within_2_units_in_the_last_place(function, x):
    value = kernel(function)([x])[0]
    if x <= DOMAINS.get(function, -INFINITY):
        assert math.isnan(value) or (x, value) == (-1.0, -INFINITY)
    else:
        assert error(value, exactly(function, x)) <= 2.0


@given(exponent=st.floats(-1e6, 1e6).filter(lambda p: abs(p) > 1e-6 and p not in (-2.0, -1.0, 0.5, 1.0, 2.0, 3.0, 4.0)),
       logarithms=st.lists(st.floats(-1080.0, 1030.0), min_size=1, max_size=16))
def test_any_power_is_within_2_units_in_the_last_place(exponent, logarithms):
    """Of numbers whose powers are over the whole range."""
    points = np.exp2(np.clip(np.array(logarithms) / exponent, -1074.0, 1023.9))
    assert worst(exponent, points)[0] <= 2.0


@pytest.mark.parametrize(("function", "expected"), [
    ("exp", {0.0: 1.0, INFINITY: INFINITY, -INFINITY: 0.0, 710.0: INFINITY, -746.0: 0.0}),
    ("expm1", {INFINITY: INFINITY, -INFINITY: -1.0, 710.0: INFINITY, -746.0: -1.0}),
    ("log", {0.0: -INFINITY, INFINITY: INFINITY, -INFINITY: NAN, 1.0: 0.0, -1.0: NAN, -SMALLEST: NAN}),
    ("log1p", {INFINITY: INFINITY, -INFINITY: NAN, -1.0: -INFINITY, -1.0 - 2.0**-52: NAN, -LARGEST: NAN}),
    ("logaddexp", {0.0: math.log(2.0), INFINITY: INFINITY, -INFINITY: 0.0, 750.0: 750.0, -746.0: 0.0}),
    ("sin", {INFINITY: NAN, -INFINITY: NAN}),
    ("cos", {0.0: 1.0, INFINITY: NAN, -INFINITY: NAN, SMALLEST: 1.0}),
    ("tanh", {INFINITY: 1.0, -INFINITY: -1.0, LARGEST: 1.0, -20.0: -1.0}),
])
def test_limits(function, expected):
    values = kernel(function)([*expected, NAN])
    assert bits(values).tolist() == bits([*expected.values(), NAN]).tolist()


@pytest.mark.parametrize("function", ["expm1", "log1p", "sin", "tanh"])
def test_zeros_keep_their_signs_and_subnormal_numbers_stay_as_they_are(function):
    points = np.array([0.0, -0.0, *(SMALLEST * np.arange(1.0, 50.0)), *(-SMALLEST * np.arange(1.0, 50.0))])
    assert kernel(function)(points).tobytes() == points.tobytes()


@pytest.mark.parametrize("function", ["exp", "log", "cos"])
def test_zeros_of_both_signs_have_one_result(function):
    values = kernel(function)([0.0, -0.0])
    assert bits(values[0]) == bits(values[1])


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_limits_of_powers_are_numpys(exponent):
    points = np.array([*SPECIALS, 1.0, -1.0])
    with np.errstate(all="ignore"):
        assert bits(kernel(exponent)(points)).tolist() == bits(np.power(points, exponent)).tolist()


@pytest.mark.parametrize("exponent", [exponent for exponent in EXPONENTS if exponent != math.floor(exponent)])
def test_negative_numbers_have_no_fractional_powers(exponent):
    assert np.isnan(kernel(exponent)(-np.abs(points_of(exponent)))).all()


def test_overflow_begins_where_results_round_to_infinity():
    """The numbers next to each other have results that are hundreds of units apart."""
    last = math.log(LARGEST)
    points = around([last], 30)
    assert np.isfinite(kernel("exp")(points[points <= last])).all()
    assert np.isinf(kernel("exp")(points[points > last])).all()


@pytest.mark.parametrize("function", EVERY_FORMULA)
def test_formulas_hold_without_the_c_library(function):
    """Everywhere but for angles beyond a billion."""
    points = np.concatenate([points_of(function), SPECIALS])
    if function in ("sin", "cos"):
        points = points[np.abs(points) <= 1e9]
    assert bits(kernel(function, alone=True)(points)).tolist() == bits(kernel(function)(points)).tolist()


# Bits


@pytest.mark.parametrize("function", EVERY_FORMULA)
def test_widths_have_the_same_bits(function):
    points = np.concatenate([points_of(function)[::5], SPECIALS])
    scalar = bits(kernel(function, 1)(points))
    for width in (2, 4, 8):
        assert bits(kernel(function, width)(points)).tolist() == scalar.tolist()


@pytest.mark.parametrize("function", EVERY_FORMULA)
@pytest.mark.parametrize("neighbor", [1e300, -1e10, NAN, INFINITY, -INFINITY, 0.0, -3.0, SMALLEST])
def test_points_do_not_change_their_neighbors(function, neighbor):
    points = points_of(function)[::9][:128].copy()
    alone = bits(kernel(function)(points))
    for place in range(8):
        mixed = points.copy()
        mixed[place::8] = neighbor
        others = np.arange(len(points)) % 8 != place
        assert bits(kernel(function)(mixed))[others].tolist() == alone[others].tolist()


@pytest.mark.parametrize("function", ["sin", "cos"])
def test_angles_beyond_a_billion_are_those_of_the_c_library(function):
    points = np.array([1e9 * 1.5**k for k in range(1, 128)])
    assert kernel(function)(points).tolist() == [getattr(math, function)(x) for x in points]


@pytest.mark.parametrize("name", [*(name for name in FUNCTIONS if name != "logaddexp"),  # which C has not
                                  "exp2", "log2", "log10", "tan", "sinh", "cosh", "cbrt", "arcsin",
                                  "arccos", "arctan", "arcsinh", "arccosh", "arctanh"])
def test_libm_has_the_bits_of_python(name):
    rng = np.random.default_rng(0)
    python = getattr(math, name.replace("arc", "a"))
    points, expected = [], []
    for x in [*rng.uniform(-1.0, 1.0, 200), *rng.uniform(-30.0, 30.0, 200), *every_binade(rng)[::9]]:
        try:
            expected.append(python(x))
        except (ValueError, OverflowError):  # where C gives a nan or an infinity
            continue
        points.append(x)
    assert len(points) > 100
    assert kernel(name, libm=True)(points).tobytes() == np.array(expected).tobytes()


@pytest.mark.parametrize("exponent", EXPONENTS)
def test_libm_powers_have_the_bits_of_python(exponent):
    values = kernel(exponent, libm=True)(points_of(exponent))
    inside = np.isfinite(values)
    expected = [math.pow(x, exponent) for x in points_of(exponent)[inside]]
    assert len(expected) > 100
    assert values[inside].tobytes() == np.array(expected).tobytes()
