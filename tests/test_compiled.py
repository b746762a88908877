"""C functions as objectives: pointers of every kind, their signatures, and what they compute and may do wrong."""

import ctypes
import gc
import shutil
import signal
import subprocess
import sys
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import LowLevelCallable

import fastgd
from fastgd import Status, compiled, gradient, maximize, minimize
from fastgd._compiled import SIGNATURES, CompiledFunction, recognize

from .problems import bits

POINT, POINT_WITH_DATA, BLOCK, PAIR = SIGNATURES
CENTER = 1.5  # of the valley, unless user data or params say otherwise

SOURCE = """
#include <math.h>
#include <stdint.h>

static double term(int64_t i, double x, double c)
{
    double d = x - c;
    return (i + 1.0) * d * d + 0.25 * d * d * d * d;
}

static double slope(int64_t i, double x, double c)
{
    double d = x - c;
    return 2.0 * (i + 1.0) * d + d * d * d;
}

double point_with_data(int n, double *x, void *center)
{
    double c = center ? *(double *)center : 1.5, total = 0.0;
    for (int i = 0; i < n; i++)
        total += term(i, x[i], c);
    return total;
}

double point(int n, double *x) { return point_with_data(n, x, 0); }

#define PARAMETERS intptr_t n_dim, intptr_t n_params, intptr_t n_points, intptr_t stride, const double *x, \
    const double *params

/* The centers of all coordinates in params, or one for all in center. */
static double center_of(intptr_t i, intptr_t j, intptr_t n_params, intptr_t stride, const double *params, void *center)
{
    return n_params ? params[i * stride + j] : center ? *(double *)center : 1.5;
}

int pair(PARAMETERS, double *f, double *g, void *center)
{
    for (intptr_t j = 0; j < n_points; j++) {
        f[j] = 0.0;
        for (intptr_t i = 0; i < n_dim; i++) {
            double c = center_of(i, j, n_params, stride, params, center);
            f[j] += term(i, x[i * stride + j], c);
            g[i * stride + j] = slope(i, x[i * stride + j], c);
        }
    }
    return 0;
}

int block(PARAMETERS, double *f, void *center)
{
    for (intptr_t j = 0; j < n_points; j++) {
        f[j] = 0.0;
        for (intptr_t i = 0; i < n_dim; i++)
            f[j] += term(i, x[i * stride + j], center_of(i, j, n_params, stride, params, center));
    }
    return 0;
}

int block_gradient(PARAMETERS, double *g, void *center)
{
    for (intptr_t j = 0; j < n_points; j++)
        for (intptr_t i = 0; i < n_dim; i++)
            g[i * stride + j] = slope(i, x[i * stride + j], center_of(i, j, n_params, stride, params, center));
    return 0;
}

/* Fails where a coordinate is above 100. */
int failing(PARAMETERS, double *f, void *center)
{
    for (intptr_t j = 0; j < n_points; j++)
        for (intptr_t i = 0; i < n_dim; i++)
            if (x[i * stride + j] > 100.0 || x[i * stride + j] < -100.0)
                return x[i * stride + j] > 0.0 ? 7 : -1;
    return block(n_dim, n_params, n_points, stride, x, params, f, center);
}

int failing_pair(PARAMETERS, double *f, double *g, void *center)
{
    int status = failing(n_dim, n_params, n_points, stride, x, params, f, center);
    return status ? status : pair(n_dim, n_params, n_points, stride, x, params, f, g, center);
}

/* A bowl with something the matter, of that number, where x0 > 1. */
static double spoiled(int64_t kind, double x0, double bowl)
{
    if (kind == 5)
        return 5.0;
    if (kind == 6)
        return -x0 * x0 * x0;
    if (kind == 7)
        return 1e308 * bowl;
    if (!(x0 > 1.0))
        return bowl;
    return kind == 0 ? NAN : kind == 1 ? INFINITY : kind == 2 ? -INFINITY : kind == 3 ? bowl - 1e300 * x0 : 0.5 * bowl;
}

double spoiled_point(int n, double *x, void *kind)
{
    double bowl = 0.0;
    for (int i = 0; i < n; i++)
        bowl += x[i] * x[i];
    return spoiled(*(int64_t *)kind, x[0], bowl);
}

int spoiled_block(PARAMETERS, double *f, void *kind)
{
    for (intptr_t j = 0; j < n_points; j++) {
        double bowl = 0.0;
        for (intptr_t i = 0; i < n_dim; i++)
            bowl += x[i * stride + j] * x[i * stride + j];
        f[j] = spoiled(*(int64_t *)kind, x[j], bowl);
    }
    return 0;
}

int forgetful(PARAMETERS, double *f, void *center) { f[0] = 0.0; return 0; }

int forgetful_pair(PARAMETERS, double *f, double *g, void *center)
{
    return block(n_dim, n_params, n_points, stride, x, params, f, center);
}
"""

