from cpython.object cimport PyObject
from cython cimport final

from .objective cimport Block, Objective


cdef struct Header:
    # What an array looked like when it was handed out.
    PyObject *array
    Py_ssize_t references
    void *data
    void *descr
    int n_axes
    int flags
    Py_ssize_t shape[2]
    Py_ssize_t strides[2]


@final
cdef class Argument:
    cdef readonly object array  # the owner of the memory
    cdef readonly tuple handed  # what the user's function gets: the array, its transpose, or its rows
    cdef double *data
    cdef Header *headers        # of the array, then of what is handed
    cdef Py_ssize_t n_headers
    cdef bint is_untouched(self) noexcept


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
