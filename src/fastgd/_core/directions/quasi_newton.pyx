"""Quasi-Newton directions: -H g, where H comes from the changes of x and g in the steps so far.

J. Nocedal, S. J. Wright, "Numerical Optimization", 2nd edition, Springer, 2006, chapters 6 and 7. Inside bounds they
are projected: the coordinates that a bound holds are left out of H (D. P. Bertsekas, SIAM Journal on Control and
Optimization 20, 1982).
"""
from cython cimport final

from ..memory.lanes cimport in_strip
from .direction cimport state_row

cdef extern from "directions/quasi_newton.h":
    enum:
        STRIP "FASTGD_STRIP"
        SCALE "FASTGD_QN_SCALE"
        SQUARES "FASTGD_QN_SQUARES"
        FRESH "FASTGD_QN_FRESH"
        STRETCH "FASTGD_QN_STRETCH"
        D "FASTGD_QN_D"
    double fastgd_length(const double *g, Py_ssize_t n, Py_ssize_t stride) noexcept nogil
    void fastgd_bfgs_turn(const Lanes *lanes, double *state, Strip *strip, const Py_ssize_t *begins,
                          Py_ssize_t n) noexcept nogil
    void fastgd_lbfgs_turn(const Lanes *lanes, double *state, Strip *strip, const Py_ssize_t *begins,
                           Py_ssize_t n) noexcept nogil


cdef class QuasiNewton(Pointer):
    """What the two have in common: their state, and how they begin again."""

    cdef Py_ssize_t state_rows(self, Py_ssize_t n_dim) noexcept nogil:
        return D + n_dim

    cdef Py_ssize_t n_pairs(self) noexcept nogil:
        """How many changes of x and g are kept."""
        return 0

    cdef int prepare(self, Lanes *lanes) except -1:
        cdef Py_ssize_t time, n = lanes.n_dim * STRIP
        self.slab = Slab()
        for time in range(2):
            self.strip = Strip(self.slab.take(n), self.slab.take(n), self.slab.take(n), self.slab.take(n),
                               self.slab.take(n), self.slab.take(n), self.slab.take(self.n_pairs() * STRIP))
            if time == 0:
                self.slab.allocate("directions", lanes.capacity, lanes.n_dim)
        return 0

    cdef void start(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil:
        cdef Py_ssize_t i
        state_row(self, lanes, SCALE)[lane] = 0.0
        state_row(self, lanes, STRETCH)[lane] = 1.0
        for i in range(lanes.n_dim):
            state_row(self, lanes, D + i)[lane] = 0.0
        self.forget(lanes, lane)

    cdef void forget(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil:
        """No curvature is known."""
        state_row(self, lanes, FRESH)[lane] = 1.0

    cdef const double *rows(self, const Lanes *lanes) noexcept nogil:
        return state_row(self, lanes, D)

    cdef const double *scale(self, const Lanes *lanes) noexcept nogil:
        return state_row(self, lanes, SCALE)

    cdef const double *squares(self, const Lanes *lanes) noexcept nogil:
        return state_row(self, lanes, SQUARES)

    cdef bint restart(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil:
        cdef Py_ssize_t i, at
        cdef double g
        if state_row(self, lanes, FRESH)[lane] != 0.0:
            return False
        self.forget(lanes, lane)
        for i in range(lanes.n_dim):
            at = i * lanes.capacity + lane
            g = lanes.here.g[at]
            if lanes.bounded and lanes.here.x[at] == (lanes.lower[at] if g > 0.0 else lanes.upper[at]):
                g = 0.0
            state_row(self, lanes, D + i)[lane] = -g
        state_row(self, lanes, SCALE)[lane] = 1.0 / fastgd_length(state_row(self, lanes, D) + lane, lanes.n_dim,
                                                                  lanes.capacity)
        state_row(self, lanes, STRETCH)[lane] = 1.0
        return True


@final
cdef class BFGS(QuasiNewton):
    """H is kept as it is: the packed lower triangle."""

    cdef Py_ssize_t strip_rows(self, Py_ssize_t n_dim) noexcept nogil:
        return n_dim * (n_dim + 1) // 2

    cdef bint turn(self, Lanes *lanes, const Py_ssize_t *begins, Py_ssize_t *begins_anew) noexcept nogil:
        fastgd_bfgs_turn(lanes, self.state, &self.strip, begins, lanes.live)
        return False


@final
cdef class LBFGS(QuasiNewton):
    """H is that of the last changes of x and g alone, which are kept in its place."""

    def __init__(self, Py_ssize_t memory):
        self.memory = memory

    cdef Py_ssize_t n_pairs(self) noexcept nogil:
        return self.memory

    cdef Py_ssize_t strip_rows(self, Py_ssize_t n_dim) noexcept nogil:
        return self.memory * (2 * n_dim + 1) + 1

    cdef void forget(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil:
        cdef Py_ssize_t row
        QuasiNewton.forget(self, lanes, lane)
        for row in range(lanes.n_strip_rows):
            in_strip(lanes, lane, row)[0] = 0.0

    cdef bint turn(self, Lanes *lanes, const Py_ssize_t *begins, Py_ssize_t *begins_anew) noexcept nogil:
        fastgd_lbfgs_turn(lanes, self.state, &self.strip, begins, lanes.live)
        return False
