"""Traces NumPy functions: runs them on symbols in the place of numbers, which note what is done to them.

NumPy treats numbers by their types. A symbol is a float64, but for what is made of truth values: it is a bool then, or,
added up, an int64. What would have yet another type is refused.
"""

import functools
import math

import numpy as np

from . import watched
from .graph import BINARY, BOOLEAN, COMPARISONS, REFUSED, UNARY, Graph, Refusal, TraceError, compute

# A function of more operations than this takes longer to compile than it can save.
MOST_NODES = 20_000
# An array of more elements than this is not taken apart.
MOST_ELEMENTS = 50 * MOST_NODES

BOOL, INT, FLOAT, NARROW = range(4)  # kinds of numbers; the last ones are of less than 64 bits, or unsigned
INTEGER_RESULTS = frozenset(("add", "subtract", "multiply", "negative", "absolute", "minimum", "maximum", "where"))
OTHER_FOR_INTEGERS = frozenset(("power", "sign", "floor", "ceil", "trunc", "rint"))
MOST_EXACT = 2**53


def refuse(*args):
    raise Refusal("the function looks at a value that depends on x")


def unary(ufunc):
    """A method that does what the ufunc does."""
    return lambda self: SCALAR[ufunc](self)


def binary(ufunc, swapped=False):
    """The same of two arguments, for one of Python's operators."""

    def method(self, other):
        pair = (other, self) if swapped else (self, other)
        if isinstance(other, np.ndarray):
            return ufunc(*pair)
        if ufunc in (np.equal, np.not_equal) and other is not None:
            return SCALAR[ufunc](*pair)
        return SCALAR[ufunc](*pair) if isinstance(other, (Symbol, *NUMBERS)) else NotImplemented

    return method


class Symbol:
    """A number that is not known yet: a node of a graph."""

    __slots__ = ("graph", "largest", "node")
    __array_priority__ = 1000.0
    ndim = 0
    shape = ()
    size = 1

    def __init__(self, graph, node, largest=None):
        self.graph = graph
        self.node = node
        self.largest = largest  # of a whole number: how far it is from 0 at most

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        return call_ufunc(ufunc, method, inputs, options)

    def __array_function__(self, function, types, args, kwargs):
        return call_function(function, args, kwargs)

    @property  # type: ignore[misc]
    def __class__(self):
        """What the function finds by isinstance."""
        return (np.bool_, np.int64, np.float64)[kind(self)]

    def __getattr__(self, name):
        """The methods that NumPy calls for elements of arrays of objects, such as exp."""
        if name in UNARY:
            return functools.partial(SCALAR[getattr(np, name)], self)
        raise AttributeError(f"a float has no attribute {name!r}")

    __neg__, __abs__, __invert__ = unary(np.negative), unary(np.absolute), unary(np.invert)
    __add__, __radd__ = binary(np.add), binary(np.add, swapped=True)
    __sub__, __rsub__ = binary(np.subtract), binary(np.subtract, swapped=True)
    __mul__, __rmul__ = binary(np.multiply), binary(np.multiply, swapped=True)
    __truediv__, __rtruediv__ = binary(np.true_divide), binary(np.true_divide, swapped=True)
    __pow__, __rpow__ = binary(np.power), binary(np.power, swapped=True)
    __and__, __rand__ = binary(np.bitwise_and), binary(np.bitwise_and, swapped=True)
    __or__, __ror__ = binary(np.bitwise_or), binary(np.bitwise_or, swapped=True)
    __lt__, __le__, __gt__ = binary(np.less), binary(np.less_equal), binary(np.greater)
    __ge__, __eq__, __ne__ = binary(np.greater_equal), binary(np.equal), binary(np.not_equal)
    __bool__ = __float__ = __int__ = __index__ = __complex__ = __str__ = __repr__ = __format__ = __round__ = refuse
    __floor__ = __ceil__ = __trunc__ = __hash__ = __reduce_ex__ = refuse

    def conjugate(self):
        return self

    def item(self):
        return self

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def __pos__(self):
        return self

    real = property(conjugate)


