"""The search for a step of a difference at which slopes agree: a series of steps, each 8 times as long as the last or
an eighth of it, for several lanes side by side."""
from cython cimport final
from libc.math cimport INFINITY, NAN, fabs, isfinite, isnan

from ..memory.lanes cimport count_limit, nfev_of, rounding_at
from ..memory.problems cimport MAXFEV_LIMIT
from ..memory.slab cimport take_integers
from ..objectives.objective cimport VALUE
from ..stopping cimport RUNNING
from .blocks cimport count
from .stencils cimport fit_steps, slope_of_pair

# How many times a step is the one before, or the other way round.
RATIO = 8.0
# Steps below this part of x change it by too few of its digits; those beyond this part say nothing about x.
SHORTEST = 2.0 ** -44
LONGEST = 0.125
# Rounding may add up to so many times what it does to a single value.
MARGIN = 4.0
# A curvature is seen if the values show it so many times beyond rounding.
SEEN = 16.0
# A relative error of a slope that needs no repair.
SMALL_ERROR = 2.0 ** -20
# A step that changes f by more than this part of it may be far too long.
LARGE_CHANGE = 2.0 ** -10


@final
cdef class Repairs:
    def __init__(self, Blocks blocks not None):
        self.blocks = blocks
        self.slab = Slab()

    cdef int prepare(self, Lanes *lanes) except -1:
        self.lanes = lanes
        self.lay_out()
        self.slab.allocate("repairs", lanes.capacity, lanes.n_dim)
        self.lay_out()
        return 0

    cdef void lay_out(self) noexcept nogil:
        cdef Py_ssize_t row = self.lanes.capacity
        self.repairs = <Repair *>self.slab.take(row * (sizeof(Repair) // sizeof(double)))
        self.some = take_integers(self.slab, row)
        self.p = self.slab.take(row)
        self.q = self.slab.take(row)
        self.a = self.slab.take(row)
        self.b = self.slab.take(row)

    cdef int find(self, Py_ssize_t i, Py_ssize_t n) except -1 nogil:
        """Finds the best steps in coordinate i for the first n of the repairs, which have begun and whose lanes ascend;
        they may be in another order then; 1 if the time ran out."""
        cdef Py_ssize_t k, at, n_active = n
        cdef Repair kept
        while n_active:
            if self.probe_all(i, n_active):
                return 1
            for k in range(n_active):
                self.advance(&self.repairs[k], i, k)
            k = 0
            while k < n_active:  # those that are over go behind the others, whose lanes stay in ascending order
                if self.repairs[k].is_over:
                    kept = self.repairs[k]
                    for at in range(k, n_active - 1):
                        self.repairs[at] = self.repairs[at + 1]
                    n_active -= 1
                    self.repairs[n_active] = kept
                else:
                    k += 1
        return 0

    cdef void advance(self, Repair *repair, Py_ssize_t i, Py_ssize_t k) noexcept nogil:
        """Takes in the values at the two points, and chooses the next step."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t at = i * lanes.capacity + repair.lane
        cdef double f = lanes.trial.f[repair.lane], a = self.a[k], b = self.b[k], p = self.p[k], q = self.q[k]
        cdef double slope, change, rounding, error, eps, largest, bend, height
        cdef double size = size_of(lanes, at)
        cdef bint agrees, is_flat
        if not isfinite(a) or not isfinite(b):
            repair.slope = NAN
            repair.is_over = repair.grows
        else:
            slope = slope_of_pair(p, q, a, b, f)
            largest = max(fabs(f), fabs(a), fabs(b))
            eps = rounding_at(lanes, repair.lane, largest)
            rounding = eps / fabs(p)
            change = fabs(slope - repair.slope)
            error = change / RATIO + rounding
            height = max(fabs(a - f), fabs(b - f))
            # far from x, where f is the same on both sides, at both steps
            is_flat = (height > LARGE_CHANGE * largest and fabs(a - b) <= LARGE_CHANGE * height
                       and height > 0.25 * repair.height)
            repair.height = height
            if isnan(error) or height <= MARGIN * eps or is_flat:
                error = INFINITY
            if error < repair.best_error:
                bend = bend_of(a - f, b - f, p, q)
                repair.best_h = fabs(p)
                repair.best_slope = slope
                repair.best_error = error
                repair.factor = 1.0
                if not repair.grows and change > (RATIO * RATIO - 1.0) * MARGIN * rounding:
                    # a step that balances the two errors, of which truncation falls by h^2
                    repair.factor = shortened(rounding, change / (RATIO * RATIO - 1.0))
                repair.best_curvature = curvature_of(bend, p, eps)
            if repair.grows:
                repair.is_over = error < INFINITY and change > MARGIN * max(repair.change, rounding)
            else:
                agrees = change <= max(MARGIN * rounding, SMALL_ERROR * fabs(slope)) and not is_flat
                repair.is_over = agrees or rounding > repair.best_error
            repair.slope = slope
            repair.change = change
        repair.h = RATIO * repair.h if repair.grows else repair.h / RATIO
        repair.is_over |= (repair.h > LONGEST * size or repair.h < SHORTEST * size
                           or nfev_of(lanes, repair.lane) + 2 > count_limit(lanes, MAXFEV_LIMIT)[repair.lane])

    cdef int probe_all(self, Py_ssize_t i, Py_ssize_t n) except -1 nogil:
        """The values at both points of a pair in coordinate i, for the first n that are listed, nan where the function
        raises; 1 if the time ran out."""
        cdef Py_ssize_t j
        if not self.blocks.objective.needs_gil:
            return self.probe(i, 0, n)
        with gil:
            try:
                return self.probe(i, 0, n)
            except Exception:
                for j in range(n):
                    try:
                        if self.probe(i, j, 1):
                            return 1
                    except Exception:
                        self.a[j] = self.b[j] = NAN
                        count(self.lanes, self.some + j, 1, 2, 0)
        return 0

    cdef int probe(self, Py_ssize_t i, Py_ssize_t start, Py_ssize_t n) except -1 nogil:
        """The same for n of them, from number `start` on."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t j, k, at, side
        cdef double upper = INFINITY, lower = -INFINITY, x
        cdef double *row
        for j in range(start, start + n):
            self.some[j] = self.repairs[j].lane
            at = i * lanes.capacity + self.some[j]
            self.p[j] = self.repairs[j].h
            if lanes.bounded:
                lower = lanes.lower[at]
                upper = lanes.upper[at]
            fit_steps(lanes.trial.x[at], lower, upper, &self.p[j], &self.q[j])
        self.blocks.open(lanes.trial.x, self.some + start, n, 1)
        for side in range(2):
            for k in range(lanes.n_dim):  # the function may have kept the points of the last call
                row = self.blocks.block.x + k * self.blocks.block.stride
                for j in range(n):
                    row[j] = lanes.trial.x[k * lanes.capacity + self.some[start + j]]
            row = self.blocks.block.x + i * self.blocks.block.stride
            for j in range(n):
                x = lanes.trial.x[i * lanes.capacity + self.some[start + j]]
                row[j] = x + (self.q[start + j] if side else self.p[start + j])
            self.blocks.pad(n)
            if not self.blocks.call(VALUE):
                return 1
        for j in range(n):
            self.a[start + j] = self.blocks.values_before[j]
            self.b[start + j] = self.blocks.values[j]
            if lanes.fault[self.some[start + j]] != RUNNING:
                lanes.fault[self.some[start + j]] = RUNNING
                self.a[start + j] = NAN
        count(lanes, self.some + start, n, 2, 0)
        return 0
