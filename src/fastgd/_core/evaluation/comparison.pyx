"""Gradients of the user's compared with values."""
from cython cimport final
from libc.math cimport NAN, fabs, isfinite

from ..memory.lanes cimport rounding_at, unit_of
from ..objectives.objective cimport VALUE
from ..stopping cimport RUNNING

# Ways along which they are compared, relative to max(unit, |x|).
cdef double STEP_OF_COMPARISON = 2.0 ** -17
# Changes that differ by more than this part of them contradict each other,
cdef double LARGE_DIFFERENCE = 2.0 ** -5
# but not by less than so many times the rounding of the values.
cdef double UNSEEN_CHANGE = 64.0


@final
cdef class Comparison:
    def __init__(self, Evaluator evaluator not None):
        self.evaluator = evaluator
        self.blocks = evaluator.blocks
        self.slab = Slab()

    cdef int prepare(self, Lanes *lanes) except -1:
        cdef Py_ssize_t time
        self.lanes = lanes
        for time in range(2):
            self.v = self.slab.take(lanes.n_dim)
            if time == 0:
                self.slab.allocate("lists", lanes.capacity, lanes.n_dim)
        return 0

    cdef bint agrees(self, Py_ssize_t lane, double *slope, double *by_values) except -1 nogil:
        """Whether f changes over a short way as the gradient says; if not, by how much by the gradient, and by values
        at both sides of the iterate. A gradient is to contradict them over ways of three lengths. These evaluations are
        checks, which nfev does not count."""
        cdef double length = STEP_OF_COMPARISON, promised = 0.0, seen = 0.0, rounding = 0.0, gap
        cdef bint found_none = True
        cdef Py_ssize_t _
        for _ in range(3):
            if self.blocks.objective.needs_gil:
                with gil:
                    try:
                        self.compare(lane, length, &promised, &seen, &rounding)
                    except Exception:  # of the user's function, which is not asked to be defined there
                        return True
            else:
                self.compare(lane, length, &promised, &seen, &rounding)
            gap = fabs(promised - seen)
            if isfinite(seen) and gap > UNSEEN_CHANGE * rounding:
                if gap <= LARGE_DIFFERENCE * max(fabs(promised), fabs(seen)):
                    return True
                if found_none:
                    slope[0] = promised
                    by_values[0] = seen
                found_none = False
            elif found_none:
                return True  # nothing speaks against it, and shorter ways show less
            length *= 2.0 ** -10
        return found_none

    cdef int compare(self, Py_ssize_t lane, double length, double *promised, double *seen,
                     double *rounding) except -1 nogil:
        """The change of f over a way of that length, relative to max(unit, |x|), along which it falls in every
        coordinate: by the gradient; by values, or nan; and the rounding of these."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t i, at, side
        cdef double x, v, rise[2]
        promised[0] = 0.0
        seen[0] = NAN
        self.evaluator.go_to_iterates()
        try:
            for i in range(lanes.n_dim):
                at = i * lanes.capacity + lane
                x = lanes.trial.x[at]
                v = length * max(unit_of(lanes, at), fabs(x))
                if lanes.bounded and (x - v < lanes.lower[at] or x + v > lanes.upper[at]):
                    v = 0.0
                self.v[i] = -v if lanes.trial.g[at] > 0.0 else v
                promised[0] += self.v[i] * lanes.trial.g[at]
            self.listed[0] = lane
            for side in range(2):
                self.blocks.open(lanes.trial.x, self.listed, 1, 1)
                for i in range(lanes.n_dim):
                    x = lanes.trial.x[i * lanes.capacity + lane]
                    self.blocks.block.x[i * self.blocks.block.stride] = (
                        x - self.v[i] if side else x + self.v[i])
                self.blocks.pad(1)
                rise[side] = NAN
                if self.blocks.call(VALUE):
                    rise[side] = self.blocks.values[0]
            if length == STEP_OF_COMPARISON:
                self.ahead = rise[0]
            if isfinite(rise[0]) and isfinite(rise[1]):
                seen[0] = 0.5 * (rise[0] - rise[1])
                rounding[0] = rounding_at(lanes, lane, max(fabs(rise[0]), fabs(rise[1])))
        finally:
            self.evaluator.come_back()
            lanes.fault[lane] = RUNNING
        return 0
