from .lanes cimport Lanes
from .objective cimport Block, Objective


cdef extern from "clock.h":
    double fastgd_seconds() noexcept nogil


cdef extern from "rows.h":
    void fastgd_add(double *out, const double *a, const double *b, Py_ssize_t n) noexcept nogil
    void fastgd_subtract(double *out, const double *a, const double *b, Py_ssize_t n) noexcept nogil
    bint fastgd_rounded_steps(double *h, const double *x, double factor, double x_scale, Py_ssize_t n) noexcept nogil
    bint fastgd_rounded_quotients(double *g, const double *first, const double *second, const double *h,
                                  Py_ssize_t n) noexcept nogil
    bint fastgd_quotients(double *g, const double *first, const double *second, const double *h,
                          Py_ssize_t n) noexcept nogil


cdef class CentralDifference:
    cdef double step          # absolute, or 0 for steps relative to x
    cdef double x_scale
    cdef double deadline      # no call to the objective begins after it
    cdef int evaluate(self, Lanes lanes, Objective objective) except -1 nogil
    cdef int evaluate_points(self, Lanes lanes, Objective objective, const Py_ssize_t *lane_of, Py_ssize_t n,
                             int want) except -1 nogil
    cdef int take_differences(self, Lanes lanes, Objective objective, const Py_ssize_t *lane_of,
                              Py_ssize_t n) except -1 nogil
    cdef int evaluate_point_by_point(self, Lanes lanes, Objective objective, const double *x,
                                     const Py_ssize_t *lane_of, Py_ssize_t with_values) except -1 nogil
    cdef int evaluate_stencil(self, Lanes lanes, Objective objective, const double *x, const Py_ssize_t *lane_of,
                              Py_ssize_t n, Py_ssize_t with_values) except -1 nogil
    cdef void choose_steps(self, Lanes lanes, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil
    cdef void note_vanishing_steps(self, Lanes lanes, const double *x, const Py_ssize_t *lane_of,
                                   Py_ssize_t n) noexcept nogil
    cdef bint fit_into_bounds(self, Lanes lanes, Py_ssize_t i, const double *row, const Py_ssize_t *lane_of,
                              Py_ssize_t n) noexcept nogil
    cdef int call(self, Lanes lanes, Objective objective, int want) except -1 nogil