C_POINT = (ctypes.c_double, [ctypes.c_int, ctypes.POINTER(ctypes.c_double)])
C_POINT_WITH_DATA = (ctypes.c_double, [*C_POINT[1], ctypes.c_void_p])
C_BLOCK = (ctypes.c_int, [ctypes.c_ssize_t] * 4 + [ctypes.POINTER(ctypes.c_double)] * 3 + [ctypes.c_void_p])
C_PAIR = (ctypes.c_int, [ctypes.c_ssize_t] * 4 + [ctypes.POINTER(ctypes.c_double)] * 4 + [ctypes.c_void_p])
DECLARATIONS = {"point": C_POINT, "point_with_data": C_POINT_WITH_DATA, "pair": C_PAIR, "failing_pair": C_PAIR,
                "forgetful_pair": C_PAIR}

NAMES_OF_CAPSULES = []  # a capsule does not copy its name


def term(i, x, c):
    d = x - c
    return (i + 1.0) * d * d + 0.25 * d * d * d * d


def valley(x, center=CENTER):
    """What the C functions compute, in the same order."""
    total = 0.0
    for i in range(len(x)):
        total += term(i, x[i], center if np.ndim(center) == 0 else center[i])
    return total


def slopes(x, center=CENTER):
    d = x - center
    return 2.0 * np.arange(1.0, len(x) + 1.0) * d + d * d * d


