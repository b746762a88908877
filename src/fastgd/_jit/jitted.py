"""jit: an objective that compiles itself when it is first minimized."""

import functools
import importlib.util
import inspect
import math
import pickle
import sys
import time
import warnings
from _thread import RLock
from contextlib import suppress

import numpy as np

from .._compiled import as_params
from .._core.objectives.compiled import CompiledBlock
from .._inputs import as_batch_args, as_calling_form, as_flag
from .keys import key_of, magnitude

#: How far from a start another point is at which kernels are checked, coordinate by coordinate: by no round numbers.
OFFSETS = np.array([0.0137, -0.0263, 0.0419, -0.0071, 0.0317])
#: How many values of `args` stay compiled: the machine code of one takes a megabyte or more.
MOST_KEPT = 32


def jit(fun=None, *, vectorized=False, unpack=False, libm=False):
    """Compiles a function that is written for NumPy, so that `minimize` runs it without Python.

    The function is called once with symbols in the place of numbers, which note what is done to them. From these
    operations come kernels for many points at once, and differences that repeat only the operations that a coordinate
    enters: the gradient of a sum of many terms, each of few coordinates, costs a few evaluations instead of twice as
    many as there are coordinates. All that happens when it is first minimized, or its gradient is taken, and again for
    another number of dimensions, other `args` (the last 32 are kept), and other shapes of `batch_args`.

    It needs numba: ``pip install "fastgd[jit]"``.

    Parameters
    ----------
    fun : callable
        As for `minimize`: ``fun(x, *args, *batch_args) -> float``. What it reads besides, such as global variables,
        is taken to be constant.
    vectorized : bool or "rows", default False
        Whether `fun` takes many points in a call, as for `minimize`.
    unpack : bool, default False
        Whether it is called as ``fun(*x)``.
    libm : bool, default False
        Use the exp, log, sin and so on of the C library instead of our own, which work on several numbers at once and
        are within 2 units in the last place.

    Returns
    -------
    Jitted
        To be passed as `fun`; `vectorized` and `unpack` are then not given again. Called, it is `fun` itself. Used as
        a decorator, ``@fastgd.jit`` or ``@fastgd.jit(vectorized=True)``.

        Its attributes are

        - ``kind``: how it was last compiled. "traced"; "compiled": by numba as it is written, because it branches on
          values, for example; "vectorized" or "pointwise": not at all, then a RuntimeWarning tells why. None before.
        - ``compile_time``: how long that has taken, in seconds, for everything so far.

    Raises
    ------
    TypeError, ValueError
        If `fun` is not callable or an option is none of the above.

    See Also
    --------
    minimize, compiled

    Notes
    -----
    Every kernel is compared with the function itself before it is used, at some of the points to start from and at
    others near them, inside the bounds; these calls do not count in ``nfev``. The values may differ from NumPy's in the
    last bits, because NumPy's own exp, sin and so on do, and because long sums are added in another order. Differences
    of a coordinate whose pair does not fit into the bounds, or that are not finite, are taken from values.

    ``jac="exact"`` asks `minimize` for exact gradients of a traced function, by reverse accumulation [1]_ over the same
    operations. `fun` must then be differentiable.

    Messages at level DEBUG go to the logger "fastgd".

    References
    ----------
    .. [1] A. Griewank, A. Walther, "Evaluating Derivatives", 2nd edition, SIAM, 2008.

    Examples
    --------
    >>> import fastgd, numpy as np
    >>> @fastgd.jit
    ... def rosenbrock(x):
    ...     return np.sum(100.0 * (x[1:] - x[:-1]**2)**2 + (1.0 - x[:-1])**2)
    >>> starts = np.random.default_rng(0).uniform(-2.0, 2.0, (1000, 4))
    >>> result = fastgd.minimize(rosenbrock, starts, maxiter=10_000)
    >>> bool(result.success.all()), rosenbrock.kind
    (True, 'traced')
    >>> rosenbrock(np.array([1.0, 1.0, 1.0]))
    np.float64(0.0)
    """
    unpack, libm = as_calling_form(vectorized, unpack), as_flag(libm, "libm")
    if fun is None:
        return functools.partial(jit, vectorized=vectorized, unpack=unpack, libm=libm)
    if not callable(fun):
        raise TypeError(f"fun must be callable, got {type(fun).__name__}")
    return Jitted(fun, vectorized, unpack, libm)


