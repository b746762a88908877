"""The user's numbers and arrays, checked and in the form in which the core reads them."""

import inspect
import sys
from typing import Any, TypeVar

import numpy as np

from .result import ARRAYS

Function = TypeVar("Function", bound=Any)

LARGEST_COUNT = np.iinfo(np.intp).max
FLOAT64 = np.dtype(np.float64)
# A point of no more coordinates needs no more checks, which take as long as a small function, and no copy if nothing
# of it is read later: memory will suffice.
LARGE = 1 << 18


class Points:
    """Where problems start: a row each, and the shape they came in."""

    __slots__ = ("n_dim", "n_problems", "rows", "shape")

    def __init__(self, rows, shape):
        self.rows = rows  # (n_problems, n_dim); of any real dtype while they are the user's
        self.shape = shape  # of what the user gave: (), (n_dim,) or (..., n_dim)
        self.n_problems = len(rows)
        self.n_dim = shape[-1] if shape else 1

    @property
    def batch_shape(self):
        """The leading axes."""
        return self.shape[:-1]

    def copied(self, name):
        """As float64 in memory of their own: a function that is called during the run may change the user's."""
        try:
            return Points(np.array(self.rows, np.float64), self.shape)
        except MemoryError:
            raise MemoryError(f"{name} of shape {self.shape} needs {8 * self.rows.size} bytes as float64") from None

    def move_to(self, rows, ranges=(slice(None),)):
        """Has the points, or these ranges of them, where their answers will be: what happens to the user's own during
        the run is of no matter, and parts of them need no copies. All at once they may be moved to where others are."""
        for problems in ranges:
            rows[problems] = self.rows[problems]
        self.rows = rows

    def sample_rows(self):
        """The numbers of three finite rows, or of fewer; from these three alone all would be chosen again."""
        numbers = np.flatnonzero(np.isfinite(self.rows).all(axis=1))
        return numbers[[0, len(numbers) // 2, -1]] if len(numbers) else numbers


def as_real_array(value, name):
    """An array of real numbers, or a TypeError that names what came instead."""
    if value is None:
        raise TypeError(f"{name} must be real numbers, got None")
    if type(value) is np.ndarray:
        array = value
    elif isinstance(value, np.ma.MaskedArray):
        raise TypeError(f"{name} must not be a masked array")
    else:
        array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{name} must be real numbers, got dtype {array.dtype}")
    if array.dtype.itemsize > 8:  # what counts is the number that a long double is rounded to, perhaps 0 or infinity
        with np.errstate(over="ignore", under="ignore"):
            array = array.astype(np.float64)
    return array


def as_points(x, name):
    """Points of shape (n_dim,) or (..., n_dim), or a scalar; in the user's memory, and of any real dtype."""
    if type(x) is np.ndarray and x.dtype is FLOAT64 and x.ndim == 1 and 0 < len(x) <= LARGE:
        return Points(x[None], x.shape)
    array = as_real_array(x, name)
    shape = array.shape
    n_dim = shape[-1] if shape else 1
    if n_dim == 0:
        raise ValueError(f"{name} has no coordinates: expected shape (n_dim,) or (..., n_dim), got {shape}")
    if 2 * 8 * array.size > sys.maxsize:  # the answers are a point and a gradient
        raise OverflowError(f"{name} of shape {shape} is too large: its size overflows")
    return Points(array.reshape(-1, n_dim), shape)


def require_finite(points, name):
    """For a single problem; in a batch the problem's status says that it could not start."""
    bad = ~np.isfinite(points.rows[0])
    if bad.any():
        i = int(bad.argmax())
        where = f"{name}[{i}]" if points.shape else name
        raise ValueError(f"{name} must be finite, got {where} = {points.rows[0, i]}")


def as_float(value, name, *, minimum=0.0, below=np.inf, open_below=False):
    """A number below the limit that is not below (or, if open, is above) the minimum."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.integer, np.floating)):
        raise TypeError(f"{name} must be a number, got {type(value).__name__}")
    try:
        number = float(value)
    except OverflowError:  # an integer beyond all floats
        number = np.inf if value > 0 else -np.inf
    check_range(number, name, minimum, below, open_below)
    return number


def as_flag(value, name):
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {value!r}")
    return bool(value)


def as_count(value, name):
    """A positive integer that a float64 holds exactly."""
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)):
        raise TypeError(f"{name} must be an integer, got {value!r}")
    if not 1 <= value <= 2**53:
        raise ValueError(f"{name} must satisfy 1 <= {name} <= 2**53, got {name} = {value}")
    return int(value)


def check_range(array, name, minimum, below, open_below):
    """Of an array or a float."""
    if type(array) is float and (minimum < array < below or (array == minimum and not open_below)):
        return
    array = np.asarray(array)
    inside = (array > minimum if open_below else array >= minimum) & (array < below)  # so that nan fails
    if not inside.all():
        index = np.unravel_index(int(np.argmin(inside)), array.shape)
        where = f"{name}[{', '.join(map(str, index))}]" if index else name
        bracket = "<" if open_below else "<="
        raise ValueError(f"{name} must satisfy {minimum:g} {bracket} {name} < {below:g}, got {where} = {array[index]}")


def per_problem(value, name, points, *, minimum=0.0, open_below=False):
    """A float64 for every problem, from a number or an array that broadcasts to the batch's shape."""
    if type(value) in (int, float):
        return repeated(as_float(value, name, minimum=minimum, open_below=open_below), np.float64, points)
    array = as_real_array(value, name)
    if array.dtype.kind == "b":
        raise TypeError(f"{name} must be a number, got {value!r}")
    array = array.astype(np.float64)
    check_range(array, name, minimum, np.inf, open_below)
    return spread(array, name, points)


def count_per_problem(value, name, points, minimum):
    """An integer for every problem."""
    if type(value) is int and minimum <= value <= LARGEST_COUNT:
        return repeated(value, np.intp, points)
    if type(value) is int:
        raise ValueError(f"{name} must be at least {minimum} and below 2**63, got {value}")
    array = as_real_array(value, name)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be an integer, got {value!r}" if array.ndim == 0 else
                        f"{name} must be integers, got dtype {array.dtype}")
    if (array < minimum).any() or (array > LARGEST_COUNT).any():
        raise ValueError(f"{name} must be at least {minimum} and below 2**63, got {array.min()} to {array.max()}")
    return spread(array.astype(np.intp), name, points)


def repeated(value, dtype, points):
    """The same number for every problem, in the memory of one: np.broadcast_to takes ten times as long."""
    if points.n_problems == 1:
        return np.array([value], dtype)
    return np.ndarray(points.n_problems, dtype, np.array(value, dtype), strides=(0,))


def spread(array, name, points):
    try:
        return np.broadcast_to(array, points.batch_shape).reshape(points.n_problems)
    except ValueError:
        raise ValueError(f"{name} of shape {array.shape} does not broadcast to the batch's shape "
                         f"{points.batch_shape}") from None


def as_bounds(bounds, points, name):
    """Lower and upper bounds as arrays of the points' shape, or (None, None)."""
    if bounds is None:
        return None, None
    lower, upper = sides_of(bounds, f"broadcastable to the shape of {name}")
    lower, upper = one_bound(lower, "lower", points, name), one_bound(upper, "upper", points, name)
    for wrong, what in (
        (np.isnan(lower) | np.isnan(upper), "bounds must not be nan"),
        (lower > upper, "a lower bound is above the upper bound"),
        (((points.rows < lower) | (points.rows > upper)) & np.isfinite(points.rows).all(axis=1, keepdims=True),
         f"{name} must be inside the bounds"),
    ):
        if wrong.any():
            at = np.unravel_index(int(wrong.argmax()), wrong.shape)
            index = np.unravel_index(int(wrong.argmax()), points.shape)
            raise ValueError(f"{what}: at index ({', '.join(map(str, index))}) lower = {lower[at]}, "
                             f"upper = {upper[at]}, {name} = {points.rows[at]}")
    return lower, upper


def sides_of(bounds, shape):
    """The two sides of bounds, whose shape is described."""
    if hasattr(bounds, "lb") and hasattr(bounds, "ub"):
        return bounds.lb, bounds.ub
    if not isinstance(bounds, tuple) or len(bounds) != 2:  # a list may be one of (low, high) pairs
        raise ValueError(f"bounds must be a tuple (lower, upper), each {shape}, or a scipy.optimize.Bounds; got "
                         f"{type(bounds).__name__} (from pairs make it by tuple(zip(*pairs)))")
    return bounds


def as_box(bounds):
    """Finite bounds, (n_dim,) each, and whether they are those of a float."""
    lower, upper = (as_real_array(side, f"the {which} bound").astype(np.float64) for side, which in zip(
        sides_of(bounds, "of shape (n_dim,)"), ("lower", "upper"), strict=True))
    is_scalar = lower.ndim == upper.ndim == 0
    if max(lower.ndim, upper.ndim) > 1 or 0 in (lower.size, upper.size) or (
            lower.ndim == upper.ndim == 1 and lower.size != upper.size):
        raise ValueError(f"the lower and the upper bound must have the same shape (n_dim,), got {lower.shape} and "
                         f"{upper.shape}")
    lower, upper = (np.array(side) for side in np.broadcast_arrays(np.atleast_1d(lower), np.atleast_1d(upper)))
    with np.errstate(all="ignore"):
        is_finite = np.isfinite(upper - lower)
    for wrong, what in ((~is_finite, "starts are taken from between the bounds, which must be finite"),
                        (lower > upper, "a lower bound is above the upper bound")):
        if wrong.any():
            i = int(wrong.argmax())
            raise ValueError(f"{what}: at index {i} lower = {lower[i]}, upper = {upper[i]}")
    if (lower == upper).all():
        raise ValueError(f"there is nothing between the bounds: lower and upper are both {lower}")
    return lower, upper, is_scalar


def as_x_scale(x_scale, points):
    """The scales of all points as rows of powers of two; None where they are 1, or none are given."""
    if x_scale is None:
        return None
    if isinstance(x_scale, str):
        as_choice(x_scale, "x_scale", ("start",))
        sizes = np.abs(points.rows)
        sizes = np.where((sizes > 0.0) & (sizes < np.inf), sizes, 1.0)
    else:
        sizes = as_real_array(x_scale, "x_scale").astype(np.float64)
        check_range(sizes, "x_scale", 0.0, np.inf, True)
        try:
            sizes = np.broadcast_to(sizes, points.shape).reshape(points.rows.shape)
        except ValueError:
            raise ValueError(f"x_scale of shape {sizes.shape} does not broadcast to the shape of x0, {points.shape}"
                             ) from None
    significands, exponents = np.frexp(sizes)
    powers = np.ldexp(1.0, np.clip(exponents - (significands < 0.75), -MOST_DOUBLINGS, MOST_DOUBLINGS))
    return None if (powers == 1.0).all() else powers


def one_bound(bound, side, points, name):
    """Of all points; None is no bound, as it is in SciPy's pairs."""
    nowhere = {"lower": -np.inf, "upper": np.inf}[side]
    if bound is None:
        bound = nowhere
    elif isinstance(bound, (tuple, list)):
        bound = [nowhere if value is None else value for value in bound]
    array = as_real_array(bound, f"the {side} bound").astype(np.float64)
    try:
        return np.broadcast_to(array, points.shape).reshape(points.rows.shape)
    except ValueError:
        raise ValueError(f"the {side} bound of shape {array.shape} does not broadcast to the shape of {name}, "
                         f"{points.shape}") from None


def as_args(args):
    """The further arguments as a tuple of this call's own, by which the chunks of a run know that they are of one."""
    return (*args,) if isinstance(args, tuple) else (args,)


def as_batch_args(batch_args, points):
    """One array per argument, (n_problems, ...), that cannot be written to."""
    if not isinstance(batch_args, (tuple, list)):
        raise TypeError(f"batch_args must be a tuple of arrays, got {type(batch_args).__name__}")
    if not batch_args:
        return ()
    arrays = []
    for number, values in enumerate(batch_args):
        if isinstance(values, np.ma.MaskedArray):
            raise TypeError(f"batch_args[{number}] must not be a masked array")
        array = np.asarray(values)
        if array.shape[: len(points.batch_shape)] != points.batch_shape:
            expected = "".join(f"{length}, " for length in points.batch_shape)
            raise ValueError(f"the leading axes of batch_args[{number}] must be the batch: expected ({expected}...), "
                             f"got {array.shape}")
        array = array.reshape(points.n_problems, *array.shape[len(points.batch_shape):]).view()
        array.flags.writeable = False
        arrays.append(array)
    return tuple(arrays)


def as_out(out, points, batch_args):
    """The user's arrays for the answers, by name, as rows of problems."""
    if not isinstance(out, dict):
        raise TypeError(f"out must be a dictionary of arrays, got {type(out).__name__}")
    if len(points.shape) <= 1:
        raise ValueError("out is for batches: x0 is a single problem")
    answers = {}
    for name, array in out.items():
        has_rows, dtype = ARRAYS[as_choice(name, "a name in out", tuple(ARRAYS))]
        shape = points.shape if has_rows else points.batch_shape
        if not isinstance(array, np.ndarray):
            raise TypeError(f"out[{name!r}] must be an array, got {type(array).__name__}")
        if array.shape != shape or array.dtype != dtype or not array.flags.c_contiguous or not array.flags.writeable:
            order = "" if array.flags.c_contiguous else ", not C-contiguous"
            raise ValueError(f"out[{name!r}] must be a writeable C-contiguous array of shape {shape} and dtype "
                             f"{np.dtype(dtype)}, got shape {array.shape} and dtype {array.dtype}{order}"
                             f"{'' if array.flags.writeable else ', read-only'}")
        answers[name] = array.reshape(points.rows.shape if has_rows else points.n_problems)
    for name, array in answers.items():
        for other in answers:
            if other != name and np.may_share_memory(array, answers[other]):
                raise ValueError(f"out[{name!r}] and out[{other!r}] overlap: each needs memory of its own")
        for number, values in enumerate(batch_args if isinstance(batch_args, (tuple, list)) else ()):
            if isinstance(values, np.ndarray) and np.may_share_memory(array, values):
                raise ValueError(f"out[{name!r}] and batch_args[{number}] overlap: each needs memory of its own")
    return answers


def as_key(rng):
    """The key of a counter-based generator: two uint64.

    A seed gives that of ``numpy.random.Philox(seed)``; a Generator is drawn from, so that its next key is another one.
    """
    random = np.random  # NumPy imports it at its first use
    check_rng(rng)
    if isinstance(rng, (random.BitGenerator, random.Generator)):
        return random.default_rng(rng).integers(2**64 - 1, size=2, dtype=np.uint64, endpoint=True)
    if not isinstance(rng, random.SeedSequence):
        rng = random.SeedSequence(rng if rng is None else int(rng))
    return rng.generate_state(2, np.uint64)


def check_rng(rng):
    random = np.random
    is_integer = isinstance(rng, (int, np.integer)) and not isinstance(rng, bool)
    if is_integer and rng < 0:
        raise ValueError(f"rng must not be negative, got {rng}")
    if not is_integer and rng is not None and not isinstance(
            rng, (random.SeedSequence, random.Generator, random.BitGenerator)):
        raise TypeError("rng must be None, an integer, or a SeedSequence, Generator or BitGenerator of numpy.random, "
                        f"got {type(rng).__name__}")


def as_calling_form(vectorized, unpack):
    """Whether coordinates are passed one by one, where that and how many points are passed go together."""
    if vectorized is not False and vectorized is not True:
        as_choice(vectorized, "vectorized", (False, True, "rows"))
    unpack = unpack is not False and as_flag(unpack, "unpack")
    if unpack and vectorized == "rows":
        raise ValueError("unpack=True passes coordinates one by one: use it with vectorized=True, not 'rows'")
    return unpack


def as_choice(value, name, choices):
    if np.ndim(value) or value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}; got {value!r}"
                         + did_you_mean(value, choices))
    return value


