from .lanes cimport Lanes
from .update cimport Rule


cdef class SpectralGradient(Rule):
    cdef bint any_rejected  # of the trials that were received last
    cdef void judge(self, Lanes lanes) noexcept nogil
    cdef void reject(self, Lanes lanes, Py_ssize_t lane) noexcept nogil
    cdef void shorten(self, Lanes lanes, Py_ssize_t lane) noexcept nogil
    cdef void begin_searches(self, Lanes lanes, const Py_ssize_t *begins) noexcept nogil
    cdef void see_slopes(self, Lanes lanes, Py_ssize_t *seen) noexcept nogil
    cdef void find_moves(self, Lanes lanes, Py_ssize_t *moves) noexcept nogil
    cdef double largest_coordinate(self, Lanes lanes, Py_ssize_t lane) noexcept nogil
    cdef double first_step(self, Lanes lanes, Py_ssize_t lane) noexcept nogil
    cdef void measure_steps(self, Lanes lanes) noexcept nogil
    cdef void set_trial_points(self, Lanes lanes) noexcept nogil
    cdef void set_some_trial_points(self, Lanes lanes) noexcept nogil
