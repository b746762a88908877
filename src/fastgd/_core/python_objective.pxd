from cpython.object cimport PyObject
from cython cimport final

from .argument cimport Argument
from .objective cimport Block, Objective


cdef class PythonObjective(Objective):
    cdef object fun
    cdef object jac
    cdef tuple args
    cdef tuple batch_args
    cdef bint unpack
    cdef bint rows
    cdef bint record_errors
    cdef double sign
    cdef Py_ssize_t n_dim
    cdef Argument argument


@final
cdef class Pointwise(PythonObjective):
    cdef PyObject **stack        # one free slot, then the arguments of a vectorcall
    cdef Py_ssize_t n_arguments
    cdef list batch_slices
    cdef Py_ssize_t problem
    cdef Py_ssize_t reached      # which of the points of its pairs is evaluated
    cdef int select_problem(self, Py_ssize_t problem) except -1
    cdef object call(self, object function, const double *x, Py_ssize_t moved, double coordinate)
    cdef Py_ssize_t walk(self, Block *block, double *first, double *second) except -1
    cdef int evaluate_point(self, Block *block, int want, double *f, double *g) except -1


@final
cdef class Vectorized(PythonObjective):
    cdef bint lends
    cdef object problems
    cdef tuple batch_columns
    cdef int select_problems(self, Block *block) except -1
    cdef int evaluate_block(self, Block *block, int want, double *f, double *g) except -1
    cdef tuple arguments(self, Block *block)
    cdef int call(self, Block *block, int want, double *f, double *g) except -1
    cdef int move_points(self, Block *block) except -1
    cdef int load_columns(self, Block *block, object points, object problems, object columns) except -1
    cdef list find_failing(self, Block *block, int want, double *f, double *g, object points, object problems,
                           list columns)
    cdef int isolate(self, Block *block, int want, double *f, double *g, object error) except -1
