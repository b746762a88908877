"""C functions as objectives: where they are, how they are called, and what keeps them alive."""

import os
import re
from dataclasses import dataclass
from math import prod
from struct import calcsize
from types import FunctionType
from typing import Any

import numpy as np

from ._core.objectives.compiled import CompiledBlock, CompiledPoint, read_capsule
from ._inputs import as_batch_args, as_real_array

_BLOCK = ("int (intptr_t n_dim, intptr_t n_params, intptr_t n_points, intptr_t stride, const double *x, "
          "const double *params, double *{}, void *user_data)")
# What fastgd can call: by signature the form, and whether the function gets user data.
SIGNATURES = {
    "double (int n_dim, double *x)": ("point", False),
    "double (int n_dim, double *x, void *user_data)": ("point", True),
    _BLOCK.format("f"): ("block", True),
    _BLOCK.format("f, double *g"): ("pair", True),
}
SPELLINGS = dict(SIGNATURES)  # with those that were understood so far
PAIR = next(signature for signature, (form, _) in SIGNATURES.items() if form == "pair")

# The names that C, Cython, NumPy, ctypes, cffi and numba have for the types above: all that are as wide are the same.
NAMES = {
    **dict.fromkeys(("double", "float64", "float64_t", "double_t", "npy_double", "npy_float64"), "double"),
    "void": "void",
    **dict.fromkeys(("int", "intc"), f"int{8 * calcsize('i')}"),
    **dict.fromkeys(("long", "long int"), f"int{8 * calcsize('l')}"),
    **dict.fromkeys(("long long", "long long int", "longlong", "PY_LONG_LONG", "npy_longlong"), "int64"),
    **dict.fromkeys(("intptr_t", "Py_ssize_t", "ssize_t", "ptrdiff_t", "npy_intp", "intp", "intp_t"),
                    f"int{8 * calcsize('P')}"),
    **dict.fromkeys(("int32", "int32_t", "npy_int32"), "int32"),
    **dict.fromkeys(("int64", "int64_t", "npy_int64"), "int64"),
}
WORDS_OF_TYPES = {word for name in NAMES for word in name.split()} | {
    "char", "short", "signed", "unsigned", "float", "complex", "_Complex", "struct"}


@dataclass(frozen=True, eq=False)
class CompiledFunction:
    """A C function that fastgd can call; `compiled` makes them."""

    address: int
    form: str  # "point", "block" or "pair"
    has_user_data: bool
    user_data: int  # an address, or 0
    owner: Any  # whatever must stay alive

    @property
    def signature(self):
        """As fastgd spells it."""
        return next(signature for signature, kind in SIGNATURES.items() if kind == (self.form, self.has_user_data))

    @property
    def symbol(self):
        """Its library and its name there, or its place if it has none, in all processes; None for code that was made by
        this process, and where the system does not tell."""
        import ctypes

        found = (ctypes.c_void_p * 4)()  # a Dl_info
        try:
            if not ctypes.CDLL(None).dladdr(ctypes.c_void_p(self.address), found):
                return None
        except (OSError, TypeError, AttributeError):
            return None
        library, base, name, start = found
        return (os.path.basename(ctypes.string_at(library)),
                ctypes.string_at(name) if start == self.address else self.address - (base or 0))

    def __repr__(self):
        user_data = f", user_data={self.user_data:#x}" if self.has_user_data else ""
        return f"<fastgd.compiled: {self.form} function, address={self.address:#x}{user_data}>"


