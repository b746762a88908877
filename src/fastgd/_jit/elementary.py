"""Elementary functions without branches, so that several points are computed by one instruction.

They are written for any kind of value that has the operators of Python and the methods of `instructions.Value`; each
is within 2 units in the last place of the exact result, see tests/test_elementary.py. Polynomials are the Taylor
series to the term that no longer matters. Arguments for which these formulas do not hold give a nan, and the kernels
compute such points again by the functions of the C library.

J.-M. Muller, "Elementary Functions", 3rd edition, Birkhäuser, 2016, explains the reductions of the argument.
"""

import math

INFINITY, NAN = math.inf, math.nan
# A number that has 53 bits minus those of ln 2 that the exponent times it may need, and the rest.
LN2_HIGH = 0.6931471803691238
LN2_LOW = 1.9082149292705877e-10
# pi/2 as a sum of three numbers.
HALF_PI = (1.5707963267948966, 6.123233995736766e-17, -1.4973849048591833e-33)
LARGEST_ANGLE = 1e9  # whose quarter turns times pi/2 have all their bits in the three numbers
SQRT_HALF_BITS = 0x3FE6A09E667F3BCD
ONE_BITS = 0x3FF0000000000000
EXPONENT_STEP = 1 << 52
MANTISSA_BITS = EXPONENT_STEP - 1
# Added to a whole number of moderate size, it leaves that number in the low bits.
ROUNDER = 1.5 * 2.0**52


def polynomial(x, coefficients):
    """coefficients[0] + coefficients[1] x + ..., by Estrin's scheme: pairs, pairs of pairs and so on, because Horner's
    would have every operation wait for the one before."""
    terms = [x.number(coefficient) for coefficient in coefficients]
    while len(terms) > 1:
        pairs = [x.fma(terms[k + 1], terms[k]) for k in range(0, len(terms) - 1, 2)]
        terms = pairs + terms[len(terms) & ~1:]
        x = x * x
    return terms[0]


def two_to(whole):
    """2 to the power of a whole number from -1022 to 1023."""
    return ((whole + ROUNDER).bits() + 1023 << 52).as_double()


def nearest_whole(x):
    return (x + ROUNDER) - ROUNDER


def reduced(x, low=None):
    """k and r with x = k ln 2 + r, |r| <= ln(2) / 2; low is what is to be added to x."""
    k = nearest_whole(x * (1.0 / math.log(2.0)))
    high = (-k).fma(LN2_HIGH, x)  # exact
    return k, (-k).fma(LN2_LOW, high) if low is None else high + (-k).fma(LN2_LOW, low)


def expm1_of_small(r):
    """exp(r) - 1 for |r| <= ln(2) / 2."""
    series = polynomial(r, [1.0 / math.factorial(k) for k in range(2, 15)])
    return (r * r).fma(series, r)


def exp(x):
    return exp_inside(x.clipped(-750.0, 710.0))


def exp_inside(x):
    """exp(x) for x from -750 to 710, or a nan."""
    k, r = reduced(x)
    half = nearest_whole(k * 0.5)  # 2^k itself may be beyond the range
    first, second = two_to(half), two_to(k - half)
    return ((expm1_of_small(r) + 1.0) * first) * second


def expm1(x):
    inside = x.clipped(-40.0, 710.0)
    k, r = reduced(inside)
    scale = two_to(k - 1.0)
    result = scale.fma(expm1_of_small(r), scale - 0.5) * 2.0
    return (abs(x) < 2.0**-54).choose(x, result)  # a zero keeps its sign, a subnormal number its last bit


def split(x):
    """Exponent e and m - 1 with x = 2^e m, sqrt(1/2) <= m < sqrt(2), of a positive x."""
    tiny = x < 2.0**-1022
    bits = tiny.choose(x * 2.0**54, x).bits() + (ONE_BITS - SQRT_HALF_BITS)
    exponent = (bits >> 52).small_as_double() - tiny.choose(x.number(1023.0 + 54.0), x.number(1023.0))
    return exponent, ((bits & MANTISSA_BITS) + SQRT_HALF_BITS).as_double() - 1.0


def log_of_quotient(f, correction=None):
    """log(1 + f) for 1 + f from sqrt(1/2) to sqrt(2): 2 artanh(s), s = f / (2 + f), so that it ends in f itself."""
    s = f / (f + 2.0)
    z = s * s
    series = z * polynomial(z, [2.0 / (2 * k + 3) for k in range(12)])
    half_square = (f * 0.5) * f
    return half_square, s * (half_square + series)


def log(x):
    e, f = split(x)
    half_square, rest = log_of_quotient(f)
    result = e.fma(LN2_HIGH, f - (half_square - e.fma(LN2_LOW, rest)))
    return with_limits_of_log(x, x, result)


def with_limits_of_log(x, argument, result):
    """The logarithm of an argument, where that is 0, infinite or negative."""
    result = (argument == 0.0).choose(x.number(-INFINITY), result)
    result = (argument == INFINITY).choose(x.number(INFINITY), result)
    return (argument >= 0.0).choose(result, x.number(NAN))


def log1p(x):
    u = x + 1.0
    e, f = split(u)
    lost = (u >= 2.0).choose(1.0 - (u - x), x - (u - 1.0)) / u  # what was rounded off in 1 + x
    near = e == 0.0
    f, lost = near.choose(x, f), near.choose(x.number(0.0), lost)
    half_square, rest = log_of_quotient(f)
    result = e.fma(LN2_HIGH, f - (half_square - (rest + e.fma(LN2_LOW, lost))))
    return (x == 0.0).choose(x, with_limits_of_log(x, u, result))