class SymbolArray(np.ndarray):
    """An array of symbols and numbers."""

    tobytes = __reduce_ex__ = __reduce__ = refuse
    ctypes = property(refuse)
    real = property(lambda self: self)  # NumPy has ufuncs for these two, from 2.5 on
    imag = property(lambda self: as_array(np.full(self.shape, 0.0, object)))

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        return call_ufunc(ufunc, method, inputs, options)

    def __array_function__(self, function, types, args, kwargs):
        return call_function(function, args, kwargs)

    def __setitem__(self, index, value):
        value = plain(value)
        if value.ndim and not isinstance(self[index], np.ndarray):
            raise Refusal("the function puts an array into an element")
        if array_kind(self) != FLOAT and array_kind(value) > array_kind(self):
            raise Refusal("the function rounds numbers to put them into an array")
        super().__setitem__(index, mapped(as_float, value) if array_kind(self) == FLOAT else value[()])

    def fill(self, value):
        self[...] = value

    def put(self, indices, values, mode="raise"):
        raise Refusal("the function calls put")

    @property
    def flat(self):
        if array_kind(self) != FLOAT:
            raise Refusal("the function uses the flat iterator of whole numbers")
        return super().flat

    def astype(self, dtype, order="K", casting="unsafe", subok=True, copy=True):
        if not copy or np.dtype(dtype) not in (float, int) or (np.dtype(dtype) == int and array_kind(self) > INT):
            raise Refusal(f"the function converts an array to {dtype}")
        return as_array(mapped(as_float if np.dtype(dtype) == float else as_number, plain(self)))


def as_array(values):
    """As a SymbolArray; a symbol stays one."""
    if isinstance(values, np.ndarray):
        return values.view(SymbolArray) if values.dtype == object else values
    return values


def plain(values):
    """As an array of objects, whose operations are not ours."""
    if type(values) is Symbol:
        array = np.empty((), object)
        array[()] = values
        return array
    if isinstance(values, np.ndarray) and type(values) not in (np.ndarray, SymbolArray, np.memmap):
        raise Refusal(f"the function calculates with a {type(values).__name__}")
    array = np.asarray(values)
    if array.size > MOST_ELEMENTS:
        raise Refusal(f"the function calculates with {array.size} numbers")
    if array.dtype == object:
        return array if type(values) is SymbolArray else promoted(array)
    if array.dtype in (bool, int, float):
        return array.astype(object)
    if not np.can_cast(array.dtype, float):
        raise Refusal(f"the function calculates with {array.dtype}")
    narrow = np.empty(array.shape, object)  # by astype they would be Python's numbers
    for index in np.ndindex(array.shape):
        narrow[index] = array[index]
    return narrow


def promoted(array):
    """With the elements as numbers of one kind."""
    if array.size > MOST_ELEMENTS:
        raise Refusal(f"the function makes an array of {array.size} numbers")
    kinds = set(map(kind, array.flat)) if array.ndim else ()
    if len(kinds) < 2:
        return array
    return mapped(as_number if max(kinds) == INT else as_float, array)


# Operations on scalars

NUMBERS = (bool, int, float, np.bool_, np.integer, np.floating)


def kind(value):
    """The kind of a symbol or number."""
    if type(value) is Symbol:
        return BOOL if value.graph.is_boolean(value.node) else FLOAT if value.largest is None else INT
    if isinstance(value, float):
        return FLOAT
    if isinstance(value, (bool, np.bool_)):
        return BOOL
    if isinstance(value, (int, np.int64)):
        return INT
    if isinstance(value, NUMBERS) and np.can_cast(type(value), float):
        return NARROW
    raise Refusal(f"the function calculates with a {type(value).__name__}")


def array_kind(array):
    """That of all its elements in one array of NumPy."""
    highest = FLOAT if array.size == 0 else BOOL
    for value in array.view(np.ndarray).flat:
        highest = max(highest, kind(value))
        if highest >= FLOAT:
            break
    return highest


def result_kind(operation, values):
    """The kind of what NumPy makes of numbers of these kinds."""
    if operation in BOOLEAN:
        return BOOL
    operands = values[1:] if operation == "where" else values
    kinds = set(map(kind, operands))
    if NARROW in kinds and not any(type(value) is Symbol and kind(value) == FLOAT for value in operands):
        raise Refusal(f"{operation} of numbers of less than 64 bits")
    if FLOAT in kinds:
        return FLOAT
    if kinds == {BOOL} or operation in OTHER_FOR_INTEGERS:
        raise Refusal(f"{operation} of {'truth values' if kinds == {BOOL} else 'integers'}")
    return INT if operation in INTEGER_RESULTS else FLOAT


