from .lanes cimport Lanes
from .update cimport Rule


cdef class SpectralGradient(Rule):
    cdef bint is_iterate(self, Lanes lanes, Py_ssize_t lane) noexcept nogil
    cdef bint accepts(self, Lanes lanes, Py_ssize_t lane) noexcept nogil
    cdef void shorten(self, Lanes lanes, Py_ssize_t lane) noexcept nogil
    cdef void begin_search(self, Lanes lanes, Py_ssize_t lane) noexcept nogil
    cdef bint is_stuck(self, Lanes lanes, Py_ssize_t lane) noexcept nogil
    cdef bint sees_rounding_alone(self, Lanes lanes, Py_ssize_t lane) noexcept nogil
    cdef double largest_coordinate(self, Lanes lanes, Py_ssize_t lane) noexcept nogil
    cdef bint moves(self, Lanes lanes, Py_ssize_t lane, double step) noexcept nogil
    cdef double first_step(self, Lanes lanes, Py_ssize_t lane) noexcept nogil
    cdef double spectral_step(self, Lanes lanes, Py_ssize_t lane) noexcept nogil
    cdef void measure_steps(self, Lanes lanes) noexcept nogil
    cdef void set_trial_points(self, Lanes lanes) noexcept nogil
