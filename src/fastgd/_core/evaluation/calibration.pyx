"""Steps of differences that fit: each slope is compared with that by a longer step, and where they contradict each
other a step is looked for at which they agree.

P. E. Gill, W. Murray, M. A. Saunders, M. H. Wright, "Computing forward-difference intervals for numerical
optimization", SIAM Journal on Scientific and Statistical Computing 4, 1983; H.-J. M. Shi, Y. Xie, M. Q. Xuan,
J. Nocedal, "Adaptive finite-difference interval estimation for noisy derivative-free optimization", SIAM Journal on
Scientific Computing 44, 2022.
"""
from cython cimport final
from libc.math cimport INFINITY, NAN, cbrt, fabs, isfinite, isnan

from ..memory.lanes cimport (
    count_limit,
    fastgd_into_units,
    fastgd_out_of_units,
    finish,
    limit,
    nfev_of,
    rounding_at,
    scale_of,
)
from ..memory.problems cimport GTOL_LIMIT, MAXFEV_LIMIT
from ..memory.slab cimport take_integers
from ..objectives.objective cimport VALUE
from ..stopping cimport EXCEPTION, NONFINITE, RUNNING, UNBOUNDED
from .blocks cimport count
from .stencils cimport RELATIVE_STEP, fit_steps, power_of_two_below, rounded_step

# How many times the usual step the other one is. As it is no power of two, its points have all their digits, and values
# in single precision can be told from those of polynomials with few digits.
cdef double STRETCH = 5.848468629
# How many times a step of a repair the one before is, or the other way round.
cdef double RATIO = 8.0
# Steps below this part of x change it by too few of its digits; those beyond this part say nothing about x.
cdef double SHORTEST = 2.0 ** -44
cdef double LONGEST = 0.125
cdef double SINGLE_PRECISION = 2.0 ** -23
# Rounding may add up to so many times what it does to a single value.
cdef double MARGIN = 4.0
# A curvature is seen if the values show it so many times beyond rounding, and seen well:
cdef double SEEN = 16.0
cdef double WELL_SEEN = 1024.0
# Relative errors of slopes: one that needs no repair; one up to which truncation behaves as it does for small steps;
# one beyond which longer steps are tried if rounding is the cause.
cdef double SMALL_ERROR = 2.0 ** -20
cdef double LARGE_ERROR = 2.0 ** -7
cdef double ROUNDING_ERROR = 2.0 ** -16
# A step that changes f by more than this part of it may be far too long.
cdef double LARGE_CHANGE = 2.0 ** -10

# The part of gtol that truncation may make of a gradient which is taken for small.
cdef double SHARE_OF_TOLERANCE = 0.125

cdef enum:
    # What a coordinate needs.
    NO_REPAIR = 0
    SHORTER = 1
    LONGER = 2