def compiled(pointer, signature=None, user_data=None):
    """A C function that fastgd can minimize, from a pointer that does not say how to call it, or with user data.

    Pointers that say it need no `compiled`: `minimize`, `maximize` and `gradient` take them as they are. Those are
    ctypes functions with ``argtypes`` and ``restype``, cffi function pointers, what ``numba.cfunc`` makes, capsules
    named by their signature such as those in the ``__pyx_capi__`` of a Cython module, and
    ``scipy.LowLevelCallable``.

    Parameters
    ----------
    pointer : ctypes function or c_void_p, cffi pointer, PyCapsule, scipy.LowLevelCallable or numba CFunc
        The function. It is kept alive, but not the library that it is from.
    signature : str, optional
        How to call the function, see Notes. By default what the pointer itself says.
    user_data : ctypes or cffi pointer, or PyCapsule, optional
        What the function gets as its last argument; kept alive. By default what a capsule has as its context.

    Returns
    -------
    CompiledFunction
        To be passed as `fun` or `jac`. Its fields are ``address``, ``form``, ``has_user_data``, ``user_data`` and
        ``owner``.

    Raises
    ------
    TypeError
        If `pointer` or `user_data` is not a pointer: an integer, for example, does not say who keeps the function
        alive. Also if `pointer` is NULL.
    ValueError
        If the signature is missing or none of those below, or has no parameter for the `user_data`.

    See Also
    --------
    minimize, gradient

    Notes
    -----
    A function is called without the GIL, from several threads if `minimize` is, in one of these forms. Names of
    parameters, ``const`` and the spelling of integer types do not matter.

    - Of a point x of `n_dim` coordinates::

        double (int n_dim, double *x)
        double (int n_dim, double *x, void *user_data)

    - Of a block of points. It writes f, one value for each of the first `n_points` columns of x; a gradient, given as
      ``jac``, has the same form and writes an array like x instead. It returns 0, or anything else if it fails::

        int (intptr_t n_dim, intptr_t n_params, intptr_t n_points, intptr_t stride, const double *x,
             const double *params, double *f, void *user_data)

      Coordinate i of point j is ``x[i * stride + j]``. The `batch_args` of the problems come as `params`: the slice of
      each is flattened, one array after another, and number k of point j is ``params[k * stride + j]``.
    - Of a block, for values and gradients at once (``jac=True``): the same with ``double *f, double *g``.

    What a point function returns is believed. A function that can fail should be of the block form.

    Examples
    --------
    >>> import ctypes
    >>> import fastgd
    >>> @ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int, ctypes.POINTER(ctypes.c_double), ctypes.c_void_p)
    ... def distance(n_dim, x, center):  # for once in Python; usually a function in a library
    ...     return (x[0] - ctypes.cast(center, ctypes.POINTER(ctypes.c_double))[0])**2
    >>> center = ctypes.c_double(3.0)
    >>> function = fastgd.compiled(distance, user_data=ctypes.pointer(center))
    >>> round(float(fastgd.minimize(function, [0.0]).x[0]), 6)
    3.0

    A pointer that could be to anything:

    >>> pointer = ctypes.cast(distance, ctypes.c_void_p)
    >>> fastgd.compiled(pointer, "double (int, double *, void *)", ctypes.pointer(center)).form
    'point'
    """
    if signature is not None and not isinstance(signature, str):
        raise TypeError(f"signature must be a str, got {type(signature).__name__}")
    read = reader_of(pointer)
    if read is None:
        raise TypeError("a compiled function must be a pointer of ctypes or cffi, a PyCapsule, a "
                        f"scipy.LowLevelCallable or a numba CFunc, got {type(pointer).__name__}")
    address, declared, context = read(pointer)
    if not address:
        raise TypeError(f"a compiled function must not be NULL, got {pointer!r}")
    form, has_user_data = form_of(declared if signature is None else signature, pointer)
    data = context if user_data is None else as_data_address(user_data)
    if user_data is not None and not has_user_data:
        raise ValueError("user_data is given, but the compiled function does not take any")
    return CompiledFunction(address, form, has_user_data, data if has_user_data else 0, (pointer, user_data))


def recognize(fun):
    """A CompiledFunction if that is what `fun` is, in whatever guise; None if it is anything else.

    Some of the guises are callable: ask this before taking `fun` for a Python function.
    """
    if type(fun) is FunctionType:
        return None
    if type(fun) is CompiledFunction:
        return fun
    return None if reader_of(fun) is None else compiled(fun)


