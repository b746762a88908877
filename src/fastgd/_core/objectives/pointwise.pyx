"""Objectives that are Python functions; those of one point."""
from cython cimport final, likely, unlikely
from cpython.float cimport PyFloat_AS_DOUBLE, PyFloat_Check
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.math cimport INFINITY
from libc.string cimport memset

from .argument cimport Argument, has_changed
from .objective cimport GRADIENT, VALUE, Outputs
from .returned cimport convert_value, copy_gradients, split_pair

import numpy as np

cdef extern from "evaluation/clock.h":
    double fastgd_seconds() noexcept nogil

cdef extern from "Python.h":
    size_t PY_VECTORCALL_ARGUMENTS_OFFSET
    object PyObject_Vectorcall(object function, PyObject **arguments, size_t n_arguments, PyObject *names)
    PyObject *PyFloat_FromDouble(double value)
    void Py_XDECREF(PyObject *thing)

# A float, too, but to find that out Python goes through its base classes.
cdef object FLOAT64 = np.float64


cdef inline double as_value(object result) except? -1.0:
    """The user's value of one point."""
    if likely(type(result) is FLOAT64 or PyFloat_Check(result)):
        return PyFloat_AS_DOUBLE(result)
    return convert_value(result)


# `Evaluation`, leaving it to the caller to look for the exception: a try statement costs 20 ns.
ctypedef int (*QuietEvaluation)(PythonObjective, Block *, int) noexcept nogil
ctypedef Py_ssize_t (*QuietWalk)(PythonObjective, Block *, double *, Py_ssize_t) noexcept nogil


cdef class PythonObjective(Objective):
    """What the two kinds have in common.

    `jac` is None, a function, or True when `fun` returns a pair of value and gradient.
    """

    def __cinit__(self, fun, Py_ssize_t n_dim, jac=None, tuple args=(), tuple batch_args=(), bint unpack=False,
                  bint record_errors=False, bint rows=False, int gradient_cost=0):
        self.needs_gil = True
        self.gradient_cost = gradient_cost
        self.supplies = VALUE if jac is None else VALUE | GRADIENT
        self.has_pairs = jac is True
        self.fun = fun
        self.jac = jac
        self.args = args
        self.batch_args = batch_args
        self.unpack = unpack
        self.record_errors = record_errors
        self.n_dim = n_dim
        self.rows = rows


cdef inline object call_moved(Pointwise self, object function, const double *x, Py_ssize_t moved, double coordinate):
    """The function at x, but for the coordinate `moved` (-1: none)."""
    cdef Py_ssize_t i
    if unlikely(self.unpack):
        return self.call_unpacked(function, x, moved, coordinate)
    if unlikely(self.header == NULL or has_changed(self.header)):
        self.renew_argument()
    for i in range(self.n_dim):
        self.point[i] = x[i]
    if moved >= 0:
        self.point[moved] = coordinate
    return PyObject_Vectorcall(function, self.stack + 1, self.n_arguments, NULL)