@final
cdef class Calibration:
    """The steps of the lanes' differences."""

    def __init__(self, Evaluator evaluator not None):
        self.evaluator = evaluator
        self.blocks = evaluator.blocks
        self.differences = evaluator.differences
        self.slab = Slab()

    cdef int prepare(self, Lanes *lanes) except -1:
        self.lanes = lanes
        self.lay_out()
        self.slab.allocate("calibration", lanes.capacity, lanes.n_dim)
        self.lay_out()
        return 0

    cdef void lay_out(self) noexcept nogil:
        cdef Py_ssize_t row = self.lanes.capacity, n = self.lanes.n_dim * row
        self.slopes = self.slab.take(n)
        self.others = self.slab.take(n)
        self.h = self.slab.take(n)
        self.second = self.slab.take(n)
        self.first_values = self.slab.take(n)
        self.second_values = self.slab.take(n)
        self.curvatures = self.slab.take(n)
        self.errors = self.slab.take(n)
        self.needs = take_integers(self.slab, n)
        self.listed = take_integers(self.slab, row)
        self.healthy = take_integers(self.slab, row)
        self.some = take_integers(self.slab, row)
        self.repairs = <Repair *>self.slab.take(row * (sizeof(Repair) // sizeof(double)))
        self.p = self.slab.take(row)
        self.q = self.slab.take(row)
        self.a = self.slab.take(row)
        self.b = self.slab.take(row)

    cdef void enter(self) noexcept nogil:
        """The iterates take the place of the trial points, where they can be evaluated, in the user's units."""
        cdef Lanes *lanes = self.lanes
        self.is_inside = True
        lanes.here, lanes.trial = lanes.trial, lanes.here
        if lanes.trust.scale != NULL:
            fastgd_into_units(lanes, lanes.live)
            self.evaluator.scale_gradients(lanes.all_lanes, lanes.live, False)

    cdef void leave(self) noexcept nogil:
        cdef Lanes *lanes = self.lanes
        if lanes.trust.scale != NULL:
            self.evaluator.scale_gradients(lanes.all_lanes, lanes.live, True)
            fastgd_out_of_units(lanes, lanes.live)
        self.is_inside = False
        lanes.here, lanes.trial = lanes.trial, lanes.here
        lanes.rounds_left = 0  # more evaluations were made than it counts with

    cdef int look(self, const Py_ssize_t *lane_of, Py_ssize_t n, bint at_start) except -1 nogil:
        """Compares the slopes of n lanes, `entered`, with others; mends their steps, and then the slopes; 1 if the time
        ran out."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t i, j, lane, n_listed, n_repairs = 0
        if self.take_others(lane_of, n):
            return 1
        for j in range(n):
            lane = lane_of[j]
            if lanes.status[lane] == NONFINITE or lanes.status[lane] == UNBOUNDED or lanes.status[lane] == EXCEPTION:
                self.forget(lane)  # f itself is not finite
                continue
            if at_start:
                self.find_single_precision(lane)
            n_repairs += self.judge(lane, at_start)
        if not n_repairs:
            return 0
        for i in range(lanes.n_dim):
            n_listed = 0
            for j in range(n):
                lane = lane_of[j]
                if self.needs[i * lanes.capacity + lane] != NO_REPAIR and (
                        nfev_of(lanes, lane) + 2 <= count_limit(lanes, MAXFEV_LIMIT)[lane]):
                    self.repairs[n_listed].lane = lane
                    self.start_repair(&self.repairs[n_listed], i * lanes.capacity + lane)
                    n_listed += 1
            if n_listed and self.repair(i, n_listed):
                return 1
        return 0

    cdef int look_at_trials(self) except -1:
        """The same of all lanes whose gradients are there, at their trial points."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t i, lane, n = 0
        cdef Py_ssize_t *healthy = self.healthy
        for lane in range(lanes.live):
            for i in range(lanes.n_dim):
                self.errors[i * lanes.capacity + lane] = NAN
            healthy[n] = lane
            n += lanes.fault[lane] == RUNNING
        if not n:
            return 0
        if lanes.trust.scale != NULL:
            fastgd_into_units(lanes, lanes.live)
            self.evaluator.scale_gradients(lanes.all_lanes, lanes.live, False)
        self.look(healthy, n, True)
        if lanes.trust.scale != NULL:
            self.evaluator.scale_gradients(lanes.all_lanes, lanes.live, True)
            fastgd_out_of_units(lanes, lanes.live)
        return 0

    cdef int take_others(self, const Py_ssize_t *lane_of, Py_ssize_t n) except -1 nogil:
        """f where it is not known, and slopes by longer steps. Where the function raises at such a distance its value
        counts as nan."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t i, j, at, n_unknown = 0
        cdef int late = 0
        for j in range(n):
            self.listed[n_unknown] = lane_of[j]
            n_unknown += not lanes.trial.knows_f[lane_of[j]]
        if n_unknown and self.blocks.evaluate_points(self.listed, n_unknown, VALUE):
            return 1
        for j in range(n_unknown):
            if lanes.fault[self.listed[j]] != RUNNING:
                finish(lanes, self.listed[j], lanes.fault[self.listed[j]])
        for i in range(lanes.n_dim):
            for j in range(n):
                at = i * lanes.capacity + lane_of[j]
                self.slopes[at] = lanes.trial.g[at]
                self.others[at] = self.first_values[at] = self.second_values[at] = NAN
        self.differences.gradients_alone = True
        self.differences.first_values = self.first_values
        self.differences.second_values = self.second_values
        self.differences.stencil.stretch = STRETCH
        if self.blocks.objective.needs_gil:
            with gil:
                try:
                    late = self.differences.take(lane_of, n)
                except Exception:
                    late = self.take_others_of_each(lane_of, n)
        else:
            late = self.differences.take(lane_of, n)
        self.keep_others(lane_of, n, not late)
        self.differences.gradients_alone = False
        self.differences.first_values = self.differences.second_values = NULL
        self.differences.stencil.stretch = 1.0
        return late

    cdef int take_others_of_each(self, const Py_ssize_t *lane_of, Py_ssize_t n) except -1 nogil:
        """The same lane by lane, after one has raised."""
        cdef Py_ssize_t j
        for j in range(n):
            with gil:
                try:
                    if self.differences.take(lane_of + j, 1):
                        return 1
                except Exception:
                    count(self.lanes, lane_of + j, 1, 2 * self.lanes.n_dim, 1)
        return 0

    cdef void keep_others(self, const Py_ssize_t *lane_of, Py_ssize_t n, bint are_counted) noexcept nogil:
        """The slopes by longer steps, and these; what failed there is no fault of the lane."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t i, j, at
        cdef double upper = INFINITY, lower = -INFINITY, unit
        if are_counted:
            count(lanes, lane_of, n, 0, -1)
        for i in range(lanes.n_dim):
            for j in range(n):
                at = i * lanes.capacity + lane_of[j]
                self.others[at] = lanes.trial.g[at]
                lanes.trial.g[at] = self.slopes[at]
                unit = lanes.trust.unit[at] if lanes.trust.unit != NULL else 1.0
                self.h[at] = STRETCH * rounded_step(lanes.trial.x[at], lanes.trust.factor[at], unit)
                if lanes.bounded:
                    lower = lanes.lower[at]
                    upper = lanes.upper[at]
                fit_steps(lanes.trial.x[at], lower, upper, &self.h[at], &self.second[at])
        for j in range(n):
            lanes.fault[lane_of[j]] = RUNNING
        lanes.any_fault = False

    cdef void forget(self, Py_ssize_t lane) noexcept nogil:
        cdef Py_ssize_t i, at
        for i in range(self.lanes.n_dim):
            at = i * self.lanes.capacity + lane
            self.needs[at] = NO_REPAIR
            self.curvatures[at] = 0.0
            self.errors[at] = NAN

    cdef void find_single_precision(self, Py_ssize_t lane) noexcept nogil:
        """Values that are all numbers of single precision, and use its last digits, are rounded to that."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t i, at, n_full = is_full(lanes.trial.f[lane]), n = 1
        if not is_single(lanes.trial.f[lane]):
            return
        for i in range(lanes.n_dim):
            at = i * lanes.capacity + lane
            if not is_single(self.first_values[at]) or not is_single(self.second_values[at]):
                return
            n_full += is_full(self.first_values[at]) + is_full(self.second_values[at])
            n += 2
        if 2 * n_full >= n:
            lanes.trust.rounding[lane] = SINGLE_PRECISION

    cdef Py_ssize_t judge(self, Py_ssize_t lane, bint at_start) noexcept nogil:
        """Finds the errors of the slopes, the curvatures, and in which coordinates the step does not fit; returns their
        number."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t i, at, n_needs = 0
        cdef double f = lanes.trial.f[lane]
        cdef double a, b, p, slope, usual, largest, eps, rounding, truncation, bend, tolerance
        for i in range(lanes.n_dim):
            at = i * lanes.capacity + lane
            self.needs[at] = NO_REPAIR
            self.errors[at] = self.curvatures[at] = 0.0
            a = self.first_values[at]
            b = self.second_values[at]
            p = self.h[at]
            slope = self.slopes[at]
            usual = fabs(p) / STRETCH
            if p == 0.0:  # frozen
                continue
            if not isfinite(a) or not isfinite(b):
                self.errors[at] = INFINITY
                self.needs[at] = SHORTER
                n_needs += 1
                continue
            largest = max(fabs(f), fabs(a), fabs(b))
            eps = rounding_at(lanes, lane, largest)
            rounding = eps / usual
            truncation = fabs(slope - self.others[at]) / (STRETCH * STRETCH - 1.0)
            bend = bend_of(a - f, b - f, p, self.second[at])
            tolerance = 0.0 if at_start else SHARE_OF_TOLERANCE * limit(lanes, GTOL_LIMIT)[lane]
            if not lanes.gtol_is_absolute:
                tolerance /= scale_of(lanes, at)
            self.errors[at] = rounding + truncation
            if fabs(bend) > SEEN * eps:
                self.curvatures[at] = bend / (p * p)
            # nor is an error of interest by which the root of the slope moves by a small part of the step
            if truncation > MARGIN * rounding + max(SMALL_ERROR * max(fabs(slope), fabs(bend / p)), tolerance):
                if slope == 0.0:  # no difference is seen by the usual step
                    self.needs[at] = LONGER
                elif at_start and truncation <= LARGE_ERROR * fabs(slope):
                    self.set_factor(at, usual * shortened(rounding, truncation))
                else:
                    self.needs[at] = SHORTER
            elif (fabs(slope) <= MARGIN * rounding and fabs(self.others[at]) <= MARGIN * eps / fabs(p)
                  and max(fabs(a - f), fabs(b - f)) > LARGE_CHANGE * largest):
                self.needs[at] = SHORTER
            elif eps >= ROUNDING_ERROR * fabs(self.others[at] * p) and fabs(bend) <= WELL_SEEN * eps:
                self.needs[at] = LONGER
            elif at_start and eps == lanes.trust.noise[lane] and rounding > truncation:  # the noise is known
                self.needs[at] = LONGER
            n_needs += self.needs[at] != NO_REPAIR
        return n_needs

    cdef void set_factor(self, Py_ssize_t at, double h) noexcept nogil:
        """Makes h the step of a coordinate at its present point."""
        cdef Lanes *lanes = self.lanes
        h = max(h, SHORTEST * power_of_two_below(self.size_of(at)))
        cdef double unit = lanes.trust.unit[at] if lanes.trust.unit != NULL else 1.0
        lanes.trust.factor[at] = RELATIVE_STEP * (h / rounded_step(lanes.trial.x[at], RELATIVE_STEP, unit))
        lanes.factors_differ = True

    cdef double size_of(self, Py_ssize_t at) noexcept nogil:
        """Of a coordinate, as steps see it."""
        cdef double unit = self.lanes.trust.unit[at] if self.lanes.trust.unit != NULL else 1.0
        return max(unit, fabs(self.lanes.trial.x[at]))

    cdef void start_repair(self, Repair *repair, Py_ssize_t at) noexcept nogil:
        cdef double usual = fabs(self.h[at]) / STRETCH
        repair.grows = self.needs[at] == LONGER
        repair.is_over = False
        repair.factor = 1.0
        repair.best_curvature = self.curvatures[at]
        if repair.grows:
            repair.h = RATIO * power_of_two_below(fabs(self.h[at]))
            repair.slope = self.others[at]
            repair.change = fabs(self.others[at] - self.slopes[at])
            repair.best_h = 0.0
            repair.best_slope = self.slopes[at]
            repair.best_error = self.errors[at] if self.sees(repair.lane, at) else INFINITY
        else:
            repair.h = usual / RATIO
            repair.slope = repair.best_slope = self.slopes[at]
            repair.change = repair.best_error = INFINITY
            repair.best_h = usual

    cdef bint sees(self, Py_ssize_t lane, Py_ssize_t at) noexcept nogil:
        """Whether the values by longer steps differ from that at x by more than rounding."""
        cdef double f = self.lanes.trial.f[lane], a = self.first_values[at], b = self.second_values[at]
        cdef double eps = rounding_at(self.lanes, lane, max(fabs(f), fabs(a), fabs(b)))
        return max(fabs(a - f), fabs(b - f)) > MARGIN * eps

    cdef int repair(self, Py_ssize_t i, Py_ssize_t n) except -1 nogil:
        """Finds better steps in coordinate i for those that are listed, side by side; 1 if the time ran out."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t k, at, n_active = n, lane
        cdef Repair kept
        cdef double noise
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
        for k in range(n):
            lane = self.repairs[k].lane
            at = i * lanes.capacity + lane
            self.curvatures[at] = self.repairs[k].best_curvature
            if not self.repairs[k].best_error < INFINITY or self.repairs[k].best_h == 0.0:
                continue  # nothing better was seen
            if self.repairs[k].grows:
                noise = max(fabs(self.slopes[at] - self.repairs[k].best_slope) * fabs(self.h[at]) / STRETCH,
                            fabs(self.others[at] - self.repairs[k].best_slope) * fabs(self.h[at]))
                if noise > SEEN * rounding_at(lanes, lane, lanes.trial.f[lane]):
                    lanes.trust.noise[lane] = noise
            self.errors[at] = self.repairs[k].best_error
            lanes.trial.g[at] = self.repairs[k].best_slope
            self.set_factor(at, self.repairs[k].factor * self.repairs[k].best_h)
        return 0

    cdef void advance(self, Repair *repair, Py_ssize_t i, Py_ssize_t k) noexcept nogil:
        """Takes in the values at the two points, and chooses the next step."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t at = i * lanes.capacity + repair.lane
        cdef double f = lanes.trial.f[repair.lane], a = self.a[k], b = self.b[k], p = self.p[k], q = self.q[k]
        cdef double slope, change, rounding, error, eps, largest, bend
        cdef bint agrees
        if not isfinite(a) or not isfinite(b):
            repair.slope = NAN
            repair.is_over = repair.grows
        else:
            slope = (a - b) / (2.0 * p) if q == -p else (4.0 * a - b - 3.0 * f) / (2.0 * p)
            largest = max(fabs(f), fabs(a), fabs(b))
            eps = rounding_at(lanes, repair.lane, largest)
            rounding = eps / fabs(p)
            change = fabs(slope - repair.slope)
            error = change / RATIO + rounding
            if isnan(error) or max(fabs(a - f), fabs(b - f)) <= MARGIN * eps:
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
                repair.best_curvature = bend / (p * p) if fabs(bend) > SEEN * eps else 0.0
            if repair.grows:
                repair.is_over = error < INFINITY and change > MARGIN * max(repair.change, rounding)
            else:
                agrees = change <= max(MARGIN * rounding, SMALL_ERROR * fabs(slope)) and (
                    slope != 0.0 or max(fabs(a - f), fabs(b - f)) <= LARGE_CHANGE * largest)
                repair.is_over = agrees or rounding > repair.best_error
            repair.slope = slope
            repair.change = change
        repair.h = RATIO * repair.h if repair.grows else repair.h / RATIO
        repair.is_over |= (repair.h > LONGEST * self.size_of(at) or repair.h < SHORTEST * self.size_of(at)
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


cdef inline bint is_single(double value) noexcept nogil:
    return <double><float>value == value


cdef inline bint is_full(double value) noexcept nogil:
    """Whether a number of single precision uses one of its last four digits."""
    cdef float single = <float>value
    return (<unsigned int *>&single)[0] & 15 != 0


cdef inline double shortened(double rounding, double truncation) noexcept nogil:
    """The power of two by which a step is to be multiplied so that both its errors are of one size; at most by 1."""
    return min(power_of_two_below(max(cbrt(0.5 * rounding / truncation), 2.0 ** -10)), 1.0)


cdef inline double bend_of(double rise, double other_rise, double p, double q) noexcept nogil:
    """p^2 times the second derivative, from the values at x + p and x + q less that at x."""
    return 2.0 * p * ((rise / p - other_rise / q) / (p - q)) * p