def reader_of(thing):
    """The function that reads pointers of this kind; None if it is no pointer.

    By the names of its class, so that no library is imported to find that a function is not of its kind.
    """
    for base in type(thing).__mro__:
        if base.__name__ in KINDS:
            package, read = KINDS[base.__name__]
            if str(base.__module__).partition(".")[0] == package:
                return read
    return None


def form_of(signature, pointer):
    """The form and whether the function gets user data, or a ValueError that lists what is accepted."""
    if signature is None:
        raise ValueError(f"the {type(pointer).__name__} does not say how to call the C function: set the restype and "
                         "argtypes of a ctypes function, or pass fastgd.compiled(pointer, signature=...) with one of "
                         f"{accepted()}")
    form = SPELLINGS.get(signature)
    if form is None:
        types = parse(signature)
        form = next((form for known, form in SIGNATURES.items() if parse(known) == types), None)
    if form is None:
        raise ValueError(f"the signature of a C function must be one of {accepted()}\ngot\n    {signature}")
    SPELLINGS[signature] = form
    return form


def accepted():
    return "".join(f"\n    {signature}" for signature in SIGNATURES)


def parse(signature):
    """The types of result and parameters, each by one name; None where it is not one of NAMES.

    Reads "double (int, double *)", "double f(int n, const double x[])", cffi's "double(*)(int, double *)" and numba's
    "float64(int32, CPointer(float64))".
    """
    text = signature.replace("__pyx_t_5numpy_", "")  # Cython's names for what it knows of NumPy
    text = re.sub(r"\bvoidptr\b", "void *", re.sub(r"CPointer\(([^()]*)\)", r"\1 *", text))  # numba's
    match = re.fullmatch(r"([^()]+)(?:\(\s*\*\s*\w*\s*\))?\s*\(([^()]*)\)\s*;?\s*", text)
    return match and tuple(parse_declaration(part) for part in (match[1], *match[2].split(",")))


def parse_declaration(text):
    """The type of "const double *x", with or without the name."""
    words = re.findall(r"\w+|\S", re.sub(r"\[\s*\w*\s*\]", "*", text))
    pointers = "*" * words.count("*")
    words = [word for word in words if word not in ("*", "const", "restrict", "__restrict", "__restrict__")]
    known = NAMES.get(" ".join(words))
    if known is None and words and words[-1].isidentifier() and words[-1] not in WORDS_OF_TYPES:
        known = NAMES.get(" ".join(words[:-1]))
    return known and known + pointers


# Each of these returns the address of a function, its signature or None, and the address of its user data.


def read_compiled_function(function):
    return function.address, function.signature, function.user_data


def read_ctypes_function(function):
    import ctypes

    if function._flags_ & ctypes._FUNCFLAG_PYTHONAPI:
        raise ValueError("a compiled function is called without the GIL: make it by ctypes.CDLL or ctypes.CFUNCTYPE "
                         "instead of ctypes.PyDLL or ctypes.PYFUNCTYPE")
    signature = None
    if function.argtypes is not None:
        signature = f"{c_name(function.restype)} ({', '.join(map(c_name, function.argtypes))})"
    return ctypes.cast(function, ctypes.c_void_p).value, signature, 0


def c_name(kind):
    """The C name of a ctypes type."""
    if kind is None:
        return "void"
    if hasattr(kind, "_dtype_"):  # a numpy.ctypeslib.ndpointer
        return f"{kind._dtype_ or 'void'} *"
    code = getattr(kind, "_type_", None)
    if isinstance(code, type):
        return f"{c_name(code)} *"
    return {"i": "int", "l": "long", "q": "long long", "d": "double", "P": "void *"}.get(code, kind.__name__)


def read_void_pointer(pointer):
    return pointer.value, None, 0


def read_cffi(pointer):
    from _cffi_backend import FFI  # type: ignore[import-untyped]

    ffi = FFI()
    kind = ffi.typeof(pointer)
    if kind.kind != "function" and kind.cname != "void *":
        raise TypeError(f"a compiled function must be a pointer to a function, got cffi's {kind.cname}")
    return int(ffi.cast("uintptr_t", pointer)), kind.cname if kind.kind == "function" else None, 0