class Jitted:
    """A function that is compiled when it is first minimized; `jit` makes them."""

    def __init__(self, fun, vectorized, unpack, libm):
        self.fun = fun
        self.vectorized = vectorized
        self.unpack = unpack
        self.libm = libm
        self.kind = None
        self.compile_time = 0.0
        self._specializations = {}  # by args, those used last at the end
        self._lock = RLock()  # chunks are solved by several threads
        self._latest = None, {}  # args that are no key, and what was compiled with them
        functools.update_wrapper(self, fun, updated=())

    def __call__(self, *args, **kwargs):
        return self.fun(*args, **kwargs)

    def __repr__(self):
        kind = "not compiled yet" if self.kind is None else f"{self.kind}, {self.compile_time:.2f} s"
        return f"<fastgd.jit of {getattr(self.fun, '__qualname__', self.fun)}: {kind}>"

    def __reduce__(self):
        name = getattr(self.fun, "__qualname__", "")
        module = sys.modules.get(getattr(self.fun, "__module__", None))
        if name.isidentifier() and getattr(module, name, None) is self and (
                module.__name__ != "__main__" or importlib.util.find_spec("cloudpickle") is None):
            return name  # decorated: its name stands for this object, not for the function
        return unpickled, (portable(self.fun), self.vectorized, self.unpack, self.libm)

    def objective(self, points, args, jac, batch_args, record_errors, bounds, hessian=False):
        """The core's objective for these points; None if it is to be called as Python.

        With `hessian` it has exact Hessians, if the function is traced and they do not take too long to compile.
        """
        if jac is not None and jac != "exact":
            raise TypeError("jac of a jitted function must be '3-point', 'exact' or a fastgd.Difference, got "
                            f"{type(jac).__name__}")
        arrays = as_batch_args(batch_args, points)
        calling = Calling(self.fun, self.vectorized, self.unpack, args, scalar=not points.shape)
        made = self._specialization(calling, points, arrays, bounds)
        self.kind = made.kind
        if jac == "exact" and made.kind != "traced":
            raise ValueError(f"jac='exact' takes a function that can be traced; this one is {made.kind}, because "
                             f"{made.reason}")
        if not made.value:
            return None
        gradient = self._timed(made.exact_gradient) if jac == "exact" else 0
        return CompiledBlock(made, points.n_dim, value=made.value, gradient=gradient,
                             differences=0 if gradient else made.differences,
                             hessian=self._timed(made.exact_hessian) if hessian and made.kind == "traced" else 0,
                             params=as_params(arrays, points), record_errors=record_errors,
                             fun=lambda x, problem: calling.number(np.array(x), [array[problem] for array in arrays]))

    def _specialization(self, calling, points, arrays, bounds):
        key = points.n_dim, calling.unpack, calling.scalar, tuple(
            (array.shape[1:], array.dtype, magnitude(array)) for array in arrays)
        kept = self._kept(calling.args)
        made = kept.get(key)
        if made is None:
            made = kept[key] = self._timed(lambda: specialize(calling, points, arrays, bounds, self.libm))
        return made

    def _timed(self, make):
        """Calls `make` and adds the time it takes to that of compiling."""
        begin = time.perf_counter()
        made = make()
        self.compile_time += time.perf_counter() - begin
        return made

    def _kept(self, args):
        """What was compiled with args like these; with those that may have changed since then, in this very call."""
        key = key_of(args)
        if key is not None:
            with self._lock:
                kept = self._specializations.pop(key, {})
                self._specializations[key] = kept  # the last one
                if len(self._specializations) > MOST_KEPT:
                    del self._specializations[next(iter(self._specializations))]
            return kept
        latest = self._latest
        if latest[0] is not args:
            latest = self._latest = (args, {})
        return latest[1]


def unpickled(fun, vectorized, unpack, libm):
    return Jitted(pickle.loads(fun) if isinstance(fun, bytes) else fun, vectorized, unpack, libm)


