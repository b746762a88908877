from cython cimport final

from .lanes cimport Lanes
from .objective cimport Objective
from .steps cimport Steps

cdef extern from "rows.h":
    bint fastgd_all_central(const double *h, const double *second, Py_ssize_t n) noexcept nogil
    bint fastgd_are_finite(const double *row, Py_ssize_t n) noexcept nogil
    bint fastgd_divide_by_rounded(double *g, const double *h, Py_ssize_t n) noexcept nogil
    bint fastgd_divide(double *g, const double *h, Py_ssize_t n) noexcept nogil
    bint fastgd_rounded_quotients(double *g, const double *first, const double *second, const double *x, double factor,
                                  double x_scale, Py_ssize_t n) noexcept nogil
    bint fastgd_quotients(double *g, const double *first, const double *second, double step,
                          Py_ssize_t n) noexcept nogil


cdef inline Py_ssize_t groups_per_call(Py_ssize_t width, Py_ssize_t n, Py_ssize_t n_groups) noexcept nogil:
    """How many groups of n columns go into a call, so that no call is wider than need be."""
    cdef Py_ssize_t most, n_calls
    if width < 4 * n:
        return 1  # the block is wide enough, and copies of the points would cost more than calls
    most = min(width // n, n_groups)
    n_calls = (n_groups + most - 1) // most
    return (n_groups + n_calls - 1) // n_calls


@final
cdef class CentralDifference(Steps):
    cdef int take_pairs(self, Lanes lanes, Objective objective, double *x, const Py_ssize_t *lane_of,
                        Py_ssize_t n) except -1 nogil
    cdef int evaluate_stencil(self, Lanes lanes, Objective objective, const double *x, const Py_ssize_t *lane_of,
                              Py_ssize_t n, bint with_values) except -1 nogil
    cdef int evaluate_together(self, Lanes lanes, Objective objective, const double *x, const Py_ssize_t *lane_of,
                               Py_ssize_t n, Py_ssize_t with_values) except -1 nogil
    cdef int take_own_differences(self, Lanes lanes, Objective objective, double *x, const Py_ssize_t *lane_of,
                                  Py_ssize_t n) except -1 nogil
    cdef int take_some_again(self, Lanes lanes, Objective objective, const Py_ssize_t *lane_of,
                             Py_ssize_t n) except -1 nogil
    cdef int take_again(self, Lanes lanes, Objective objective, Py_ssize_t i, const Py_ssize_t *lane_of,
                        Py_ssize_t n) except -1 nogil
