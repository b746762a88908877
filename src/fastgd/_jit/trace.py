"""Traces NumPy functions: runs them on symbols in the place of numbers, which note what is done to them."""

import numpy as np

from .graph import BINARY, UNARY, Graph, TraceError

# A function of more operations than this takes longer to compile than it can save.
MOST_NODES = 20_000


class Symbol:
    """A number that is not known yet: a node of a graph."""

    __slots__ = ("graph", "node")
    __array_priority__ = 1000.0
    ndim = 0
    shape = ()
    size = 1

    def __init__(self, graph, node):
        self.graph = graph
        self.node = node

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        return call_ufunc(ufunc, method, inputs, options)

    def __array_function__(self, function, types, args, kwargs):
        return call_function(function, args, kwargs)

    def _refuse(self, *args):
        raise TraceError("the function looks at a value that depends on x")

    __bool__ = __float__ = __int__ = __index__ = __complex__ = __str__ = __repr__ = __format__ = __round__ = _refuse
    __floor__ = __ceil__ = __trunc__ = _refuse

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


def _add_operators():
    """Gives Symbol the operators of Python, and the methods that NumPy calls for arrays of objects."""

    def unary(name):
        return lambda self: combine(name, self)

    def binary(ufunc, swapped):
        def method(self, other):
            pair = (other, self) if swapped else (self, other)
            if isinstance(other, np.ndarray):
                return ufunc(*pair)
            function = SCALAR[ufunc]
            return function(*pair) if is_scalar(other) else NotImplemented

        return method

    for name in UNARY:
        setattr(Symbol, name, unary(name))
    Symbol.__neg__, Symbol.__abs__, Symbol.__invert__ = unary("negative"), unary("absolute"), unary("logical_not")
    for name, ufunc in {"add": np.add, "sub": np.subtract, "mul": np.multiply, "truediv": np.true_divide,
                        "pow": np.power, "and": np.logical_and, "or": np.logical_or,
                        "floordiv": np.floor_divide, "mod": np.remainder}.items():
        setattr(Symbol, f"__{name}__", binary(ufunc, False))
        setattr(Symbol, f"__r{name}__", binary(ufunc, True))
    for name, ufunc in {"lt": np.less, "le": np.less_equal, "gt": np.greater, "ge": np.greater_equal,
                        "eq": np.equal, "ne": np.not_equal}.items():
        setattr(Symbol, f"__{name}__", binary(ufunc, False))
    Symbol.__hash__ = object.__hash__


class SymbolArray(np.ndarray):
    """An array of symbols and numbers."""

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        return call_ufunc(ufunc, method, inputs, options)

    def __array_function__(self, function, types, args, kwargs):
        return call_function(function, args, kwargs)

    def clip(self, min=None, max=None, out=None, **kwargs):
        return clip(self, min, max, out)


def as_array(values):
    """As a SymbolArray; a symbol stays one."""
    if isinstance(values, np.ndarray):
        return values.view(SymbolArray) if values.dtype == object else values
    return values


def plain(values):
    """As an array of objects, whose operations are not ours."""
    if isinstance(values, Symbol):
        array = np.empty((), object)
        array[()] = values
        return array
    if type(values) is SymbolArray:
        return values.view(np.ndarray)
    array = np.asarray(values)
    if array.dtype.kind not in "fiubO":
        raise TraceError(f"the function uses values of dtype {array.dtype}")
    return array.astype(object)


# Operations on scalars


def is_scalar(value):
    return isinstance(value, (Symbol, bool, int, float, np.bool_, np.integer, np.floating))


def combine(operation, *values):
    """An operation on symbols and numbers."""
    graph = next((value.graph for value in values if isinstance(value, Symbol)), None)
    if graph is None:
        if not all(map(is_scalar, values)):
            raise TraceError(f"{operation} of {', '.join(type(value).__name__ for value in values)}")
        with np.errstate(all="ignore"):
            return getattr(np, operation)(*values)
    nodes = []
    for value in values:
        if isinstance(value, Symbol):
            nodes.append(value.node)
        elif is_scalar(value):
            try:
                nodes.append(graph.number(value))
            except OverflowError:
                raise TraceError("an integer is beyond all floats") from None
        else:
            raise TraceError(f"{operation} of a {type(value).__name__}")
    if operation in ("add", "subtract", "multiply", "negative") and all(map(graph.is_boolean, nodes)):
        raise TraceError(f"{operation} of truth values")  # NumPy has other rules for them
    return Symbol(graph, graph.apply(operation, *nodes))