def log1p_of_exp(x):
    """log(1 + exp(x)) for x <= 0. Unlike in `log1p`, 1 + t need not be computed: it is 1 + f for f = t, or twice 1 + f
    for f = (t - 1) / 2."""
    t = exp_inside((x < -750.0).choose(-750.0, x))
    near = t < math.sqrt(2.0) - 1.0
    f = near.choose(t, t.fma(0.5, -0.5))
    half_square, rest = log_of_quotient(f)
    high, low = near.choose(0.0, x.number(LN2_HIGH)), near.choose(0.0, x.number(LN2_LOW))
    return high + (f - (half_square - (rest + low)))


def logaddexp(a, b, tail=log1p_of_exp):
    """log(exp(a) + exp(b)) = max(a, b) + log(1 + exp(-|a - b|)); of two equal infinities there is no difference."""
    distance = (a == b).choose(0.0, -abs(a - b))
    return (a > b).choose(a, b) + tail(distance)


def quarter_turns(x):
    """The number of quarter turns nearest to an angle, as bits too, and what remains."""
    shifted = x * (2.0 / math.pi) + ROUNDER
    k = -(shifted - ROUNDER)
    r = x
    for part in HALF_PI:
        r = k.fma(part, r)
    return shifted.bits(), (abs(x) <= LARGEST_ANGLE).choose(r, x.number(NAN))


def sine_of_small(r):
    z = r * r
    series = polynomial(z, [(-1.0) ** (k + 1) / math.factorial(2 * k + 3) for k in range(8)])
    return (z * series).fma(r, r)


def cosine_of_small(r):
    z = r * r
    series = polynomial(z, [(-1.0) ** k / math.factorial(2 * k + 4) for k in range(7)])
    half = z * 0.5
    rounded = 1.0 - half
    return rounded + (((1.0 - rounded) - half) + z * (z * series))


def sin(x):
    k, r = quarter_turns(x)
    return (x == 0.0).choose(x, on_circle(k, r))


def cos(x):
    k, r = quarter_turns(x)
    return on_circle(k + 1, r)


def on_circle(k, r):
    """sin(r) after k quarter turns."""
    value = ((k & 1) == 1).choose(cosine_of_small(r), sine_of_small(r))
    return (value.bits() ^ ((k & 2) << 62)).as_double()


def tanh(x):
    """Of large numbers 1 - 2 / (exp(2 x) + 1). Of small ones, where this cancels, Lambert's continued fraction
    x / (1 + z / (3 + z / (5 + ...))), z = x^2, to the term that no longer matters, as x minus a small quotient."""
    size = abs(x)
    size = (size > 20.0).choose(20.0, size)
    large = size > 0.55
    k, r = reduced(size * 2.0)
    scale = two_to(k)
    exp_plus_1 = scale.fma(expm1_of_small(r), scale + 1.0)
    z = size * size
    over = (size * z) * polynomial(z, [675675.0, 45045.0, 594.0, 1.0])
    under = polynomial(z, [2027025.0, 945945.0, 51975.0, 630.0, 1.0])
    quotient = large.choose(2.0, over) / large.choose(exp_plus_1, under)
    return (large.choose(1.0, size) - quotient).with_sign_of(x)


# Numbers of twice the precision, as sums of two. T. J. Dekker, Numerische Mathematik 18, 1971.


def two_sum(a, b):
    """Of which a is the larger, or zero."""
    high = a + b
    return high, b - (high - a)


def two_product(a, b):
    high = a * b
    return high, a.fma(b, -high)


def log_in_two(x):
    """The logarithm of a positive number with about 10 bits more than one number holds."""
    e, f = split(x)
    d, d_low = two_sum(f.number(2.0), f)
    s = f / d
    s_low = ((-s).fma(d, f) - s * d_low) / d
    z, z_low = two_product(s, s)
    z_low = (s * 2.0).fma(s_low, z_low)
    # log(m) = 2 s (1 + z / 3 + z^2 (1 / 5 + ...)), the third of z in two parts
    third, third_low = two_product(z, z.number(1.0 / 3.0))
    third_low = third_low + (z * 1.850371707708594e-17 + z_low * (1.0 / 3.0))  # 1/3 has more bits than its double
    tail = (z * z) * polynomial(z, [1.0 / (2 * k + 5) for k in range(12)])
    inner, inner_low = two_sum(third, tail)
    inner_low = inner_low + third_low
    product, product_low = two_product(s, inner)
    product_low = product_low + s.fma(inner_low, s_low * inner)
    half, half_low = two_sum(s, product)
    half_low = half_low + (product_low + s_low)
    first = e * LN2_HIGH  # exact
    high, low = two_sum(first, half * 2.0)
    return high, low + e.fma(LN2_LOW, half_low * 2.0)


def power_of(x, exponent):
    """x to the power of a number that is known."""
    if math.isnan(exponent) or math.isinf(exponent):
        return None
    size = abs(x)
    high, low = log_in_two(size)
    y, y_low = two_product(high, x.number(exponent))
    y_low = low.fma(exponent, y_low)
    y, y_low = two_sum(y, y_low)
    inside = y.clipped(-750.0, 710.0)
    k, r = reduced(inside, (inside == y).choose(y_low, x.number(0.0)))
    half = nearest_whole(k * 0.5)
    result = ((expm1_of_small(r) + 1.0) * two_to(half)) * two_to(k - half)
    at_zero, at_infinity = (0.0, INFINITY) if exponent > 0.0 else (INFINITY, 0.0)
    result = (size == 0.0).choose(x.number(at_zero), result)
    result = (size == INFINITY).choose(x.number(at_infinity), result)
    result = (size == size).choose(result, x)
    if exponent != math.floor(exponent):
        return (x < 0.0).choose((x == -INFINITY).choose(x.number(at_infinity), x.number(NAN)), result)
    return result.with_sign_of(x) if exponent % 2.0 == 1.0 else result
