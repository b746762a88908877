from .evaluation cimport Evaluator
from .lanes cimport Lanes
from .objective cimport Objective


cdef extern from "rows.h":
    bint fastgd_all_are(const Py_ssize_t *numbers, Py_ssize_t number, Py_ssize_t n) noexcept nogil
    void fastgd_add(double *out, const double *a, const double *b, Py_ssize_t n) noexcept nogil
    double fastgd_rounded_step(double x, double factor, double x_scale) noexcept nogil
    bint fastgd_rounded_steps(double *h, const double *x, double factor, double x_scale, Py_ssize_t n) noexcept nogil
    bint fastgd_steps(double *h, const double *x, double step, Py_ssize_t n) noexcept nogil
    bint fastgd_divide_by_rounded(double *g, const double *h, Py_ssize_t n) noexcept nogil
    bint fastgd_divide(double *g, const double *h, Py_ssize_t n) noexcept nogil
    bint fastgd_shift_rounded(double *out, const double *x, double factor, double x_scale, double sign,
                              Py_ssize_t n) noexcept nogil
    bint fastgd_shift(double *out, const double *x, double step, Py_ssize_t n) noexcept nogil
    bint fastgd_open_pair_rounded(double *x, double *middle, double *below, double factor, double x_scale,
                                  Py_ssize_t n) noexcept nogil
    bint fastgd_open_pair(double *x, double *middle, double *below, double step, Py_ssize_t n) noexcept nogil
    void fastgd_open_pair_inside(double *x, double *middle, double *below, const double *h, const double *second,
                                 Py_ssize_t n) noexcept nogil
    bint fastgd_rounded_quotients(double *g, const double *first, const double *second, const double *x, double factor,
                                  double x_scale, Py_ssize_t n) noexcept nogil
    bint fastgd_quotients(double *g, const double *first, const double *second, double step,
                          Py_ssize_t n) noexcept nogil


cdef class CentralDifference(Evaluator):
    cdef double step          # absolute, or 0 for steps relative to x
    cdef double x_scale
    cdef bint step_vanishes   # one of those that were fitted into bounds
    cdef double least_step(self) noexcept nogil
    cdef double relative_step(self) noexcept nogil
    cdef int take_pairs(self, Lanes lanes, Objective objective, const double *x, const Py_ssize_t *lane_of,
                        Py_ssize_t n) except -1 nogil
    cdef int evaluate_in_place(self, Lanes lanes, Objective objective, double *x, const Py_ssize_t *lane_of,
                               Py_ssize_t n, bint with_values) except -1 nogil
    cdef int evaluate_stencil(self, Lanes lanes, Objective objective, const double *x, const Py_ssize_t *lane_of,
                              Py_ssize_t n, Py_ssize_t with_values) except -1 nogil
    cdef int take_own_differences(self, Lanes lanes, Objective objective, const Py_ssize_t *lane_of,
                                  Py_ssize_t n) except -1 nogil
    cdef void set_steps(self, Lanes lanes, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil
    cdef int take_some_again(self, Lanes lanes, Objective objective, const Py_ssize_t *lane_of,
                             Py_ssize_t n) except -1 nogil
    cdef int take_again(self, Lanes lanes, Objective objective, Py_ssize_t i, const Py_ssize_t *lane_of,
                        Py_ssize_t n) except -1 nogil
    cdef void fit_into_bounds(self, Lanes lanes, const double *x, const Py_ssize_t *lane_of,
                              Py_ssize_t n) noexcept nogil