def read_numba(function):
    signature = f"{function._sig.return_type} ({', '.join(map(str, function._sig.args))})"
    return function.address, signature, 0


def read_low_level_callable(function):
    return read_capsule(tuple.__getitem__(function, 0))  # its own __getitem__ raises


# By the name of the class: the package that it is from, and the function that reads its instances.
KINDS = {
    "CompiledFunction": ("fastgd", read_compiled_function),
    "CFuncPtr": ("_ctypes", read_ctypes_function),
    "c_void_p": ("ctypes", read_void_pointer),
    "_CDataBase": ("_cffi_backend", read_cffi),
    "CFunc": ("numba", read_numba),
    "LowLevelCallable": ("scipy", read_low_level_callable),
    "PyCapsule": ("builtins", read_capsule),
}


def as_data_address(user_data):
    """The address of what a function is to get as its user data."""
    for base in type(user_data).__mro__:
        place = (base.__module__, base.__name__)
        if place in (("ctypes", "c_void_p"), ("_ctypes", "_Pointer")):
            import ctypes

            return ctypes.cast(user_data, ctypes.c_void_p).value or 0
        if place == ("_cffi_backend", "_CDataBase"):
            from _cffi_backend import FFI

            if FFI().typeof(user_data).kind in ("pointer", "array"):
                return int(FFI().cast("uintptr_t", user_data))
        if place == ("builtins", "PyCapsule"):
            return read_capsule(user_data)[0]
    raise TypeError("user_data must be a pointer of ctypes or cffi or a PyCapsule (of an array: "
                    f"array.ctypes.data_as(ctypes.c_void_p)), got {type(user_data).__name__}")


def as_compiled_objective(fun, points, jac, batch_args, record_errors):
    """The core's objective of a CompiledFunction, and all functions that it calls.

    `jac` is None for differences, True, or what the user gave as the gradient.
    """
    gradient = as_compiled_gradient(fun, jac)
    functions = (fun,) if gradient is None else (fun, gradient)
    params = as_params(as_batch_args(batch_args, points), points)
    if fun.form == "point":
        if params is not None:
            raise ValueError("a C function of a point has no parameter for batch_args: they reach those of a block, "
                             "see fastgd.compiled")
        return CompiledPoint(fun.address, fun.has_user_data, fun.user_data, functions, points.n_dim), functions
    is_pair = fun.form == "pair"
    own = {"pair" if is_pair else "value": fun.address, "value_data": fun.user_data}
    if gradient is not None:
        own.update(gradient=gradient.address, gradient_data=gradient.user_data)
    return CompiledBlock(functions, points.n_dim, **own, params=params, record_errors=record_errors), functions


def as_compiled_gradient(fun, jac):
    """The gradient as a CompiledFunction, if it is one; an error if it does not go with the function."""
    if jac is True and fun.form != "pair":
        raise ValueError(f"jac=True takes a C function of the value and the gradient,\n    {PAIR}\n"
                         f"got\n    {fun.signature}")
    if jac is not True and fun.form == "pair":
        raise ValueError("fun is a C function of the value and the gradient, which goes with jac=True")
    if jac is None or jac is True:
        return None
    gradient = recognize(jac)
    if gradient is None:
        raise TypeError("fun is a compiled function: jac must be one too, or a difference; got "
                        f"{type(jac).__name__}")
    for name, function in (("jac", gradient), ("fun", fun)):
        if function.form != "block":
            raise ValueError(f"a compiled jac and its fun must be C functions of a block; {name} is one of the form "
                             f"{function.form!r}, {function.signature}")
    return gradient


def as_params(arrays, points):
    """The numbers of each problem as a row: the slice of each array in C order, one array after another."""
    if not arrays:
        return None
    rows = [as_real_array(array, f"batch_args[{number}]").reshape(points.n_problems, prod(array.shape[1:]))
            for number, array in enumerate(arrays)]
    return np.ascontiguousarray(np.concatenate(rows, axis=1, dtype=np.float64))  # of Fortran arrays it is one, too
