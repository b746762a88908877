from libc.stdint cimport intptr_t

from .objective cimport Block, Objective

ctypedef double (*PointFunction)(int n_dim, double *x) noexcept nogil
ctypedef double (*PointFunctionWithData)(int n_dim, double *x, void *user_data) noexcept nogil
# Values f (n_points,), gradients (n_dim, stride) or Hessians (n_dim (n_dim + 1) / 2, stride); returns 0 if all went
# well.
ctypedef int (*BlockFunction)(intptr_t n_dim, intptr_t n_params, intptr_t n_points, intptr_t stride, const double *x,
                              const double *params, double *out, void *user_data) noexcept nogil
# Both at once.
ctypedef int (*PairFunction)(intptr_t n_dim, intptr_t n_params, intptr_t n_points, intptr_t stride, const double *x,
                             const double *params, double *f, double *g, void *user_data) noexcept nogil
# Differences f(x + h) - f(x - h) in every coordinate.
ctypedef int (*DifferenceFunction)(intptr_t n_dim, intptr_t n_params, intptr_t n_points, intptr_t stride,
                                   const double *x, const double *params, const double *h, double *out,
                                   void *user_data) noexcept nogil


cdef class CompiledPoint(Objective):
    cdef PointFunction function
    cdef PointFunctionWithData function_with_data  # NULL if there is none
    cdef void *user_data
    cdef object owner
    cdef double *point
    cdef bint is_tested      # whether it writes into its argument,
    cdef bint writes         # and that it does
    cdef double value_at(self, double *x, Py_ssize_t n_dim) noexcept nogil
    cdef double value_at_copy(self, const double *x, Py_ssize_t n_dim) noexcept nogil
    cdef Py_ssize_t evaluate_moved_at_copies(self, Block *block, double *coordinates,
                                             Py_ssize_t n_moves) noexcept nogil


cdef class CompiledBlock(Objective):
    cdef BlockFunction value
    cdef BlockFunction gradient
    cdef PairFunction pair
    cdef BlockFunction hessian
    cdef DifferenceFunction differences
    cdef void *value_data
    cdef void *gradient_data
    cdef object owner
    cdef object fun                    # that the functions are made of, or None
    cdef int status                    # that was returned last
    cdef bint record_errors
    cdef const double[:, ::1] params   # (n_problems, n_params)
    cdef double *columns               # (n_params, stride) those of the block
    cdef Py_ssize_t *problems          # that the columns belong to
    cdef Py_ssize_t n_columns
    cdef Py_ssize_t stride             # of the columns
    cdef Py_ssize_t room               # for so many columns
    cdef int select_columns(self, Block *block) except -1 nogil
    cdef int call(self, Block *block, int want) except -1 nogil
    cdef int isolate(self, Block *block, int want) except -1 nogil
    cdef bint finds_value(self, Block *block, double *value) except -1
    cdef double value_at(self, Block *block, Py_ssize_t column) except? -1.0
    cdef int tell(self, Block *block, Py_ssize_t column, int status) except -1
