from cython cimport final
from libc.stdint cimport uint64_t
from libc.string cimport memcpy

from .evaluation cimport Evaluator
from .lanes cimport Lanes
from .objective cimport Objective


cdef extern from "rows.h":
    void fastgd_add(double *out, const double *a, const double *b, Py_ssize_t n) noexcept nogil
    bint fastgd_rounded_steps(double *h, const double *x, double factor, double x_scale, Py_ssize_t n) noexcept nogil
    bint fastgd_central_pairs(double *h, double *second, const double *x, const double *lower, const double *upper,
                              double step, double factor, double x_scale, Py_ssize_t n) noexcept nogil
    bint fastgd_all_central(const double *h, const double *second, Py_ssize_t n) noexcept nogil
    bint fastgd_are_finite(const double *row, Py_ssize_t n) noexcept nogil
    bint fastgd_steps(double *h, const double *x, double step, Py_ssize_t n) noexcept nogil
    bint fastgd_divide_by_rounded(double *g, const double *h, Py_ssize_t n) noexcept nogil
    bint fastgd_divide(double *g, const double *h, Py_ssize_t n) noexcept nogil
    bint fastgd_shift_rounded(double *out, const double *x, double factor, double x_scale, double sign,
                              Py_ssize_t n) noexcept nogil
    bint fastgd_shift(double *out, const double *x, double step, Py_ssize_t n) noexcept nogil
    bint fastgd_pairs_rounded(double *above, double *below, const double *x, double factor, double x_scale,
                              Py_ssize_t n) noexcept nogil
    bint fastgd_open_pair_rounded(double *x, double *middle, double *below, double factor, double x_scale,
                                  Py_ssize_t n) noexcept nogil
    bint fastgd_open_pair(double *x, double *middle, double *below, double step, Py_ssize_t n) noexcept nogil
    void fastgd_open_pair_inside(double *x, double *middle, double *below, const double *h, const double *second,
                                 Py_ssize_t n) noexcept nogil
    bint fastgd_rounded_quotients(double *g, const double *first, const double *second, const double *x, double factor,
                                  double x_scale, Py_ssize_t n) noexcept nogil
    bint fastgd_quotients(double *g, const double *first, const double *second, double step,
                          Py_ssize_t n) noexcept nogil


cdef inline double power_of_two_below(double value) noexcept nogil:
    cdef uint64_t bits
    memcpy(&bits, &value, sizeof(double))
    bits &= <uint64_t>0x7FF0000000000000
    memcpy(&value, &bits, sizeof(double))
    return value


cdef inline void fit_steps(double x, double lower, double upper, double *h, double *second) noexcept nogil:
    """Offsets h and `second` of a pair of points inside the bounds: h and -h, or h and 2h on the wider side of x."""
    cdef double side, room
    if x + h[0] <= upper and x - h[0] >= lower:
        second[0] = -h[0]
        return
    side = 1.0 if upper - x >= x - lower else -1.0
    room = upper - x if side > 0.0 else x - lower
    h[0] = side * min(h[0], power_of_two_below(0.5 * room))
    if x + 2.0 * h[0] > upper or x + 2.0 * h[0] < lower:
        h[0] *= 0.5  # room was rounded up
    second[0] = 2.0 * h[0]


cdef inline Py_ssize_t groups_per_call(Py_ssize_t width, Py_ssize_t n, Py_ssize_t n_groups) noexcept nogil:
    """How many groups of n columns go into a call, so that no call is wider than need be."""
    cdef Py_ssize_t most, n_calls
    if width < 4 * n:
        return 1  # the block is wide enough, and copies of the points would cost more than calls
    most = min(width // n, n_groups)
    n_calls = (n_groups + most - 1) // most
    return (n_groups + n_calls - 1) // n_calls


@final
cdef class CentralDifference(Evaluator):
    cdef double step          # absolute, or 0 for steps relative to x
    cdef double x_scale
    cdef bint step_vanishes   # one of those that were fitted into bounds
    cdef double least_step(self) noexcept nogil
    cdef double relative_step(self) noexcept nogil
    cdef int take_pairs(self, Lanes lanes, Objective objective, double *x, const Py_ssize_t *lane_of,
                        Py_ssize_t n) except -1 nogil
    cdef int evaluate_in_place(self, Lanes lanes, Objective objective, double *x, const Py_ssize_t *lane_of,
                               Py_ssize_t n, bint with_values) except -1 nogil
    cdef int evaluate_stencil(self, Lanes lanes, Objective objective, const double *x, const Py_ssize_t *lane_of,
                              Py_ssize_t n, bint with_values) except -1 nogil
    cdef int evaluate_together(self, Lanes lanes, Objective objective, const double *x, const Py_ssize_t *lane_of,
                               Py_ssize_t n, Py_ssize_t with_values) except -1 nogil
    cdef int take_own_differences(self, Lanes lanes, Objective objective, double *x, const Py_ssize_t *lane_of,
                                  Py_ssize_t n) except -1 nogil
    cdef void set_steps(self, Lanes lanes, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil
    cdef int take_some_again(self, Lanes lanes, Objective objective, const Py_ssize_t *lane_of,
                             Py_ssize_t n) except -1 nogil
    cdef int take_again(self, Lanes lanes, Objective objective, Py_ssize_t i, const Py_ssize_t *lane_of,
                        Py_ssize_t n) except -1 nogil
    cdef void fit_into_bounds(self, Lanes lanes, const double *x, const Py_ssize_t *lane_of,
                              Py_ssize_t n) noexcept nogil
