from .evaluation cimport Evaluator
from .lanes cimport Lanes

cdef double RELATIVE_STEP


cdef class Steps(Evaluator):
    cdef double step          # absolute, or 0 for steps relative to x
    cdef double x_scale
    cdef bint step_vanishes   # one of those that were fitted into bounds
    cdef double least_step(self) noexcept nogil
    cdef double relative_step(self) noexcept nogil
    cdef void set_steps(self, Lanes lanes, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil
    cdef void fit_into_bounds(self, Lanes lanes, const double *x, const Py_ssize_t *lane_of,
                              Py_ssize_t n) noexcept nogil
    cdef bint set_pairs(self, Lanes lanes, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil
    cdef void perturb(self, Lanes lanes, const double *x, Py_ssize_t i, bint second, const Py_ssize_t *lane_of,
                      Py_ssize_t n) noexcept nogil


cdef inline Py_ssize_t length_of_rows(Lanes lanes, Py_ssize_t n) noexcept nogil:
    """How far a loop over the first n columns of a row may go: full rows make one, but for those with bounds."""
    return lanes.n_dim * n if n == lanes.capacity and not lanes.bounded else n