def largest_result(operation, values):
    """Of an operation on whole numbers: how far its result is from 0 at most."""
    sizes = [size(value) for value in (values[1:] if operation == "where" else values)]
    if None in sizes:
        return None
    result = sum(sizes) if operation in ("add", "subtract") else max(sizes)
    if operation == "multiply":
        result = math.prod(sizes)
    if max(result, *sizes) > MOST_EXACT:
        raise Refusal("the function calculates with integers that may be too large for floats")
    return result


def size(value):
    """How far a whole number, or a truth value, is from 0 at most; None of floats."""
    if kind(value) == FLOAT:
        return None
    return abs(int(value)) if type(value) is not Symbol else value.largest or 1


def combine(operation, *values):
    """An operation on symbols and numbers."""
    result = result_kind(operation, values)
    largest = largest_result(operation, values)
    if operation == "negative" and result == INT and type(values[0]) is Symbol:
        return combine("subtract", 0, *values)  # so that 0 gets no sign
    graph = next((value.graph for value in values if type(value) is Symbol), None)
    if graph is None:
        return constant(compute(operation, *map(as_float, values)), result)
    nodes = []
    for place, value in enumerate(values):
        if type(value) is not Symbol:
            nodes.append(graph.number(as_float(value)))
        elif value.graph is not graph:
            raise Refusal("the function remembers what it was called with before")
        elif operation in LOGICAL or (operation == "where" and place == 0):
            nodes.append(value.node)
        else:
            nodes.append(as_number(value).node)
    node = graph.apply(operation, *nodes)
    if operation == "multiply" and result == INT:
        node = graph.apply("add", node, graph.number(0.0))
    number = graph.value_of(node)
    return Symbol(graph, node, largest if result == INT else None) if number is None else constant(number, result)


LOGICAL = BOOLEAN.difference(COMPARISONS)


def constant(number, result):
    """A number as one of this kind."""
    if result == INT and (abs(number) > MOST_EXACT or (number == 0.0 and np.signbit(number))):
        raise Refusal("integers that may be meant as floats")  # among the numbers in an array of symbols
    return (bool, int, np.float64)[result](number)


def as_number(value):
    """Truth values as 0 and 1."""
    if kind(value) != BOOL:
        return value
    if type(value) is not Symbol:
        return int(value)
    graph = value.graph
    return Symbol(graph, graph.apply("where", value.node, graph.number(1.0), graph.number(0.0)), 1)


def as_float(value):
    value = as_number(value)
    if type(value) is Symbol:
        return Symbol(value.graph, value.node)
    try:
        return np.float64(value)
    except OverflowError:
        raise Refusal("the function calculates with an integer that is beyond all floats") from None


def as_truth(value):
    if type(value) is Symbol:
        return value if kind(value) == BOOL else combine("not_equal", value, 0.0)
    kind(value)  # not all that is true is a number
    return bool(value)


def select(condition, chosen, other):
    condition = as_truth(condition)
    if type(condition) is not Symbol:
        return chosen if condition else other
    if kind(chosen) == kind(other) == BOOL:
        negated = combine("logical_not", condition)
        return combine("logical_or", combine("logical_and", condition, chosen),
                       combine("logical_and", negated, other))
    return combine("where", condition, chosen, other)


def truth(operation):
    """A logical operation, of numbers too."""
    return lambda *values: combine(operation, *map(as_truth, values))


def of_kind(required, function):
    """A function that does something else to numbers of other kinds."""

    def apply(*values):
        if any(kind(value) != required for value in values):
            raise Refusal("an operation on numbers of a type that it is not meant for")
        return function(*values)

    return apply


def isnan(value):
    return combine("not_equal", value, value)


def negative_sign(value):
    """Whether the sign bit is set: that of a zero shows in its reciprocal."""
    below = combine("less", value, 0.0)
    return combine("logical_or", below, combine("less", combine("divide", 1.0, value), 0.0))