def select(condition, chosen, other):
    if isinstance(condition, (bool, np.bool_)):
        return chosen if condition else other
    if not isinstance(condition, Symbol):
        condition = bool(condition)
        return chosen if condition else other
    if not condition.graph.is_boolean(condition.node):
        condition = combine("not_equal", condition, 0.0)
    return combine("where", condition, chosen, other)


def truth(operation):
    """A logical operation, of numbers too."""

    def apply(*values):
        return combine(operation, *(value if not isinstance(value, Symbol) or value.graph.is_boolean(value.node)
                                    else combine("not_equal", value, 0.0) for value in values))

    return apply


def logarithm_of_sum(first, second):
    """log(exp(first) + exp(second)), without overflow."""
    larger = combine("maximum", first, second)
    distance = combine("negative", combine("absolute", first - second))
    # of two infinities of one sign there is no difference
    return select(combine("equal", first, second), first + float(np.log(2.0)),
                  larger + combine("log1p", combine("exp", distance)))


def of_booleans(operation):
    """A bitwise operation, which is a logical one for truth values and nothing for other numbers."""
    logical = truth(operation)

    def apply(*values):
        if not all(isinstance(value, (bool, np.bool_)) or (isinstance(value, Symbol)
                   and value.graph.is_boolean(value.node)) for value in values):
            raise TraceError("bits of a float")
        return logical(*values)

    return apply


def _scalar_functions():
    """By ufunc: what it does to symbols and numbers."""

    def named(operation):
        return lambda *values: combine(operation, *values)

    functions = {getattr(np, name): named(name) for name in (*UNARY, *BINARY)}
    functions |= {getattr(np, name): truth(name) for name in ("logical_and", "logical_or", "logical_not")}
    functions |= {
        np.bitwise_and: of_booleans("logical_and"),
        np.bitwise_or: of_booleans("logical_or"),
        np.invert: of_booleans("logical_not"),
        np.greater: lambda a, b: combine("less", b, a),
        np.greater_equal: lambda a, b: combine("less_equal", b, a),
        np.float_power: named("power"),
        np.fabs: named("absolute"),
        np.positive: lambda a: a,
        np.conjugate: lambda a: a,
        np.square: lambda a: a * a,
        np.reciprocal: lambda a: 1.0 / a,
        np.deg2rad: lambda a: a * (np.pi / 180.0),
        np.radians: lambda a: a * (np.pi / 180.0),
        np.rad2deg: lambda a: a * (180.0 / np.pi),
        np.degrees: lambda a: a * (180.0 / np.pi),
        np.fmin: lambda a, b: select(isnan(a), b, select(isnan(b), a, combine("minimum", a, b))),
        np.fmax: lambda a, b: select(isnan(a), b, select(isnan(b), a, combine("maximum", a, b))),
        np.heaviside: lambda a, b: select(isnan(a), a, select(combine("equal", a, 0.0), b,
                                                              select(combine("less", a, 0.0), 0.0, 1.0))),
        np.copysign: lambda a, b: select(negative_sign(b), combine("negative", combine("absolute", a)),
                                         combine("absolute", a)),
        np.logaddexp: logarithm_of_sum,
        np.isnan: lambda a: isnan(a),
        np.isfinite: lambda a: combine("less", combine("absolute", a), np.inf),
        np.isinf: lambda a: combine("equal", combine("absolute", a), np.inf),
    }
    return functions


def isnan(value):
    return combine("not_equal", value, value)


def negative_sign(value):
    """Whether the sign bit is set: that of a zero shows in its reciprocal."""
    below = combine("less", value, 0.0)
    return truth("logical_or")(below, combine("less", combine("divide", 1.0, value), 0.0))


SCALAR = _scalar_functions()
_add_operators()