@pytest.fixture(scope="session")
def path(tmp_path_factory):
    """A C library."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler")
    folder = tmp_path_factory.mktemp("library")
    (folder / "functions.c").write_text(SOURCE)
    target = folder / "functions.so"
    # without contraction: a fused multiply-add would give other bits than Python
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-ffp-contract=off", str(folder / "functions.c"), "-o",
                    str(target)], check=True)
    return str(target)


@pytest.fixture
def library(path):
    """The library as ctypes loads it; its functions are declared."""
    loaded = ctypes.CDLL(path)
    for name in ("point", "point_with_data", "block", "block_gradient", "pair", "failing", "failing_pair", "forgetful",
                 "forgetful_pair"):
        function = getattr(loaded, name)
        function.restype, function.argtypes = DECLARATIONS.get(name, C_BLOCK)
    return loaded


def address_of(function):
    return ctypes.cast(function, ctypes.c_void_p).value


def make_capsule(function, name, context=None):
    make = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p)
    set_context = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.py_object, ctypes.c_void_p)
    NAMES_OF_CAPSULES.append(name if name is None else name.encode())
    capsule = make(("PyCapsule_New", ctypes.pythonapi))(address_of(function), NAMES_OF_CAPSULES[-1], None)
    if context is not None:
        set_context(("PyCapsule_SetContext", ctypes.pythonapi))(capsule, context)
    return capsule


def as_callback(function, declaration=C_POINT):
    return ctypes.CFUNCTYPE(declaration[0], *declaration[1])(function)


def callback_of_point(library):
    return as_callback(lambda n, x: valley(x[:n]))


def callback_of_block(library):
    def block(n_dim, n_params, n_points, stride, x, params, f, user_data):
        for j in range(n_points):
            f[j] = valley([x[i * stride + j] for i in range(n_dim)])
        return 0

    return as_callback(block, C_BLOCK)


def load_by_cffi(path, declaration):
    ffi = pytest.importorskip("cffi").FFI()
    ffi.cdef(declaration)
    return ffi, ffi.dlopen(path)


def cffi_point(library):
    ffi, loaded = load_by_cffi(library._name, "double point(int n, double *x);")
    return ffi.addressof(loaded, "point")


def cffi_void_pointer(library):
    ffi, loaded = load_by_cffi(library._name, "double point(int n, double *x);")
    return compiled(ffi.cast("void *", ffi.addressof(loaded, "point")), POINT)


def cffi_block(library):
    ffi, loaded = load_by_cffi(library._name, BLOCK.replace("int (", "int block(") + ";")
    return ffi.addressof(loaded, "block")


def cffi_callback(library):
    ffi = pytest.importorskip("cffi").FFI()
    return ffi.callback("double(int, double *)", lambda n, x: valley([x[i] for i in range(n)]))


def numba_point(library):
    numba = pytest.importorskip("numba")
    types = numba.types

    @numba.cfunc(types.float64(types.intc, types.CPointer(types.float64)))
    def point(n, x):
        total = 0.0
        for i in range(n):
            d = x[i] - CENTER
            total += (i + 1.0) * d * d + 0.25 * d * d * d * d
        return total

    return point


def numba_block(library):
    numba = pytest.importorskip("numba")
    types = numba.types
    doubles = types.CPointer(types.float64)

    @numba.cfunc(types.intc(types.intp, types.intp, types.intp, types.intp, doubles, doubles, doubles, types.voidptr))
    def block(n_dim, n_params, n_points, stride, x, params, f, user_data):
        for j in range(n_points):
            f[j] = 0.0
            for i in range(n_dim):
                d = x[i * stride + j] - CENTER
                f[j] += (i + 1.0) * d * d + 0.25 * d * d * d * d
        return 0

    return block


def cython_capsule(library):
    """As a Cython module has it, under the name that Cython gives to `const double *`."""
    return make_capsule(library.point, "double (int, double const *)")


def from_cython(library):
    module = SimpleNamespace(__pyx_capi__={"point": cython_capsule(library)})
    return LowLevelCallable.from_cython(module, "point")


# Ways to pass the valley of CENTER. Each takes the library as ctypes loaded it.
KINDS = {
    "ctypes, point": lambda library: library.point,
    "ctypes, point with user data": lambda library: library.point_with_data,
    "ctypes, callback of a point": callback_of_point,
    "ctypes, callback of a block": callback_of_block,
    "ctypes, block": lambda library: library.block,
    "ctypes, void pointer": lambda library: compiled(ctypes.c_void_p(address_of(library.point)), POINT),
    "ctypes, not declared": lambda library: compiled(ctypes.CDLL(library._name).point, POINT),
    "cffi, point": cffi_point,
    "cffi, void pointer": cffi_void_pointer,
    "cffi, block": cffi_block,
    "cffi, callback": cffi_callback,
    "numba, point": numba_point,
    "numba, block": numba_block,
    "SciPy, ctypes": lambda library: LowLevelCallable(library.point),
    "SciPy, cffi": lambda library: LowLevelCallable(cffi_point(library)),
    "SciPy, Cython": from_cython,
    "SciPy, SciPy": lambda library: LowLevelCallable(LowLevelCallable(library.point)),
    "capsule, point": cython_capsule,
    "capsule, block": lambda library: make_capsule(library.block, BLOCK),
    "capsule without a name": lambda library: compiled(make_capsule(library.point, None), POINT),
    "compiled": lambda library: compiled(library.point),
    "compiled twice": lambda library: compiled(compiled(library.block)),
}


@pytest.fixture(params=KINDS)
def kind(request):
    return request.param


@pytest.fixture
def fun(kind, library):
    return KINDS[kind](library)


STARTS = np.random.default_rng(17).normal(size=(70, 3))
FIELDS = ("x", "fun", "jac", "nit", "status")


def assert_same(result, expected, fields=FIELDS):
    for field in fields:
        np.testing.assert_array_equal(result[field], expected[field], err_msg=field)


# What is recognized


def test_recognized_in_every_guise(fun, kind):
    function = recognize(fun)
    assert type(function) is CompiledFunction
    assert function.form == ("block" if "block" in kind or kind == "compiled twice" else "point")
    assert function.user_data == 0
    assert f"address={function.address:#x}" in repr(function)


def test_address_is_that_of_the_function(library):
    expected = address_of(library.point)
    for name in ("ctypes, point", "ctypes, void pointer", "ctypes, not declared", "cffi, point", "SciPy, ctypes",
                 "SciPy, Cython", "SciPy, SciPy", "capsule, point", "compiled"):
        assert recognize(KINDS[name](library)).address == expected, name


@pytest.mark.parametrize("thing", [
    valley, partial(valley), len, np.sin, SimpleNamespace(), np.ones(2), None, 3, "point", int, fastgd.Objective(),
    type("CFuncPtr", (), {"__call__": valley})(), type("PyCapsule", (), {"__module__": None})(),
])
def test_nothing_else_is_recognized(thing):
    assert recognize(thing) is None


def test_recognition_imports_nothing():
    script = ("import fastgd, sys; before = set(sys.modules)\n"
              "fastgd.minimize(lambda x: x[0] * x[0], [1.0])\n"
              "import fastgd._compiled; fastgd._compiled.recognize(fastgd)\n"
              "print(*(set(sys.modules) - before))")
    names = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout.split()
    assert not {name.partition(".")[0] for name in names} & {"ctypes", "_ctypes", "scipy", "numba", "cffi"}


@pytest.mark.parametrize(("spelling", "form"), [
    ("double (int, double *)", "point"),
    ("double(int,double*)", "point"),
    ("double (*)(int, double *)", "point"),
    ("double(* f)(int, const double *)", "point"),
    ("  double f ( int n , const double x[] ) ; ", "point"),
    ("double f(const int n, double const *const restrict x)", "point"),
    ("double (int32_t, double *)", "point"),
    ("double (__pyx_t_5numpy_int32_t, __pyx_t_5numpy_float64_t *)", "point"),
    ("float64(int32, float64*)", "point"),
    ("float64(intc, CPointer(float64))", "point"),
    ("float64(intc, CPointer(float64), voidptr)", "point"),
    ("double\n(int, double *, void *)", "point"),
    ("int32(int64, int64, int64, int64, float64*, float64*, float64*, void*)", "block"),
    ("int (Py_ssize_t, Py_ssize_t, ssize_t, ptrdiff_t, double const *, double const *, double *, void *)", "block"),
    ("int (npy_intp a, intptr_t b, intp c, npy_intp d, double *x, double *y, double *f, void *data)", "block"),
    ("int (intptr_t, intptr_t, intptr_t, intptr_t, double *, double *, double *, double *, void *)", "pair"),
])
def test_spellings(library, spelling, form):
    assert compiled(ctypes.c_void_p(address_of(library.point)), spelling).form == form
    assert recognize(make_capsule(library.point, spelling)).form == form


def test_integers_as_wide_as_a_pointer_are_the_same(library):
    """`long` is one of them on some systems, and `long long` on others."""
    wide = {size: name for name, size in (("long", ctypes.sizeof(ctypes.c_long)), ("long long", 8), ("int64_t", 8))}
    name = wide[ctypes.sizeof(ctypes.c_void_p)]
    assert compiled(ctypes.c_void_p(address_of(library.block)), BLOCK.replace("intptr_t", name)).form == "block"


@pytest.mark.parametrize("signature", [
    "double (double *, int)", "double (int, float *)", "float (int, double *)", "double (int, double)", "double (int)",
    "double (unsigned int, double *)", "double (int, double **)", "long double (int, double *)",
    "double *(int, double *)",
    "int (int, double *)", "double (int, double *, double *)", "double (int, double *, ...)", "double", "", "point",
    "double (long long, double *)", "double (int, long double *)", "double (int, struct point *)", "void ()",
    "double (int, double *), double (int, double *)", "double (int double, double *)", "double (int &, double *)",
    BLOCK.replace("int (", "double ("), BLOCK.replace("void *user_data", "double *user_data"),
    BLOCK.replace("intptr_t", "unsigned long"), BLOCK.replace("intptr_t", "size_t"), BLOCK.replace("intptr_t", "short"),
])
def test_wrong_signature_is_an_error_that_lists_what_is_accepted(library, signature):
    for make in (lambda: compiled(library.point, signature), lambda: recognize(make_capsule(library.point, signature))):
        with pytest.raises(ValueError, match="must be one of") as caught:
            make()
        assert all(f"\n    {accepted}" in str(caught.value) for accepted in SIGNATURES)
        assert str(caught.value).endswith(f"got\n    {signature}")


@pytest.mark.parametrize(("result", "parameters", "name"), [
    (ctypes.c_int, C_POINT[1], "int (int, double *)"),
    (None, C_POINT[1], "void (int, double *)"),
    (ctypes.c_double, [], "double ()"),
    (ctypes.c_double, [ctypes.c_uint, C_POINT[1][1]], "double (c_uint, double *)"),
    (ctypes.c_double, [ctypes.c_int, ctypes.POINTER(ctypes.c_float)], "double (int, c_float *)"),
    (ctypes.c_float, C_POINT[1], "c_float (int, double *)"),
    (ctypes.c_double, [ctypes.c_int, np.ctypeslib.ndpointer(np.float32)], "double (int, float32 *)"),
])
def test_wrong_declaration_of_a_ctypes_function(path, result, parameters, name):
    function = ctypes.CDLL(path).point
    function.restype, function.argtypes = result, parameters
    with pytest.raises(ValueError, match="must be one of") as caught:
        minimize(function, [1.0])
    assert str(caught.value).endswith(f"got\n    {name}")


@pytest.mark.parametrize("array", [np.ctypeslib.ndpointer(np.float64, ndim=1), ctypes.c_double * 3])
def test_arrays_in_a_declaration_are_pointers(path, array):
    function = ctypes.CDLL(path).point
    function.restype, function.argtypes = ctypes.c_double, [ctypes.c_int, array]
    assert recognize(function).form == "point"


def test_pointer_that_says_nothing_of_its_signature(path, library):
    pointers = (ctypes.CDLL(path).point, ctypes.c_void_p(address_of(library.point)), make_capsule(library.point, None))
    for pointer in pointers:
        for take in (compiled, lambda fun: minimize(fun, [1.0]), lambda fun: gradient(fun, [1.0]),
                     lambda fun: minimize(library.block, [1.0], jac=fun)):
            with pytest.raises(ValueError, match=r"pass fastgd\.compiled\(pointer, signature=\.\.\.\) with one of"):
                take(pointer)


def test_null_is_refused(library):
    nulls = [ctypes.c_void_p(), type(library.point)(), ctypes.CFUNCTYPE(*C_POINT[:1], *C_POINT[1])()]
    for null in nulls:
        with pytest.raises(TypeError, match="must not be NULL"):
            compiled(null, POINT)
    with pytest.raises(TypeError, match="must not be NULL"):
        minimize(nulls[-1], [1.0])


def test_cffi_null_and_data_are_refused():
    ffi = pytest.importorskip("cffi").FFI()
    for null in (ffi.NULL, ffi.cast("double(*)(int, double *)", 0)):
        with pytest.raises(TypeError, match="must not be NULL"):
            compiled(null, POINT)
    with pytest.raises(TypeError, match=r"a pointer to a function, got cffi's double\[2\]"):
        minimize(ffi.new("double[2]"), [1.0])


@pytest.mark.parametrize("thing", [140_000_000_000_000, 0, None, valley, "point", ctypes.c_double(1.0), np.ones(2)])
def test_what_is_no_pointer_is_refused(thing):
    with pytest.raises(TypeError, match=f"must be a pointer .* got {type(thing).__name__}"):
        compiled(thing, POINT)


def test_signature_must_be_text(library):
    with pytest.raises(TypeError, match="signature must be a str, got bytes"):
        compiled(library.point, POINT.encode())


def test_function_that_needs_the_gil_is_refused(path):
    function = ctypes.PyDLL(path).point
    function.restype, function.argtypes = C_POINT
    with pytest.raises(ValueError, match=r"without the GIL: make it by ctypes\.CDLL"):
        minimize(function, [1.0])


def test_compiled_function_cannot_be_changed(library):
    function = compiled(library.point)
    with pytest.raises(AttributeError):
        function.address = 0


# User data


def data_by_ctypes(center):
    return ctypes.pointer(center)


def data_as_void_pointer(center):
    return ctypes.cast(ctypes.pointer(center), ctypes.c_void_p)


def data_by_cffi(center):
    ffi = pytest.importorskip("cffi").FFI()
    return ffi.new("double *", center.value)


def data_in_a_capsule(center):
    return make_capsule(ctypes.pointer(center), "center")


@pytest.mark.parametrize("make", [data_by_ctypes, data_as_void_pointer, data_by_cffi, data_in_a_capsule])
def test_user_data_reaches_the_function(library, make):
    center = ctypes.c_double(-0.75)
    expected = minimize(valley, STARTS, args=center.value)
    for name in ("point_with_data", "block"):
        fun = compiled(getattr(library, name), user_data=make(center))
        assert fun.has_user_data
        assert f"user_data={fun.user_data:#x}" in repr(fun)
        assert_same(minimize(fun, STARTS), expected)


def test_user_data_of_low_level_callables_and_capsules(library):
    center = ctypes.c_double(-0.75)
    pointer = data_as_void_pointer(center)
    for fun in (
        LowLevelCallable(library.point_with_data, pointer),
        LowLevelCallable(make_capsule(library.point_with_data, POINT_WITH_DATA), pointer),
        make_capsule(library.point_with_data, POINT_WITH_DATA, pointer.value),
        LowLevelCallable(make_capsule(library.point_with_data, POINT_WITH_DATA, pointer.value)),
    ):
        assert recognize(fun).user_data == pointer.value
        assert minimize(fun, [0.0, 0.0]).x == pytest.approx([-0.75, -0.75], abs=1e-5)
    other = ctypes.c_double(0.25)
    fun = compiled(fun, user_data=ctypes.pointer(other))
    assert fun.user_data == ctypes.addressof(other)
    assert compiled(fun).user_data == fun.user_data


@pytest.mark.parametrize("data", [140_000_000_000_000, ctypes.c_double(1.0), np.ones(1), "data", ctypes.c_long(5)])
def test_user_data_must_be_a_pointer(library, data):
    with pytest.raises(TypeError, match=f"user_data must be a pointer .*, got {type(data).__name__}"):
        compiled(library.point_with_data, user_data=data)


def test_user_data_for_a_function_without(library):
    with pytest.raises(ValueError, match="does not take any"):
        compiled(library.point, user_data=ctypes.pointer(ctypes.c_double(1.0)))


def test_owners_live_as_long_as_the_compiled_function():
    class Center(ctypes.Structure):
        _fields_ = [("value", ctypes.c_double)]

    def make():
        def call(n, x, data):
            center = ctypes.cast(data, ctypes.POINTER(Center))[0].value
            return (x[0] - center) ** 2

        center = Center(0.5)
        return (compiled(as_callback(call, C_POINT_WITH_DATA), user_data=ctypes.pointer(center)), weakref.ref(call),
                weakref.ref(center))

    function, call, center = make()
    gc.collect()
    assert call() is not None
    assert center() is not None
    assert minimize(function, [0.0]).x == pytest.approx([0.5], abs=1e-6)
    again = compiled(function)
    del function
    gc.collect()
    assert minimize(again, [0.0]).x == pytest.approx([0.5], abs=1e-6)
    del again
    gc.collect()
    assert call() is None
    assert center() is None


# What is computed


def test_same_bits_as_in_python(fun):
    expected = minimize(valley, STARTS)
    assert expected.success.all()
    assert_same(minimize(fun, STARTS), expected)


def test_same_bits_one_by_one(fun):
    batch = minimize(fun, STARTS)
    for problem in (0, 1, 33, 69):
        assert_same(minimize(fun, STARTS[problem]), batch[problem])


@pytest.mark.parametrize("options", [
    {"method": "adam", "learning_rate": 0.1, "maxiter": 30},
    {"learning_rate": 0.01, "maxiter": 30, "keep_best": True},
    {"bounds": ([-2.0, -4.0, 0.0], [1.0, 4.0, np.inf]), "jac": fastgd.Difference(step=1e-4)},
    {"maxfev": 20, "gtol": 0.0},
])
@pytest.mark.parametrize("name", ["point", "block"])
def test_same_bits_with_options(library, name, options):
    starts = np.clip(STARTS, *options["bounds"]) if "bounds" in options else STARTS
    assert_same(minimize(getattr(library, name), starts, **options), minimize(valley, starts, **options))


def test_scalar_start(fun):
    result = minimize(fun, 0.25)
    assert_same(result, minimize(fun, [0.25]))
    assert result.x == pytest.approx(CENTER, abs=1e-5)


def test_gradient_by_differences(fun):
    np.testing.assert_array_equal(gradient(fun, STARTS), gradient(valley, STARTS))


def test_maximize_has_the_sign_of_the_function(fun):
    result = maximize(fun, STARTS, learning_rate=0.01, maxiter=3)
    assert_same(result, maximize(valley, STARTS, learning_rate=0.01, maxiter=3))
    assert (result.fun > [valley(x) for x in STARTS]).all()


def test_evaluations_are_counted():
    calls = []

    def count(n, x):
        calls.append(tuple(x[:n]))
        return valley(x[:n])

    result = minimize(as_callback(count), [0.0, 3.0])
    assert result.nfev == len(calls)


def test_analytic_gradient(library):
    result = minimize(library.block, STARTS, jac=library.block_gradient)
    expected = minimize(valley, STARTS, jac=slopes)
    assert result.success.all()
    assert_same(result, expected)
    np.testing.assert_array_equal(result.jac, [slopes(x) for x in result.x])


def test_gradient_has_user_data_of_its_own(library):
    center, other = ctypes.c_double(-1.0), ctypes.c_double(2.0)
    fun = compiled(library.block, user_data=ctypes.pointer(center))
    jac = compiled(library.block_gradient, user_data=ctypes.pointer(other))
    result = minimize(fun, [1.0, 1.0], jac=jac, learning_rate=0.1, maxiter=1)
    np.testing.assert_array_equal(result.x, 1.0 - 0.1 * slopes(np.ones(2), 2.0))
    assert result.fun == valley(result.x, -1.0)


def test_value_and_gradient_at_once(library):
    expected = minimize(library.block, STARTS, jac=library.block_gradient)
    assert_same(minimize(library.pair, STARTS, jac=True), expected)
    assert_same(maximize(library.pair, STARTS, jac=True, learning_rate=0.01, maxiter=3),
                maximize(library.block, STARTS, jac=library.block_gradient, learning_rate=0.01, maxiter=3))


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.int64, bool])
def test_batch_args_are_params(library, dtype):
    """Slices of any shape, one array after another: here the centers of three coordinates."""
    n = len(STARTS)
    first = (np.arange(n) % 2).astype(dtype)
    others = np.asfortranarray(np.random.default_rng(3).normal(size=(n, 1, 2)))
    centers = np.column_stack([first.astype(np.float64), others.reshape(n, 2)])
    expected = minimize(valley, STARTS, batch_args=(centers,))
    assert_same(minimize(library.block, STARTS, batch_args=(first, others)), expected)
    expected = minimize(valley, STARTS, jac=slopes, batch_args=(centers,))
    assert_same(minimize(library.block, STARTS, jac=library.block_gradient, batch_args=(first, others)), expected)
    assert_same(minimize(library.pair, STARTS, jac=True, batch_args=(first, others)), expected)
    np.testing.assert_array_equal(gradient(library.block, STARTS, batch_args=(first, others)),
                                  gradient(valley, STARTS, batch_args=(centers,)))


def test_params_of_one_problem_and_of_none(library):
    center = np.array([1.0, 2.0])
    assert minimize(library.block, [0.0, 0.0], batch_args=(center,)).x == pytest.approx(center, abs=1e-5)
    assert minimize(library.block, np.empty((0, 2)), batch_args=(np.empty((0, 2)),)).x.shape == (0, 2)
    # slices without numbers
    assert_same(minimize(library.block, STARTS, batch_args=(np.empty((len(STARTS), 0)),)), minimize(valley, STARTS))


def test_params_of_an_image(library):
    starts = STARTS.reshape(7, 10, 3)
    centers = np.random.default_rng(3).normal(size=(7, 10, 3))
    result = minimize(library.block, starts, batch_args=(centers,))
    np.testing.assert_allclose(result.x, centers, atol=1e-4)
    assert_same(minimize(library.block, starts[4, 5], batch_args=(centers[4, 5],)), result[4, 5])


@pytest.mark.parametrize("values", [
    np.full(len(STARTS), "a"), np.ones(len(STARTS), complex), np.array([None] * len(STARTS)),
    np.zeros(len(STARTS), "M8[s]"),
])
def test_params_must_be_numbers(library, values):
    with pytest.raises(TypeError, match=r"batch_args\[1\] must be real numbers, got dtype"):
        minimize(library.block, STARTS, batch_args=(np.ones(len(STARTS)), values))


def test_scipy_method_takes_compiled_functions(library):
    import scipy.optimize

    result = scipy.optimize.minimize(library.point, [0.0, 0.0], method=fastgd.scipy_method())
    assert result.x == pytest.approx([CENTER, CENTER], abs=1e-5)


# What does not go together


@pytest.mark.parametrize(("options", "name"), [
    ({"args": 3.0}, "args"),
    ({"args": np.ones(2)}, "args"),
    ({"vectorized": True}, "vectorized"),
    ({"vectorized": "rows"}, "vectorized"),
    ({"unpack": True}, "unpack"),
])
def test_options_that_would_change_the_call(fun, options, name):
    for solver in (minimize, maximize, gradient):
        with pytest.raises(TypeError, match=f"compiled function, which is used as it is: it does not go with {name}"):
            solver(fun, STARTS, **options)


def test_point_function_gets_no_batch_args(library):
    with pytest.raises(ValueError, match="no parameter for batch_args"):
        minimize(library.point, STARTS, batch_args=(STARTS,))


def test_batch_args_that_are_not_the_batch(library):
    with pytest.raises(ValueError, match=r"expected \(70, ...\), got \(3,\)"):
        minimize(library.block, STARTS, batch_args=(np.ones(3),))


def test_both_functions_must_be_compiled(library):
    with pytest.raises(TypeError, match="jac must be one too"):
        minimize(library.block, STARTS, jac=slopes)
    for vectorized in (False, True):
        with pytest.raises(TypeError, match="jac is a compiled function, and fun a Python function"):
            minimize(valley, STARTS, jac=library.block_gradient, vectorized=vectorized)
    with pytest.raises(TypeError, match="jac must be"):
        minimize(library.block, STARTS, jac=3)
    with pytest.raises(TypeError, match="does not go with jac"):
        minimize(fastgd.Objective(), STARTS, jac=make_capsule(library.block_gradient, BLOCK))


@pytest.mark.parametrize(("fun", "jac", "message"), [
    ("block", "point", "jac is one of the form 'point'"),
    ("block", "pair", "jac is one of the form 'pair'"),
    ("point", "block_gradient", "fun is one of the form 'point'"),
    ("block", True, r"(?s)jac=True takes .*double \*g.*got"),
    ("point", True, r"(?s)jac=True takes .*double \*g.*got"),
    ("pair", None, "goes with jac=True"),
    ("pair", "block_gradient", "goes with jac=True"),
])
def test_forms_that_do_not_go_together(library, fun, jac, message):
    jac = getattr(library, jac) if isinstance(jac, str) else jac
    with pytest.raises(ValueError, match=message):
        minimize(getattr(library, fun), STARTS, jac=jac)


def test_gradient_of_a_pair_is_refused(library):
    with pytest.raises(ValueError, match="goes with jac=True"):
        gradient(library.pair, STARTS)


# What goes wrong


@pytest.mark.parametrize(("name", "jac"), [("failing", None), ("failing_pair", True)])
@pytest.mark.parametrize("status", [7, -1])
def test_status_is_an_exception_of_that_problem(library, name, jac, status):
    fun = getattr(library, name)
    starts = STARTS.copy()
    starts[[12, 57], 1] = 1000.0 if status > 0 else -1000.0
    with pytest.raises(RuntimeError, match=rf"returned status {status}\b") as caught:
        minimize(fun, starts, jac=jac)
    assert "problem 12 at iteration 0" in caught.value.__notes__[0]
    result = minimize(fun, starts, jac=jac, on_error="record")
    assert (result.status[[12, 57]] == Status.EXCEPTION).all()
    others = np.setdiff1d(np.arange(len(starts)), [12, 57])
    expected = minimize(library.block if jac is None else library.pair, STARTS, jac=jac)
    for field in FIELDS:
        np.testing.assert_array_equal(result[field][others], expected[field][others])


def writing_callback(first):
    """A point function that uses its argument as scratch from its call number `first` on."""
    n_calls = 0

    @ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int, ctypes.POINTER(ctypes.c_double))
    def fun(n, x):
        nonlocal n_calls
        n_calls += 1
        total = sum((x[i] - i) * (x[i] - i) for i in range(n))
        for i in range(n * (n_calls > first)):
            x[i] -= 1.0
        return total

    return fun


@pytest.mark.parametrize("options", [{}, {"method": "adam", "learning_rate": 0.1}, {"bounds": (-1, 2)}], ids=str)
def test_point_function_that_writes_into_its_argument(options):
    """It may: the signature that SciPy has does not forbid it."""
    x0 = np.linspace(-1, 1, 12).reshape(4, 3)
    honest = writing_callback(10**9)
    result, expected = (minimize(fun, x0, maxiter=30, **options) for fun in (writing_callback(0), honest))
    assert bits(result) == bits(expected)
    assert np.array_equal(gradient(writing_callback(0), x0), gradient(honest, x0))


def test_point_function_that_begins_to_write_into_its_argument():
    """What it has written into would have been used again."""
    with pytest.raises(RuntimeError, match="has written into its argument"):
        minimize(writing_callback(50), np.ones((20, 3)))


@pytest.mark.parametrize(("name", "jac"), [("forgetful", None), ("forgetful_pair", True)])
@pytest.mark.parametrize("on_error", ["raise", "record"])
def test_output_that_was_not_written(library, name, jac, on_error):
    with pytest.raises(RuntimeError, match="left an output unwritten"):
        minimize(getattr(library, name), STARTS, jac=jac, on_error=on_error)


def test_gradient_that_was_not_written(library):
    with pytest.raises(RuntimeError, match="left an output unwritten"):
        minimize(library.block, STARTS, jac=library.forgetful)


def spoiled(kind, x):
    """What `spoiled_point` computes, in the same order."""
    bowl = 0.0
    for c in x.tolist():
        bowl += c * c
    if kind == 5:
        return 5.0
    if kind == 6:
        return -x[0] * x[0] * x[0]
    if kind == 7:
        return 1e308 * bowl
    if not x[0] > 1.0:
        return bowl
    return {0: np.nan, 1: np.inf, 2: -np.inf, 3: bowl - 1e300 * x[0]}.get(kind, 0.5 * bowl)


WAYS = [{}, {"learning_rate": 0.3}, {"learning_rate": 3.0}, {"method": "adam", "learning_rate": 0.5},
        {"learning_rate": 0.3, "keep_best": True}, {"ftol": 1e-3}, {"xtol": 1e-3}, {"ftarget": 1.0}, {"maxfev": 17},
        {"bounds": (-2.0, 3.0)}]


@pytest.mark.parametrize("options", WAYS, ids=str)
@pytest.mark.parametrize("kind", range(8), ids=["nan", "inf", "-inf", "abyss", "step", "constant", "cubic", "overflow"])
@pytest.mark.parametrize("form", ["point", "block"])
def test_values_of_every_sort_end_as_they_do_in_python(path, form, kind, options):
    """Starts and points where a function is not finite, constant or without a minimum: statuses, counts and bits."""
    function = getattr(ctypes.CDLL(path), f"spoiled_{form}")
    function.restype, function.argtypes = {"point": C_POINT_WITH_DATA, "block": C_BLOCK}[form]
    fun = compiled(function, user_data=ctypes.pointer(ctypes.c_int64(kind)))
    x0 = np.random.default_rng(kind).uniform(-2.0, 3.0, (33, 3))
    with np.errstate(all="ignore"):
        expected = minimize(partial(spoiled, kind), x0, maxiter=60, **options)
    for starts in (x0, x0[:1], x0[5]):
        result = minimize(fun, starts, maxiter=60, **options)
        which = slice(None) if starts is x0 else slice(0, 1) if starts.ndim == 2 else 5
        for field in ("x", "fun", "jac", "nit", "nfev", "status"):
            if field == "nfev" and kind == 7 and options.get("learning_rate") == 3.0:
                continue  # the next point is at infinity, where a Python function of one point is not called
            assert np.array_equal(result[field], expected[field][which], equal_nan=True), field
    if kind in (0, 1) and not options:
        assert {Status.NONFINITE, Status.GTOL} <= set(expected.status.tolist())
    if kind == 2 and not options:
        assert Status.UNBOUNDED in expected.status


def test_same_answers_on_several_threads(library):
    expected = minimize(valley, STARTS)
    with ThreadPoolExecutor(4) as pool:
        for result in pool.map(lambda fun: minimize(fun, STARTS), [library.point, library.block] * 4):
            assert_same(result, expected)


def test_interrupt_ends_a_run():
    """Ctrl-C reaches a run that would not end by itself and never enters Python."""
    program = ("import fastgd, numpy\nprint('begins', flush=True)\n"
               "fastgd.minimize(fastgd.functions.sphere.compiled, numpy.ones((100, 3)), learning_rate=1e-12, gtol=0, "
               "maxiter=10**12)")
    with subprocess.Popen([sys.executable, "-c", program], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:
        try:
            assert process.stdout.readline() == "begins\n"
            time.sleep(0.2)  # the run has begun by then; if not, the interrupt comes a moment earlier
            process.send_signal(signal.SIGINT)
            errors = process.communicate(timeout=30)[1]
        finally:
            process.kill()
    assert errors.rstrip().endswith("KeyboardInterrupt")


def test_calls_are_counted_when_the_time_is_over():
    """Those of every lane, however far its stencil has come."""
    calls = []

    @ctypes.CFUNCTYPE(ctypes.c_double, ctypes.c_int, ctypes.POINTER(ctypes.c_double))
    def slow(n_dim, x):
        calls.append(x[0])
        if len(calls) == 72 + 6:  # in the stencil of the second of eight problems, in their second iteration
            time.sleep(0.6)
        return x[0] ** 2 + x[1] ** 2

    result = minimize(slow, np.full((8, 2), 0.5), method="adam", maxtime=0.5)
    assert set(result.status) == {Status.MAXTIME}
    assert result.nfev.tolist() == [13, 13, 9, 9, 9, 9, 9, 9]  # 4 + 1 + 4 at the start, where f is known then
    assert len(calls) == 80
