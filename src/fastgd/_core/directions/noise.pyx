"""Noise on gradients: a function of key, problem, iteration and coordinate, whichever lane and thread computes it."""
cimport cython
from libc.math cimport pow, sqrt
from libc.stdint cimport uint64_t

from ..memory.lanes cimport ITERATE, nit_of

cdef extern from "directions/philox.h":
    void fastgd_four_normals(const uint64_t *key, const uint64_t *counter, double *normals) noexcept nogil

import numpy as np

# The last word of the counter says what numbers are for. 0 would be numpy.random.Philox's own, from the same seed.
cdef uint64_t GRADIENT_NOISE = 1


@cython.final
cdef class GaussianNoise:
    """Normal noise of variance scale / (1 + k)^decay in iteration k; the key is two words."""

    def __init__(self, double scale, double decay, const uint64_t[::1] key not None):
        self.scale = scale
        self.decay = decay
        self.key[0] = key[0]
        self.key[1] = key[1]

    cdef int prepare(self, Lanes *lanes) except -1:
        """Takes the memory for the gradients with noise."""
        self.slab = Slab()
        self.slab.take(lanes.n_dim * lanes.capacity)
        self.slab.allocate("gradients with noise", lanes.capacity, lanes.n_dim)
        self.noisy_g = self.slab.take(lanes.n_dim * lanes.capacity)
        return 0

    cdef void add(self, Lanes *lanes, Py_ssize_t first) noexcept nogil:
        """Makes g + noise the slopes of the lanes, of those at an iterate; the number of the first problem is `first`.
        """
        cdef Py_ssize_t lane
        for lane in range(lanes.live):
            if lanes.phase[lane] == ITERATE:
                self.add_to_problem(first + lanes.problem[lane], nit_of(lanes, lane), lanes.n_dim, lanes.here.g + lane,
                                    self.noisy_g + lane, lanes.capacity)
        lanes.slopes = self.noisy_g

    cdef void add_to_problem(self, Py_ssize_t problem, Py_ssize_t iteration, Py_ssize_t n_dim, const double *g,
                             double *out, Py_ssize_t stride) noexcept nogil:
        # out = g + np.sqrt(scale / (1 + k)**decay) * normals
        cdef Py_ssize_t i
        cdef double sigma = sqrt(self.scale / pow(1.0 + <double>iteration, self.decay))
        cdef double[4] normals
        cdef uint64_t[4] counter
        counter[1] = <uint64_t>iteration
        counter[2] = <uint64_t>problem
        counter[3] = GRADIENT_NOISE
        for i in range(n_dim):
            if i % 4 == 0:
                counter[0] = <uint64_t>(i // 4)
                fastgd_four_normals(self.key, counter, normals)
            out[i * stride] = g[i * stride] + sigma * normals[i % 4]

    def sample(self, Py_ssize_t problem, Py_ssize_t iteration, Py_ssize_t n_dim):
        """The noise on the gradient of one problem in one iteration, (n_dim,), by itself: for tests."""
        cdef double[::1] noise = np.zeros(n_dim)
        if n_dim:
            self.add_to_problem(problem, iteration, n_dim, &noise[0], &noise[0], 1)
        return noise.base