# Operations on arrays


def call_ufunc(ufunc, method, inputs, options):
    """What a ufunc of NumPy does to arrays of symbols."""
    out = options.pop("out", None)
    if options.pop("where", True) is not True:
        raise TraceError("where= of a ufunc")
    for name in ("casting", "subok", "dtype", "order"):
        options.pop(name, None)
    if ufunc is np.matmul and method == "__call__":
        result = matmul(*inputs)
    else:
        function = SCALAR.get(ufunc)
        if ufunc is np.clip and method == "__call__":
            function = clip_scalar
        if function is None:
            raise TraceError(f"the function calls {ufunc.__name__}")
        result = METHODS[method](function, ufunc.nin, inputs, **options) if method in METHODS else None
        if result is None:
            raise TraceError(f"the function calls {ufunc.__name__}.{method}")
    return into(out[0] if isinstance(out, tuple) else out, result)


def into(out, result):
    """Writes the result where the user wants it."""
    if out is None:
        return as_array(result)
    if not (isinstance(out, np.ndarray) and out.dtype == object):
        raise TraceError("out= is an array of numbers")
    out[...] = result
    return out


def elementwise(function, n_inputs, inputs):
    return np.frompyfunc(function, len(inputs), 1)(*map(plain, inputs))


def reduce(function, n_inputs, inputs, axis=0, keepdims=False, initial=None):
    """Pairwise, so that few partial results depend on each element."""
    array = plain(inputs[0])
    if axis is None:
        axis = tuple(range(array.ndim))
    axes = tuple(np.lib.array_utils.normalize_axis_tuple(axis, array.ndim))
    kept = [k for k in range(array.ndim) if k not in axes]
    shape = tuple(array.shape[k] for k in kept)
    columns = array.transpose(*axes, *kept).reshape(-1, *shape)
    join = np.frompyfunc(function, 2, 1)
    neutral = {SCALAR[np.add]: 0.0, SCALAR[np.multiply]: 1.0, SCALAR[np.logical_and]: True,
               SCALAR[np.logical_or]: False}.get(function)
    if initial is None and neutral is None and not len(columns):
        raise TraceError("the reduction of nothing")
    if not len(columns):
        columns = np.full((1, *shape), neutral if initial is None else initial, object)
    elif initial is not None:
        columns = np.concatenate([np.full((1, *shape), initial, object), columns])
    if function in (SCALAR[np.add], SCALAR[np.multiply]):
        columns = elementwise(as_number, 1, (columns,)) if columns.size else columns
        columns = np.asarray(columns, object).reshape(-1, *shape)
    while len(columns) > 1:
        n = len(columns) & ~1
        columns = np.concatenate([np.asarray(join(columns[0:n:2], columns[1:n:2]), object).reshape(-1, *shape),
                                  columns[n:]])
    result = columns[0]
    if keepdims:
        result = np.asarray(result, object).reshape([1 if k in axes else array.shape[k] for k in range(array.ndim)])
    return result


def as_number(value):
    """Truth values as 0 and 1."""
    if isinstance(value, Symbol) and value.graph.is_boolean(value.node):
        return select(value, 1.0, 0.0)
    return float(value) if isinstance(value, (bool, np.bool_)) else value


def accumulate(function, n_inputs, inputs, axis=0):
    return np.frompyfunc(function, 2, 1).accumulate(plain(inputs[0]), axis=axis, dtype=object)


def outer(function, n_inputs, inputs):
    return np.frompyfunc(function, 2, 1).outer(*map(plain, inputs))


METHODS = {"__call__": elementwise, "reduce": reduce, "accumulate": accumulate, "outer": outer}


def clip_scalar(value, lower, upper):
    if lower is not None:
        value = combine("maximum", value, lower)
    return value if upper is None else combine("minimum", value, upper)


def clip(values, lower=None, upper=None, out=None, **options):
    lower, upper = options.get("min", lower), options.get("max", upper)
    return into(out, elementwise(clip_scalar, 3, (values, *(plain_or_none(side) for side in (lower, upper)))))


def plain_or_none(value):
    return np.full((), None, object) if value is None else value