@final
cdef class Pointwise(PythonObjective):
    """A Python function of one point: `f(x)`, or `f(*x)` with Python floats when `unpack` is set."""

    def __cinit__(self):
        cdef Py_ssize_t i, n_slots, n_leading = self.n_dim if self.unpack else 1
        self.width = 1
        self.takes_points = True
        self.problem = -1
        self.first_batch_argument = 1 + n_leading + len(self.args)
        n_slots = self.first_batch_argument + len(self.batch_args)
        self.n_arguments = <size_t>(n_slots - 1) | PY_VECTORCALL_ARGUMENTS_OFFSET
        self.stack = <PyObject **>PyMem_Malloc(n_slots * sizeof(PyObject *))
        if self.stack == NULL:
            raise MemoryError
        memset(self.stack, 0, n_slots * sizeof(PyObject *))
        for i in range(len(self.args)):
            self.stack[1 + n_leading + i] = <PyObject *>self.args[i]

    def __dealloc__(self):
        PyMem_Free(self.stack)

    cdef int select_problem(self, Py_ssize_t problem) except -1:
        cdef Py_ssize_t i
        if problem == self.problem:
            return 0
        self.batch_slices = [values[problem] for values in self.batch_args]
        for i in range(len(self.batch_args)):
            self.stack[self.first_batch_argument + i] = <PyObject *>self.batch_slices[i]
        self.problem = problem
        return 0

    cdef int renew_argument(self) except -1:
        self.argument = Argument((self.n_dim,), True)
        self.stack[1] = <PyObject *>self.argument.array
        self.point = self.argument.data
        self.header = self.argument.headers
        return 0

    cdef object call_unpacked(self, object function, const double *x, Py_ssize_t moved, double coordinate):
        cdef Py_ssize_t i
        cdef PyObject **arguments = self.stack + 1
        for i in range(self.n_dim):
            arguments[i] = PyFloat_FromDouble(coordinate if i == moved else x[i])
        try:
            return PyObject_Vectorcall(function, arguments, self.n_arguments, NULL)
        finally:
            for i in range(self.n_dim):
                Py_XDECREF(arguments[i])

    cdef int evaluate_point(self, Block *block, int want) except -1:
        cdef Outputs out = block.out
        if self.batch_args:
            self.select_problem(block.problems[0] - block.first)
        self.reached = VALUE | GRADIENT
        if self.jac is True:
            value, gradient = split_pair(call_moved(self, self.fun, block.x, -1, 0.0))
            out.f[0] = as_value(value)
            copy_gradients(gradient, False, block)
            return VALUE | GRADIENT
        self.reached = VALUE
        if want & VALUE:
            out.f[0] = as_value(call_moved(self, self.fun, block.x, -1, 0.0))
        self.reached = want
        if want & GRADIENT:
            copy_gradients(call_moved(self, self.jac, block.x, -1, 0.0), False, block)
        return want

    cdef int evaluate(self, Block *block, int want) except -1 nogil:
        cdef int supplied = (<QuietEvaluation>evaluate_point)(self, block, want)
        if supplied < 0:
            return (<Evaluation>note_failure)(self, block, want)
        return supplied

    cdef Py_ssize_t walk(self, Block *block, double *coordinates, Py_ssize_t n_moves) except -1:
        """`evaluate_moved` from the point number `reached` on, up to an exception."""
        cdef Py_ssize_t i = self.reached // n_moves, k = self.reached % n_moves, point
        cdef double *place
        if self.batch_args:
            self.select_problem(block.problems[0] - block.first)
        for point in range(self.reached, n_moves * self.n_dim):
            if unlikely(block.deadline[0] < INFINITY and fastgd_seconds() > block.deadline[0]):
                return point
            self.reached = point
            place = coordinates + (k * self.n_dim + i) * block.stride
            place[0] = as_value(call_moved(self, self.fun, block.x, i, place[0]))
            k += 1
            if k == n_moves:
                k = 0
                i += 1
        return n_moves * self.n_dim

    cdef Py_ssize_t evaluate_moved(self, Block *block, double *coordinates, Py_ssize_t n_moves) except -1 nogil:
        cdef Py_ssize_t n_evaluated, failed
        cdef double *f = block.out.f
        self.reached = 0
        while True:
            n_evaluated = (<QuietWalk>walk)(self, block, coordinates, n_moves)
            if likely(n_evaluated >= 0):
                return n_evaluated
            failed = self.reached
            block.out.f = coordinates + (failed % n_moves * self.n_dim + failed // n_moves) * block.stride
            (<Evaluation>note_failure)(self, block, 0)
            block.out.f = f
            self.reached = failed + 1


cdef Py_ssize_t walk(PythonObjective objective, Block *block, double *coordinates, Py_ssize_t n_moves) except -1:
    return (<Pointwise>objective).walk(block, coordinates, n_moves)


cdef int evaluate_point(PythonObjective objective, Block *block, int want) except -1:
    return (<Pointwise>objective).evaluate_point(block, want)


cdef int pass_on() except -1:
    """Fails with the exception that is set already."""
    return -1


cdef int note_failure(PythonObjective objective, Block *block, int want) except -1:
    """Records an exception, if it is not to be raised, of a question or (want 0) of a moved point."""
    cdef Pointwise self = <Pointwise>objective
    try:
        pass_on()
    except Exception as error:
        if self.unpack and isinstance(error, (OverflowError, ZeroDivisionError)):
            pass  # how Python's floats say inf or nan
        elif self.record_errors:
            block.failed[0] = True
            block.n_failed = 1
        else:
            block.culprit = 0
            raise
        fill_nan(block, 0, self.supplies if want else VALUE)
        return self.reached if want else VALUE
