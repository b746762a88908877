"""The negative gradient, as far as the last steps have shown that it goes down.

Spectral projected gradient: E. G. Birgin, J. M. Martinez, M. Raydan, "Nonmonotone spectral projected gradient methods
on convex sets", SIAM Journal on Optimization 10, 2000, algorithm SPG1, with the steps of G. Frassoldati, L. Zanni,
G. Zanghirati, "New adaptive stepsize selections in gradient methods", Journal of Industrial and Management Optimization
4, 2008, algorithm ABBmin1, inside bounds as S. Crisci, V. Ruggiero, L. Zanni, "Steplength selection in gradient
projection methods for box-constrained quadratic programs", Applied Mathematics and Computation 356, 2019, have them.
"""
from cython cimport final
from libc.math cimport INFINITY, fabs

from ..memory.slab cimport take_integers
from .direction cimport state_row

cdef extern from "directions/spectral.h":
    double RELATIVE_STEP "FASTGD_RELATIVE_STEP"
    enum:
        SCALE "FASTGD_SCALE"
        STEP "FASTGD_STEP"
        SQUARES "FASTGD_SQUARES"
        SHORTEST "FASTGD_SHORTEST"
        SHORTEST_BEFORE "FASTGD_SHORTEST_BEFORE"
        LONGEST "FASTGD_LONGEST"
        SPECTRAL_ROWS "FASTGD_SPECTRAL_ROWS"
    double LARGEST_STEP "FASTGD_LARGEST_STEP"
    bint fastgd_spectral_turn(const Lanes *lanes, double *state, const Py_ssize_t *begins, Py_ssize_t *is_first,
                              Py_ssize_t *moves, double *limit, Py_ssize_t n) noexcept nogil


@final
cdef class Spectral(Pointer):
    cdef Py_ssize_t state_rows(self, Py_ssize_t n_dim) noexcept nogil:
        return SPECTRAL_ROWS

    cdef int prepare(self, Lanes *lanes) except -1:
        cdef Py_ssize_t time
        self.slab = Slab()
        for time in range(2):
            self.moves = take_integers(self.slab, lanes.capacity)
            self.limit = self.slab.take(lanes.capacity)
            if time == 0:
                self.slab.allocate("steps", lanes.capacity, lanes.n_dim)
        return 0

    cdef void start(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil:
        state_row(self, lanes, SHORTEST)[lane] = INFINITY
        state_row(self, lanes, LONGEST)[lane] = 0.0
        state_row(self, lanes, STEP)[lane] = 0.0
        state_row(self, lanes, SCALE)[lane] = 0.0

    cdef const double *rows(self, const Lanes *lanes) noexcept nogil:
        return lanes.here.g

    cdef const double *scale(self, const Lanes *lanes) noexcept nogil:
        return state_row(self, lanes, SCALE)

    cdef const double *squares(self, const Lanes *lanes) noexcept nogil:
        return state_row(self, lanes, SQUARES)

    cdef bint turn(self, Lanes *lanes, const Py_ssize_t *begins, Py_ssize_t *begins_anew) noexcept nogil:
        cdef Py_ssize_t lane
        if not fastgd_spectral_turn(lanes, self.state, begins, begins_anew, self.moves, self.limit, lanes.live):
            return False
        for lane in range(lanes.live):
            if begins_anew[lane]:
                self.forget_steps(lanes, lane)
        return True

    cdef void forget_steps(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil:
        state_row(self, lanes, STEP)[lane] = self.first_step(lanes, lane)
        state_row(self, lanes, SCALE)[lane] = -state_row(self, lanes, STEP)[lane]

    cdef double first_step(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil:
        """Without a curvature, or after a fall from a wall, such as r^-12, whose curvature would let nothing move.
        Earlier steps do not count."""
        cdef Py_ssize_t i
        cdef double largest = 0.0
        for i in range(lanes.n_dim):
            largest = max(largest, fabs(lanes.here.x[i * lanes.capacity + lane]))
        state_row(self, lanes, SHORTEST)[lane] = state_row(self, lanes, SHORTEST_BEFORE)[lane] = INFINITY
        return min(max(1.0, RELATIVE_STEP * largest) / lanes.norm[lane], LARGEST_STEP)