def where(condition, *choices):
    if len(choices) != 2:
        raise TraceError("where without choices")
    return as_array(elementwise(select, 3, (condition, *choices)))


def matmul(first, second, out=None):
    """Products of vectors and matrices."""
    first, second = plain(first), plain(second)
    if not (0 < first.ndim <= 2 and 0 < second.ndim <= 2):
        raise TraceError("a product of arrays that are not vectors and matrices")
    columns = second if second.ndim == 2 else second[:, None]
    rows = np.atleast_2d(first)
    if rows.shape[1] != columns.shape[0]:
        raise ValueError(f"shapes {first.shape} and {second.shape} not aligned")
    products = np.multiply(rows[:, :, None], columns[None, :, :])
    result = np.asarray(reduce(SCALAR[np.add], 2, (products,), axis=1), object)
    return into(out, result.reshape(first.shape[:-1] + second.shape[1:])[()])


def dot(first, second, out=None):
    if np.ndim(first) == 0 or np.ndim(second) == 0:
        return into(out, np.multiply(first, second))
    return matmul(first, second, out)


def norm(x, ord=None, axis=None, keepdims=False):
    """Of vectors; and the Euclidean norm of a matrix."""
    sizes, ndim = np.abs(x), np.ndim(x)
    one_axis = (axis is not None and not isinstance(axis, tuple)) or ndim == 1
    if ord is None or (ord == 2 and one_axis) or (ord == "fro" and not one_axis):
        return np.sqrt(np.add.reduce(np.square(x), axis=axis, keepdims=keepdims))
    if one_axis and ord in (1, np.inf, -np.inf):
        fold = {1: np.add, np.inf: np.maximum, -np.inf: np.minimum}[ord]
        return fold.reduce(sizes, axis=axis, keepdims=keepdims)
    raise TraceError(f"norm of order {ord}")


def full_like(like, value):
    return as_array(np.full(np.shape(like), value, object))


# NumPy's own versions of these look at values, or make arrays of numbers.
FUNCTIONS = {
    np.where: where,
    np.clip: clip,
    np.dot: dot,
    np.linalg.norm: norm,
    np.zeros_like: lambda like, *args, **kwargs: full_like(like, 0.0),
    np.ones_like: lambda like, *args, **kwargs: full_like(like, 1.0),
    np.empty_like: lambda like, *args, **kwargs: full_like(like, 0.0),
    np.full_like: lambda like, value, *args, **kwargs: full_like(like, value),
}


def call_function(function, args, kwargs):
    """What another function of NumPy does to arrays of symbols: mostly what it does to all arrays."""
    if function in FUNCTIONS:
        return FUNCTIONS[function](*args, **kwargs)
    if function in (np.max, np.min):
        return (np.maximum if function is np.max else np.minimum).reduce(
            args[0], **{"axis": None} | dict(zip(("axis",), args[1:2], strict=False)) | kwargs)
    some = np.empty(0).view(SymbolArray)  # which one does not matter, but symbols are no arrays
    return as_array(np.ndarray.__array_function__(some, function, (SymbolArray,), args, kwargs))


def trace(calling, n_dim, shapes):
    """The graph of a function of a point and of data of these shapes.

    `calling` is called with coordinates and data as arrays.

    Raises
    ------
    Exception
        Any, where the function cannot be traced; often, but not always, a TraceError.
    """
    graph = Graph(MOST_NODES)
    x = np.empty(n_dim, object)
    x[:] = [Symbol(graph, graph.coordinate(i)) for i in range(n_dim)]
    data, n_data = [], 0
    for shape in shapes:
        array = np.empty(shape, object)
        for index in np.ndindex(*shape):
            array[index] = Symbol(graph, graph.datum(n_data))
            n_data += 1
        data.append(array.view(SymbolArray))
    value = calling(x.view(SymbolArray), data)
    if isinstance(value, np.ndarray):
        value = value.item() if value.size == 1 else value
    if not is_scalar(value):
        raise TraceError(f"the function returned a {type(value).__name__}")
    value = as_number(value)
    graph.root = value.node if isinstance(value, Symbol) else graph.number(value)
    return graph.balanced()
