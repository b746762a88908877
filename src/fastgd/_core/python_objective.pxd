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
    cdef Py_ssize_t reached      # which of the points of its pairs is evaluated; or what has been asked of functions
    cdef int select_problem(self, Py_ssize_t problem) except -1
    cdef object call(self, object function, const double *x, Py_ssize_t moved, double coordinate)
    cdef Py_ssize_t walk(self, Block *block, double *first, double *second) except -1
    cdef int evaluate_point(self, Block *block, int want, double *f, double *g) except -1


@final
cdef class Vectorized(PythonObjective):
    cdef int tested              # a mask of VALUE and GRADIENT: which of its functions have been called,
    cdef int trusted             # and did not write into their argument
    cdef double *some_columns    # of the points, before the last call
    cdef object problems
    cdef tuple batch_columns
    cdef int select_problems(self, Block *block) except -1
    cdef int evaluate_block(self, Block *block, int want, double *f, double *g) except -1
    cdef object ask(self, int which, Block *block)
    cdef tuple ask_for(self, Block *block, int want)
    cdef int read(self, tuple returned, Block *block, int want, double *f, double *g) except -1
    cdef void copy_some_columns(self, const Block *block, double *columns) noexcept
    cdef bint has_written(self, const Block *block) noexcept
    cdef int move_points(self, Block *block) except -1
    cdef int load_columns(self, Block *block, object points, object problems, object columns) except -1
    cdef list find_failing(self, Block *block, int want, object points, object problems, list groups)
    cdef int isolate(self, Block *block, int want, double *f, double *g, object error) except -1
