from libc.stdint cimport uint64_t

from .lanes cimport Lanes


cdef class GaussianNoise:
    cdef double scale         # the variance in iteration 0
    cdef double decay
    cdef uint64_t[2] key
    cdef void add(self, Lanes lanes, double *out, Py_ssize_t first) noexcept nogil
    cdef void add_to_problem(self, Py_ssize_t problem, Py_ssize_t iteration, Py_ssize_t n_dim, const double *g,
                             double *out, Py_ssize_t stride) noexcept nogil