def portable(fun):
    """The function, or if that cannot be pickled by its name what cloudpickle makes of it."""
    try:
        pickle.dumps(fun)
    except Exception:  # an AttributeError, a PicklingError or what else the function's class raises
        try:
            import cloudpickle  # type: ignore[import-untyped, import-not-found]
        except ImportError:
            return fun  # pickle says what is wrong with it
        return cloudpickle.dumps(fun)
    return fun


class Calling:
    """How a function is called with one point; `scalar` where x0 is a number."""

    def __init__(self, fun, vectorized, unpack, args, scalar=False):
        self.fun = fun
        self.vectorized = vectorized
        self.unpack = unpack or scalar
        self.scalar = scalar
        self.args = args

    def __call__(self, x, data, n_columns=1):
        """The value at a point (n_dim,), where the problem's own data are these arrays; in several equal columns, if
        the function is vectorized."""
        if self.vectorized:
            axis = 0 if self.vectorized == "rows" else -1
            x, *data = (np.repeat(np.expand_dims(array, axis), n_columns, axis) for array in (x, *data))
        else:
            data = [array[()] for array in data]  # numbers, where they have no axes
            if self.unpack and x.dtype == float:
                x = x.tolist()  # Python's floats, as in the loop
        return self.fun(*(x if self.unpack else (x,)), *self.args, *data)

    def number(self, x, data):
        """The same as a float; of a copy of x, and of data that cannot be written to."""
        n_columns = len(x) + 1  # so that the axes cannot be mistaken for each other
        with np.errstate(all="ignore"):
            value = np.asarray(self(x.copy(), data, n_columns))
        if value.shape != (n_columns,) if self.vectorized else value.size != 1:
            raise ValueError(f"the function returned an array of shape {value.shape}")
        return float(value.item(0))


class Specialization:
    """A function compiled for points of some number of dimensions.

    Attributes
    ----------
    kind, reason : str
        How it is compiled, and why not better.
    value, differences : int
        Addresses of its kernels, 0 where there is none.
    """

    def __init__(self, kind, reason="", value=0, differences=0, owners=(), graph=None, libm=False):
        self.kind = kind
        self.reason = reason
        self.value = value
        self.differences = differences
        self.owners = list(owners)
        self.graph = graph
        self.libm = libm
        self._gradient = 0
        self._hessian = None  # not tried yet

    def exact_gradient(self):
        """The address of the kernel of exact gradients."""
        if not self._gradient:
            from . import codegen, machine, reverse

            graph, slopes = reverse.gradient(self.graph)
            library = machine.Library(codegen.gradient_kernel(graph, slopes, codegen.WIDTH, self.libm))
            self.owners.append(library)
            self._gradient = library.address("gradient")
        return self._gradient

    def exact_hessian(self):
        """The address of the kernel of exact Hessians; 0 if it would take too long to compile."""
        if self._hessian is None:
            from . import codegen, machine, reverse
            from .graph import Refusal

            address = 0
            try:
                graph, entries = reverse.hessian(self.graph, codegen.MOST_LINES)
                library = machine.Library(codegen.hessian_kernel(graph, entries, codegen.WIDTH, self.libm))
            except (Refusal, codegen.KernelTooLongError) as error:
                log("no exact Hessians: %s", error)
            else:
                self.owners.append(library)
                address = library.address("hessian")
            self._hessian = address
        return self._hessian


def specialize(calling, points, arrays, bounds, libm):
    """The best of what can be made of a function: traced, compiled as it is written, or left as it is."""
    rows = points.sample_rows()
    samples = [(points.rows[row].astype(float), [array[row] for array in arrays]) for row in rows]
    reasons = []
    try:
        require_llvm()
        expected = [calling.number(*sample) for sample in samples]
        again = [calling.number(*sample) for sample in samples]
        if not np.array_equal(expected, again, equal_nan=True):
            raise ValueError("it returned different values at the same point")
        for row, (x, data) in zip(rows, samples[:], strict=True):
            lower, upper = (None if side is None else side[row] for side in bounds)
            x = near(x, -np.inf if lower is None else lower, np.inf if upper is None else upper)
            with suppress(Exception):  # nobody has asked for this point
                expected.append(calling.number(x, data))
                samples.append((x, data))
        if any(array.dtype not in (np.float64, np.int64, np.bool_) for array in arrays):
            raise TypeError("batch_args are neither float64 nor int64, with which NumPy calculates in another way")
        if math.inf in map(magnitude, arrays):
            raise ValueError("batch_args hold integers beyond 2^53, which are no floats")
        attempts = (traced, compiled_as_written)
    except Exception as error:  # an exception of the user's function comes again, when it is minimized
        attempts = ()
        reasons.append(describe(error))
    for attempt in attempts:
        try:
            made = attempt(calling, points.n_dim, arrays, libm, samples, expected)
        except Exception as error:  # of the function on symbols, of LLVM, of numba: there is always a next attempt
            reasons.append(describe(error))
            log("%s: not %s: %s", calling.fun, attempt.__name__.replace("_", " "), reasons[-1])
        else:
            made.reason = "; ".join(reasons)
            log("%s: %s for %d dimensions", calling.fun, made.kind, points.n_dim)
            return made
    kind = "vectorized" if calling.vectorized else "pointwise"
    warnings.warn(f"{getattr(calling.fun, '__qualname__', calling.fun)} is not compiled, but called as Python "
                  f"({kind}): {'; '.join(reasons)}", RuntimeWarning, stacklevel=caller_level())
    return Specialization(kind, "; ".join(reasons))


