"""Functions compiled by numba as they are written, as kernels of a block: those that branch on values, for example."""

import math
import operator
import warnings

import numba  # type: ignore[import-untyped, import-not-found]
import numpy as np

from . import unrolled, watched

# Longer tuples take seconds to compile; if all indices are known it is the formulas that do.
LONGEST_TUPLE, LONGEST_UNROLLED = 16, 24
KERNEL = numba.types.int32(*[numba.types.intp] * 4, *[numba.types.CPointer(numba.types.float64)] * 3,
                           numba.types.voidptr)


def forms(calling, n_dim):
    """How the function may get its points, the fastest one first. Tuples can also be unpacked: ``a, b = x``."""
    if calling.vectorized:
        return ("a block",)
    if calling.unpack:
        return ("a tuple",)
    return (*(["an unrolled tuple"] if n_dim <= LONGEST_UNROLLED else []), "an array",
            *(["a tuple"] if n_dim <= LONGEST_TUPLE else []))


def kernel(calling, form, n_dim, shapes, dtypes):
    """A C function with the signature of a block's values."""
    require_code_of_kernels(calling.fun)
    if any(np.dtype(dtype) == bool for dtype in dtypes):
        raise TypeError("NumPy calculates with truth values in another way than numba")
    source = (block_source if form == "a block" else point_source)(calling, form, n_dim, shapes, dtypes)
    fun = unrolled.of_tuples(calling.fun, n_dim) if form == "an unrolled tuple" else calling.fun
    function = numba.njit(error_model="numpy", boundscheck=True, forceinline="tuple" in form)(fun)
    names = {"function": function, "np": np, "carray": numba.carray}
    names |= {f"arg{k}": arg for k, arg in enumerate(calling.args)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(source, names)  # written below, from numbers alone
        made = numba.cfunc(KERNEL, error_model="numpy")(names["kernel"])
    for version in function.overloads.values():
        require_floats(version.type_annotation)
    return made


OTHER_IN_NUMBA = frozenset(("floor_divide", "median", "nanmedian", "percentile", "nanpercentile", "quantile",
                            "nanquantile", "histogram"))


def require_code_of_kernels(fun):
    """Raises if the function does what a kernel does not, such as to handle the exceptions of arithmetic."""
    for code in watched.all_within(fun.__code__):
        if watched.has_handler(code):
            raise ValueError("the function handles exceptions, and arithmetic in a kernel raises none")
        if "print" in code.co_names:
            raise ValueError("the function prints, and a kernel is also called for points that fill up a block")
        for name in OTHER_IN_NUMBA.intersection(code.co_names):
            raise ValueError(f"numba's {name} is another one where numbers are not finite")


# Operations on integers whose results have no limit in Python, and those that divide.
UNLIMITED = (operator.pow, operator.ipow, operator.lshift, operator.ilshift, operator.imul)
DIVISIONS = (operator.floordiv, operator.ifloordiv, operator.mod, operator.imod)


def require_floats(annotation):
    """Raises if the function calculates with numbers that are others in NumPy or Python: with integers of any size, and
    never made of a nan, with truth values, and with floats of less than 64 bits.

    What is left of integers are indices, and counts.
    """
    require_no_growth(annotation)
    for kind in annotation.typemap.values():
        kind = getattr(kind, "dtype", kind)
        if isinstance(kind, numba.types.Float) and kind.bitwidth < 64:
            raise TypeError(f"the function calculates with {kind}")
    for expression, signature in annotation.calltypes.items():
        if signature is None:
            continue
        if isinstance(expression, (numba.core.ir.SetItem, numba.core.ir.StaticSetItem)):
            target, value = (annotation.typemap[name.name] for name in (expression.target, expression.value))
            if (isinstance(getattr(target, "dtype", None), numba.types.Integer)
                    and isinstance(getattr(value, "dtype", value), numba.types.Float)):
                raise TypeError("the function puts floats into an array of integers")
            continue
        require_no_truth_values(annotation, expression, signature)
        if not isinstance(signature.return_type, numba.types.Integer):
            continue
        if any(isinstance(kind, numba.types.Float) for kind in signature.args):
            raise TypeError("the function makes integers of floats")
        function = expression.fn if expression.op in ("binop", "inplace_binop") else None
        divisor = annotation.typemap[expression.rhs.name] if function in DIVISIONS else None
        if function in UNLIMITED or (divisor is not None and not getattr(divisor, "literal_value", 0)):
            raise TypeError(f"the function calculates with integers: {function.__name__}")


# Operations by which an integer is handed on, and how many of the operands a loop must have made for it to grow.
CARRYING = ("binop", "inplace_binop", "build_tuple", "exhaust_iter", "static_getitem", "cast", "phi")
GROWING = {operator.mul: any, operator.add: all, operator.iadd: all}


def require_no_growth(annotation):
    """Raises if a loop multiplies an integer, or adds one that it has made to another: in powers such integers grow
    beyond all bits. Sums of others, as of the numbers in a range, do not within the life of a computer."""
    becomes, operations = {}, []
    for target, value, names in integers_made(annotation):
        for name in names:
            becomes.setdefault(name, set()).add(target.unversioned_name)
        function = value.fn if getattr(value, "op", None) in ("binop", "inplace_binop") else None
        if function in GROWING and isinstance(annotation.typemap.get(target.name), numba.types.Integer):
            operations.append((function, target.unversioned_name, names))
    for function, target, names in operations:
        reached = all_made_of(target, becomes)
        if GROWING[function](name in reached for name in names):
            raise TypeError(f"the function calculates with integers of any size: {function.__name__}")


def integers_made(annotation):
    """What is assigned, but for floats, by which it may be an integer: the variable, the value and the names in it."""
    for block in annotation.blocks.values():
        for statement in block.find_insts(numba.core.ir.Assign):
            target, value = statement.target, statement.value
            if isinstance(annotation.typemap.get(target.name), numba.types.Float):
                continue
            if isinstance(value, numba.core.ir.Var):
                yield target, value, [value.unversioned_name]
            elif isinstance(value, numba.core.ir.Expr) and value.op in CARRYING:
                yield target, value, [variable.unversioned_name for variable in value.list_vars()]


def all_made_of(name, becomes):
    """The names of all variables that are made of this one, perhaps by way of others."""
    reached, waiting = set(), [name]
    while waiting:
        new = becomes.get(waiting.pop(), set()) - reached
        reached |= new
        waiting += new
    return reached


def require_no_truth_values(annotation, expression, signature):
    """In NumPy True + True is True, and exp(True) has 16 bits."""
    returned = signature.return_type
    if expression.op in ("binop", "inplace_binop"):
        sides = annotation.typemap[expression.lhs.name], annotation.typemap[expression.rhs.name]
        differs = all(isinstance(kind, numba.types.Boolean) for kind in sides) and not isinstance(
            returned, numba.types.Boolean)
    else:
        differs = (expression.op == "call" and isinstance(returned, numba.types.Float)
                   and any(isinstance(kind, numba.types.Boolean) for kind in signature.args)
                   and not isinstance(annotation.typemap[expression.func.name], numba.types.Dispatcher))
    if differs:
        raise TypeError("the function calculates with truth values")


HEAD = """def kernel(n_dim, n_params, n_points, stride, x_rows, param_rows, values, user_data):
    x, f = carray(x_rows, ({n_dim}, stride)), carray(values, (n_points,))
    params = carray(param_rows, ({n_data}, stride))
    try:
{body}
    except Exception:
        return 1
    return 0
"""


def point_source(calling, form, n_dim, shapes, dtypes):
    """A loop over points; the arrays that the function gets are filled again for each."""
    once, lines, arguments = [], [], []
    if "tuple" in form:
        coordinates = "".join(f"x[{i}, j], " for i in range(n_dim))
        arguments.append(coordinates.rstrip(", ") if calling.unpack else f"({coordinates})")
    else:
        once.append(f"point = np.empty({n_dim})")
        lines += [f"for i in range({n_dim}):", "    point[i] = x[i, j]"]
        arguments.append("point")
    arguments += [f"arg{k}" for k in range(len(calling.args))]
    start = 0
    for k, (shape, dtype) in enumerate(zip(shapes, dtypes, strict=True)):
        size = math.prod(shape)
        once.append(f"data{k} = np.empty({size}, np.{np.dtype(dtype).name})")
        lines += [f"for i in range({size}):", f"    data{k}[i] = params[{start} + i, j]"]
        arguments.append(f"data{k}.reshape({shape})" if shape else f"data{k}[0]")
        start += size
    lines.append(f"f[j] = function({', '.join(arguments)})")
    body = "\n".join([*(f"        {line}" for line in once), "        for j in range(n_points):",
                      *(f"            {line}" for line in lines)])
    return HEAD.format(n_dim=n_dim, n_data=max(start, 1), body=body)


def block_source(calling, form, n_dim, shapes, dtypes):
    """One call for all points of a block."""
    first = calling.vectorized == "rows"
    lines = [f"block = x[:, :n_points].{'T.' if first else ''}copy()"]
    arguments = [", ".join(f"block[{i}]" for i in range(n_dim)) if calling.unpack else "block"]
    arguments += [f"arg{k}" for k in range(len(calling.args))]
    start = 0
    for k, (shape, dtype) in enumerate(zip(shapes, dtypes, strict=True)):
        size = math.prod(shape)
        rows = f"params[{start}:{start + size}, :n_points]"
        full = (("n_points", *shape) if first else (*shape, "n_points"))
        lines.append(f"data{k} = {rows}.{'T.' if first else ''}copy().reshape(({', '.join(map(str, full))},))"
                     f".astype(np.{np.dtype(dtype).name})")
        arguments.append(f"data{k}")
        start += size
    lines += [f"result = function({', '.join(arguments)})", "if result.shape != (n_points,):", "    return 2",
              "f[:] = result"]
    return HEAD.format(n_dim=n_dim, n_data=max(start, 1), body="\n".join(f"        {line}" for line in lines))
