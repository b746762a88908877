from libc.stdint cimport uint64_t

from ..memory.lanes cimport Lanes
from ..memory.slab cimport Slab


cdef class GaussianNoise:
    cdef double scale         # the variance in iteration 0
    cdef double decay
    cdef uint64_t[2] key
    cdef Slab slab
    cdef double *noisy_g      # (n_dim, capacity)
    cdef int prepare(self, Lanes *lanes) except -1
    cdef void add(self, Lanes *lanes, Py_ssize_t first) noexcept nogil
    cdef void add_to_problem(self, Py_ssize_t problem, Py_ssize_t iteration, Py_ssize_t n_dim, const double *g,
                             double *out, Py_ssize_t stride) noexcept nogil