def _scalar_functions():
    """By ufunc: what it does to symbols and numbers."""

    def named(operation):
        return lambda *values: combine(operation, *values)

    functions = {getattr(np, name): named(name) for name in (*UNARY, *BINARY)}
    functions |= {getattr(np, name): truth(name) for name in LOGICAL}
    functions |= {
        np.bitwise_and: of_kind(BOOL, truth("logical_and")),
        np.bitwise_or: of_kind(BOOL, truth("logical_or")),
        np.invert: of_kind(BOOL, truth("logical_not")),
        np.greater: lambda a, b: combine("less", b, a),
        np.greater_equal: lambda a, b: combine("less_equal", b, a),
        np.float_power: named("power"),
        np.fabs: named("absolute"),
        np.positive: lambda a: a,
        np.conjugate: lambda a: a,
        np.square: lambda a: combine("multiply", a, a),
        np.reciprocal: of_kind(FLOAT, lambda a: combine("divide", 1.0, a)),
        np.deg2rad: of_kind(FLOAT, lambda a: combine("multiply", a, np.pi / 180.0)),
        np.radians: of_kind(FLOAT, lambda a: combine("multiply", a, np.pi / 180.0)),
        np.rad2deg: of_kind(FLOAT, lambda a: combine("multiply", a, 180.0 / np.pi)),
        np.degrees: of_kind(FLOAT, lambda a: combine("multiply", a, 180.0 / np.pi)),
        np.fmin: lambda a, b: select(isnan(a), b, select(isnan(b), a, combine("minimum", a, b))),
        np.fmax: lambda a, b: select(isnan(a), b, select(isnan(b), a, combine("maximum", a, b))),
        np.heaviside: lambda a, b: select(isnan(a), a, select(combine("equal", a, 0.0), b,
                                                              select(combine("less", a, 0.0), 0.0, 1.0))),
        np.copysign: lambda a, b: select(negative_sign(b), combine("negative", combine("absolute", a)),
                                         combine("absolute", a)),
        np.isnan: isnan,
        np.isfinite: lambda a: combine("less", combine("absolute", a), np.inf),
        np.isinf: lambda a: combine("equal", combine("absolute", a), np.inf),
    }
    return functions


SCALAR = _scalar_functions()
# Whether an exponent of 0.5 makes a root of a power, which has another limit: NumPy from 2.3 on.
with np.errstate(invalid="ignore"):
    POWER_TAKES_ROOTS = bool(np.isnan(np.power(np.array([-np.inf]), 0.5)[0]))


# Operations on arrays


def call_ufunc(ufunc, method, inputs, options):
    """What a ufunc of NumPy does to arrays of symbols."""
    out = options.pop("out", None)
    if options.pop("where", True) is not True:
        raise Refusal("where= of a ufunc")
    dtype = np.dtype(options.pop("dtype", None))
    if dtype not in (float, object) and not (dtype.kind == "b" and ufunc.__name__ in BOOLEAN):
        raise Refusal(f"{ufunc.__name__} of dtype {dtype}")
    for name in ("casting", "subok", "order"):
        options.pop(name, None)
    if POWER_TAKES_ROOTS and ufunc is np.power and method == "__call__" and is_half(inputs[1]):
        ufunc, inputs = np.sqrt, inputs[:1]  # which the operator ** does not for two numbers
    if ufunc is np.matmul and method == "__call__":
        result = matmul(*inputs, **options)
    elif method in METHODS and (ufunc in SCALAR or ufunc.__name__ == "clip"):
        result = METHODS[method](ufunc, inputs, **options)
    else:
        raise Refusal(f"the function calls {ufunc.__name__}{'' if method == '__call__' else '.' + method}")
    return into(out[0] if isinstance(out, tuple) else out, result)


def is_half(exponent):
    exponent = plain(exponent)
    return exponent.size == 1 and type(exponent.item()) in (float, np.float64) and exponent.item() == 0.5


def into(out, result):
    """Writes the result where the user wants it."""
    if out is None:
        return as_array(result)
    if not (isinstance(out, np.ndarray) and out.dtype == object):
        raise Refusal("out= is an array of numbers")
    out[...] = result
    return out


def mapped(function, *arrays):
    return np.frompyfunc(function, len(arrays), 1)(*arrays)


def elementwise(ufunc, inputs):
    return mapped(clip_scalar if ufunc.__name__ == "clip" else SCALAR[ufunc], *map(plain, inputs))


# By ufunc, what reduces arrays whatever the order: how it begins with an element, and what it gives for none
REDUCTIONS: dict = {
    np.add: (as_number, 0.0),
    np.multiply: (as_number, 1.0),
    np.logical_and: (as_truth, True),
    np.logical_or: (as_truth, False),
    **{ufunc: (lambda value: value, None) for ufunc in (np.minimum, np.maximum, np.fmin, np.fmax, np.logaddexp)},
}