# Scales beyond these powers of two would leave x / scale without room.
MOST_DOUBLINGS = 500

# What other libraries call it.
ALIASES = {"lr": "learning_rate", "tol": "gtol", "tolerance": "gtol", "seed": "rng", "random_state": "rng",
           "n_jobs": "workers", "eps": "jac", "sgd": "gd"}


def did_you_mean(word, choices):
    if ALIASES.get(str(word).lower()) in choices:
        return f"; did you mean {ALIASES[str(word).lower()]!r}?"
    import difflib  # only where something went wrong: it takes a tenth of the time to import fastgd

    close = difflib.get_close_matches(str(word), list(map(str, choices)), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def without_rest(function: Function) -> Function:
    """Hides in its signature that a function takes any keyword, which it does to say which one may have been meant."""
    signature = inspect.signature(function)
    named = [parameter for parameter in signature.parameters.values() if parameter.kind is not parameter.VAR_KEYWORD]
    function.__signature__ = signature.replace(parameters=named)
    return function


def refuse_unknown(options, name, function):
    """What is no argument of a function is a TypeError; it was given to the one of that name."""
    if not options:
        return
    code = function.__code__
    known = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    for word in options:
        if word not in known:
            raise TypeError(f"{name}() got an unexpected keyword argument {word!r}" + did_you_mean(word, known))