def near(x, lower, upper):
    """A point beside a start, whose coordinates may all be whole numbers or zeros and hide what happens to others."""
    moved = x + np.resize(OFFSETS, len(x)) * np.maximum(1.0, abs(x))
    return np.where((lower <= moved) & (moved <= upper), moved, x)


def require_llvm():
    try:
        import llvmlite  # type: ignore[import-untyped, import-not-found]  # noqa: F401
    except ImportError:
        raise ImportError('it takes numba: pip install "fastgd[jit]"') from None


def traced(calling, n_dim, arrays, libm, samples, expected):
    from . import codegen, machine, reverse, trace

    graph = trace.trace(calling, n_dim, [array.shape[1:] for array in arrays], [array.dtype for array in arrays],
                        [magnitude(array) for array in arrays])
    values = machine.Library(codegen.value_kernel(graph, codegen.WIDTH, libm))
    made = Specialization("traced", value=values.address("value"), owners=[values], graph=graph, libm=libm)
    for (x, data), value in zip(samples, expected, strict=True):
        by_graph, error = reverse.rounding_error(graph, x, flat(data))
        tolerance = 64.0 * error if math.isfinite(error) else 1e-9 * abs(value)
        require_equal(machine.value_at(made.value, x, flat(data)), value, tolerance)
        require_equal(by_graph, value, tolerance)
    try:
        differences = machine.Library(codegen.difference_kernel(graph, n_dim, codegen.WIDTH, libm))
    except codegen.KernelTooLongError as error:
        log("%s: differences by values: %s", calling.fun, error)
    else:
        made.differences = differences.address("differences")
        made.owners.append(differences)
    return made


def compiled_as_written(calling, n_dim, arrays, libm, samples, expected):
    from . import as_written, machine

    for form in as_written.forms(calling, n_dim):
        try:
            function = as_written.kernel(calling, form, n_dim, [array.shape[1:] for array in arrays],
                                         [array.dtype for array in arrays])
            for (x, data), value in zip(samples, expected, strict=True):
                require_equal(machine.value_at(function.address, x, flat(data)), value, 1e-9 * abs(value) + 1e-300)
        except Exception as error:  # numba has many, and the last one is told
            failure = error
            log("%s: not as %s: %s", calling.fun, form, describe(error))
        else:
            return Specialization("compiled", value=function.address, owners=[function])
    raise failure


def flat(data):
    """As the kernels take them."""
    return np.concatenate([np.ravel(array) for array in data] or [[]]).astype(float)


def require_equal(found, expected, tolerance):
    close = abs(found - expected) <= tolerance if np.isfinite(expected) else False
    if not (close or found == expected or (np.isnan(found) and np.isnan(expected))):
        raise ValueError(f"the kernel returned {found} where the function returns {expected}")


def describe(error):
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"


def caller_level():
    """Of the first frame that is not fastgd's."""
    level, frame = 1, inspect.currentframe()
    while frame is not None and frame.f_globals.get("__name__", "").partition(".")[0] == "fastgd":
        frame = frame.f_back
        level += 1
    return level - 1


def log(message, *details):
    import logging

    logging.getLogger("fastgd").debug(message, *details)
