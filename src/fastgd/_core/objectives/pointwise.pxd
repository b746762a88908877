from cpython.object cimport PyObject
from cython cimport final
from libc.math cimport NAN

from .argument cimport Argument, Header
from .objective cimport GRADIENT, VALUE, Block, Objective


cdef class PythonObjective(Objective):
    cdef object fun
    cdef object jac
    cdef tuple args
    cdef tuple batch_args
    cdef bint unpack
    cdef bint rows
    cdef bint record_errors
    cdef Py_ssize_t n_dim
    cdef Argument argument


# The loop holds the GIL for these objectives, but its methods are declared without it. `with gil` would take it once
# more at every call, which costs 20 ns; a function pointer of the right type does not.
ctypedef int (*Evaluation)(PythonObjective, Block *, int) except -1 nogil


cdef inline void fill_nan(const Block *block, Py_ssize_t column, int want) noexcept:
    cdef Py_ssize_t i
    if want & VALUE:
        block.out.f[column] = NAN
    if want & GRADIENT:
        for i in range(block.n_dim):
            block.out.g[i * block.stride + column] = NAN


@final
cdef class Pointwise(PythonObjective):
    cdef PyObject **stack        # one free slot, then the arguments of a vectorcall
    cdef size_t n_arguments      # as a vectorcall gets it
    cdef Py_ssize_t first_batch_argument  # its place in the stack
    cdef double *point           # the memory of the argument,
    cdef const Header *header    # and what it looked like, or NULL if it is not to be used again
    cdef list batch_slices
    cdef Py_ssize_t problem
    cdef Py_ssize_t reached      # which of the moved points is evaluated; or what has been asked of functions
    cdef int select_problem(self, Py_ssize_t problem) except -1
    cdef int renew_argument(self) except -1
    cdef object call_unpacked(self, object function, const double *x, Py_ssize_t moved, double coordinate)
    cdef Py_ssize_t walk(self, Block *block, double *coordinates, Py_ssize_t n_moves) except -1
    cdef int evaluate_point(self, Block *block, int want) except -1