def prepared(ufunc, values):
    """The elements to be reduced, as an array."""
    if ufunc not in REDUCTIONS:
        raise Refusal(f"the function reduces by {ufunc.__name__}")
    return plain(mapped(REDUCTIONS[ufunc][0], plain(values)))


def reduce(ufunc, inputs, axis=0, keepdims=False, initial=None):
    """Pairwise, so that few partial results depend on each element; but for products."""
    array = prepared(ufunc, inputs[0])
    if axis is None:
        axis = tuple(range(array.ndim))
    axes = tuple(np.lib.array_utils.normalize_axis_tuple(axis, array.ndim))
    kept = [k for k in range(array.ndim) if k not in axes]
    shape = tuple(array.shape[k] for k in kept)
    columns = array.transpose(*axes, *kept).reshape(-1, *shape)
    if initial is None and not len(columns):
        initial = REDUCTIONS[ufunc][1]
        if initial is None:
            raise Refusal("the reduction of nothing")
    if initial is not None:
        columns = np.concatenate([np.full((1, *shape), initial, object), columns])
    if ufunc is np.multiply:  # in order, because parts may be beyond the range where the whole is not
        columns = accumulate(ufunc, (columns,))[-1:]
    while len(columns) > 1:
        n = len(columns) & ~1
        pairs = np.empty((n // 2, *shape), object)
        pairs[...] = mapped(SCALAR[ufunc], columns[0:n:2], columns[1:n:2])
        columns = np.concatenate([pairs, columns[n:]])
    if ufunc is np.add and initial is None:
        columns = mapped(zero_without_sign, columns)  # as NumPy's sums
    if keepdims:
        return columns.reshape([1 if k in axes else array.shape[k] for k in range(array.ndim)])
    return columns[0]


def zero_without_sign(value):
    return combine("add", value, 0.0) if kind(value) == FLOAT else value


def accumulate(ufunc, inputs, axis=0):
    return np.frompyfunc(SCALAR[ufunc], 2, 1).accumulate(prepared(ufunc, inputs[0]), axis=axis, dtype=object)


def outer(ufunc, inputs):
    return np.frompyfunc(SCALAR[ufunc], 2, 1).outer(*map(plain, inputs))


METHODS = {"__call__": elementwise, "reduce": reduce, "accumulate": accumulate, "outer": outer}


def clip_scalar(value, lower, upper):
    if lower is not None:
        value = combine("maximum", value, lower)
    return value if upper is None else combine("minimum", value, upper)


def clip(a, a_min=None, a_max=None, out=None, *, min=None, max=None):
    lower, upper = min if a_min is None else a_min, max if a_max is None else a_max
    return into(out, mapped(clip_scalar, *map(plain, (a, lower, upper))))


def where(condition, *choices):
    if len(choices) != 2:
        raise Refusal("where without choices")
    return as_array(mapped(select, *map(plain, (condition, *choices))))


def matmul(first, second, out=None):
    """Products of vectors and matrices."""
    first, second = plain(first), plain(second)
    if not (0 < first.ndim <= 2 and 0 < second.ndim <= 2):
        raise Refusal("a product of arrays that are not vectors and matrices")
    columns = second if second.ndim == 2 else second[:, None]
    rows = np.atleast_2d(first)
    if rows.shape[1] != columns.shape[0]:
        raise ValueError(f"shapes {first.shape} and {second.shape} not aligned")
    products = mapped(SCALAR[np.multiply], rows[:, :, None], columns[None, :, :])
    result = reduce(np.add, (products,), axis=1)
    return into(out, result.reshape(first.shape[:-1] + second.shape[1:])[()])


def dot(a, b, out=None):
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return into(out, np.multiply(a, b))
    return matmul(a, b, out)


def norm(x, ord=None, axis=None, keepdims=False):
    """Of vectors; and the Euclidean norm of a matrix."""
    x = as_array(mapped(as_float, plain(x)))
    of_vectors = (axis is not None and not isinstance(axis, tuple)) or np.ndim(x) == 1
    if ord is None or (ord == 2 and of_vectors) or (ord == "fro" and not of_vectors):
        return np.sqrt(np.add.reduce(np.square(x), axis=axis, keepdims=keepdims))
    if of_vectors and ord in (1, np.inf, -np.inf):
        fold = {1: np.add, np.inf: np.maximum, -np.inf: np.minimum}[ord]
        return fold.reduce(np.abs(x), axis=axis, keepdims=keepdims)
    raise Refusal(f"norm of order {ord}")


def full_like(a, fill_value, dtype=None, order="K", subok=True, shape=None, *, device=None):
    if np.dtype(dtype) not in (float, object) or array_kind(plain(a)) != FLOAT:
        raise Refusal("an array that is no array of floats")
    values = np.empty(np.shape(a) if shape is None else shape, object)
    values[...] = mapped(as_float, plain(fill_value))
    return as_array(values)


def first_of(condlist, choicelist, default=0):
    pairs = list(zip(condlist, choicelist, strict=True))
    return functools.reduce(lambda other, pair: where(*pair, other), reversed(pairs), default)


# NumPy's own versions of these look at values, at dtypes, or make arrays of numbers.
FUNCTIONS = {
    np.where: where,
    np.clip: clip,
    np.dot: dot,
    np.linalg.norm: norm,
    np.select: first_of,
    np.zeros_like: lambda a, *args, **kwargs: full_like(a, 0.0, *args, **kwargs),
    np.ones_like: lambda a, *args, **kwargs: full_like(a, 1.0, *args, **kwargs),
    np.empty_like: lambda prototype, *args, **kwargs: full_like(prototype, 0.0, *args, **kwargs),
    np.full_like: full_like,
}


# Functions that put numbers into arrays, or copies of them, of another kind, and what they call the array.
FILLING = {np.insert: "arr", np.pad: "array", np.put: "a", np.copyto: "dst", np.fill_diagonal: "a", np.place: "arr",
           np.putmask: "a", np.put_along_axis: "arr"}


def call_function(function, args, kwargs):
    """What another function of NumPy does to arrays of symbols: mostly what it does to all arrays."""
    if function in FUNCTIONS:
        result = FUNCTIONS[function](*args, **kwargs)
    elif function in FILLING and array_kind(plain(args[0] if args else kwargs[FILLING[function]])) != FLOAT:
        raise Refusal(f"the function calls {function.__name__} for whole numbers")
    else:
        some = np.empty(0).view(SymbolArray)  # which one does not matter, but symbols are no arrays
        result = np.ndarray.__array_function__(some, function, (SymbolArray,), args, kwargs)
    if not isinstance(result, np.ndarray) or result.dtype != object:
        return result
    return as_array(promoted(result.view(np.ndarray)))


def trace(calling, n_dim, shapes, dtypes, largest):
    """The graph of a function of a point and of data of these shapes and dtypes.

    `calling` is called with coordinates and data as arrays. `largest` says of each of the data how far its whole
    numbers are from 0 at most.

    Raises
    ------
    Exception
        Any, where the function cannot be traced; often, but not always, a TraceError.
    """
    graph = Graph(n_dim, MOST_NODES)
    refused = []
    token = REFUSED.set(refused)
    try:
        with np.errstate(all="ignore"):
            data = as_symbols(graph, shapes, dtypes, largest)
            value = as_float(watched.call(returned, graph, calling, data))
            graph.root = value.node if type(value) is Symbol else graph.number(value)
            made = graph.balanced()
    except Refusal as refusal:
        raise TraceError(*refusal.args) from None
    finally:
        REFUSED.reset(token)
    if refused:
        raise TraceError(refused[0])
    return made


def as_symbols(graph, shapes, dtypes, largest):
    """The data of a problem."""
    data, n_data = [], 0
    for shape, dtype, most in zip(shapes, map(np.dtype, dtypes), largest, strict=True):
        if dtype.type not in (np.float64, np.int64, np.bool_):
            raise Refusal(f"the function calculates with {dtype}")
        array = np.empty(shape, object)
        for index in np.ndindex(*shape):
            datum = Symbol(graph, graph.datum(n_data), most if dtype.kind == "i" else None)
            array[index] = as_truth(datum) if dtype.kind == "b" else datum
            n_data += 1
        data.append(array.view(SymbolArray))
    return data


def returned(graph, calling, data):
    """What the function returns, a symbol or a number."""
    x = np.empty(graph.n_dim, object)
    x[:] = [Symbol(graph, graph.coordinate(i)) for i in range(graph.n_dim)]
    value = calling(x.view(SymbolArray), data)
    if calling.vectorized and np.shape(value) != (1,):
        raise Refusal(f"the function returns an array of shape {np.shape(value)} for one point")
    return value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
