"""Steps of differences that fit: each slope is compared with that by a longer step, and where they contradict each
other a step is looked for at which they agree.

P. E. Gill, W. Murray, M. A. Saunders, M. H. Wright, "Computing forward-difference intervals for numerical
optimization", SIAM Journal on Scientific and Statistical Computing 4, 1983; H.-J. M. Shi, Y. Xie, M. Q. Xuan,
J. Nocedal, "Adaptive finite-difference interval estimation for noisy derivative-free optimization", SIAM Journal on
Scientific Computing 44, 2022.
"""
from cython cimport final
from libc.math cimport INFINITY, NAN, fabs, isfinite

from ..memory.lanes cimport (
    count_limit,
    finish,
    limit,
    nfev_of,
    rounding_at,
    scale_of,
    unit_of,
)
from ..memory.problems cimport GTOL_LIMIT, MAXFEV_LIMIT
from ..memory.slab cimport take_integers
from ..objectives.objective cimport VALUE
from ..stopping cimport EXCEPTION, NONFINITE, RUNNING, UNBOUNDED
from .blocks cimport count
from .repairs cimport (
    LARGE_CHANGE,
    MARGIN,
    RATIO,
    SEEN,
    SHORTEST,
    SMALL_ERROR,
    Repair,
    Repairs,
    bend_of,
    curvature_of,
    shortened,
    size_of,
)
from .stencils cimport RELATIVE_STEP, fit_steps, power_of_two_below, rounded_step, step_of

# How many times the usual step the other one is. As it is no power of two, its points have all their digits, and values
# in single precision can be told from those of polynomials with few digits.
cdef double STRETCH = 5.848468629
cdef double SINGLE_PRECISION = 2.0 ** -23
# A curvature is seen well if the values show it so many times beyond rounding.
cdef double WELL_SEEN = 1024.0
# Relative errors of slopes: one up to which truncation behaves as it does for small steps; one beyond which longer
# steps are tried if rounding is the cause.
cdef double LARGE_ERROR = 2.0 ** -7
cdef double ROUNDING_ERROR = 2.0 ** -16
# The part of gtol that truncation may make of a gradient which is taken for small.
cdef double SHARE_OF_TOLERANCE = 0.125
# By so much of x the error of a slope may move its root.
SMALL_MOVE = 2.0 ** -26

cdef extern from "memory/loops.h":
    double EPSILON "FASTGD_EPSILON"


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
        self.repairs = Repairs(evaluator.blocks)
        self.slab = Slab()

    cdef int prepare(self, Lanes *lanes) except -1:
        self.lanes = lanes
        self.repairs.prepare(lanes)
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
        self.exponents = self.slab.take(self.lanes.n_dim)

    cdef int look(self, const Py_ssize_t *lane_of, Py_ssize_t n, Occasion when) except -1 nogil:
        """Compares the slopes at the trial points of n lanes, in the user's units, with others; mends their steps, and
        then the slopes; 1 if the time ran out."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t i, j, lane, n_listed, n_repairs = 0
        if self.take_others(lane_of, n):
            return 1
        for j in range(n):
            lane = lane_of[j]
            if lanes.status[lane] == NONFINITE or lanes.status[lane] == UNBOUNDED or lanes.status[lane] == EXCEPTION:
                self.forget(lane)  # f itself is not finite
                continue
            if when != LATER:
                self.find_single_precision(lane)
            n_repairs += self.judge(lane, when)
        if not n_repairs:
            return 0
        for i in range(lanes.n_dim):
            n_listed = 0
            for j in range(n):
                lane = lane_of[j]
                if self.needs[i * lanes.capacity + lane] != NO_REPAIR and (
                        nfev_of(lanes, lane) + 2 <= count_limit(lanes, MAXFEV_LIMIT)[lane]):
                    self.start_repair(&self.repairs.repairs[n_listed], lane, i * lanes.capacity + lane)
                    n_listed += 1
            if n_listed and self.repair(i, n_listed):
                return 1
        return 0

    cdef int look_at_trials(self, Occasion when) except -1:
        """The same of all lanes, in a run of their own."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t i, lane, n = 0
        for lane in range(lanes.live):
            for i in range(lanes.n_dim):
                self.errors[i * lanes.capacity + lane] = NAN
            self.healthy[n] = lane
            n += lanes.fault[lane] == RUNNING or lanes.fault[lane] == NONFINITE  # perhaps beside the point alone
            lanes.fault[lane] = RUNNING
        if not n:
            return 0
        self.evaluator.enter_units()
        self.look(self.healthy, n, when)
        self.evaluator.leave_units()
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
        cdef double upper = INFINITY, lower = -INFINITY
        if are_counted:
            count(lanes, lane_of, n, 0, -1)
        for i in range(lanes.n_dim):
            for j in range(n):
                at = i * lanes.capacity + lane_of[j]
                self.others[at] = lanes.trial.g[at]
                lanes.trial.g[at] = self.slopes[at]
                self.h[at] = STRETCH * step_of(lanes, at, lanes.trial.x[at])
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

    cdef Py_ssize_t judge(self, Py_ssize_t lane, Occasion when) noexcept nogil:
        """Finds the errors of the slopes, the curvatures, and in which coordinates the step does not fit; returns their
        number."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t i, at, n_needs = 0
        cdef double f = lanes.trial.f[lane]
        cdef double a, b, p, slope, usual, largest, eps, rounding, rounding_of_x, truncation, bend, tolerance
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
            tolerance = 0.0
            if when == LATER:
                tolerance = SHARE_OF_TOLERANCE * limit(lanes, GTOL_LIMIT)[lane]
                if not lanes.gtol_is_absolute:
                    tolerance /= scale_of(lanes, at)
            elif when == FOR_HESSIANS:
                tolerance = SMALL_MOVE * size_of(lanes, at) * fabs(bend) / (p * p)
            self.errors[at] = rounding + truncation
            self.curvatures[at] = curvature_of(bend, p, eps)
            # rounding of x, too, changes the slope
            rounding_of_x = EPSILON * fabs(lanes.trial.x[at]) * fabs(bend) / (p * p)
            if truncation > MARGIN * (rounding + rounding_of_x) + max(SMALL_ERROR * fabs(slope), tolerance):
                if slope == 0.0:  # no difference is seen by the usual step
                    self.needs[at] = LONGER
                elif when == FIRST_ITERATE and truncation <= LARGE_ERROR * fabs(slope):
                    self.set_factor(at, usual * shortened(rounding, truncation))
                else:
                    self.needs[at] = SHORTER
            elif (fabs(slope) <= MARGIN * rounding and fabs(self.others[at]) <= MARGIN * eps / fabs(p)
                  and self.height(lane, at) > LARGE_CHANGE * largest):
                self.needs[at] = SHORTER
            elif eps >= ROUNDING_ERROR * fabs(self.others[at] * p) and fabs(bend) <= WELL_SEEN * eps:
                self.needs[at] = LONGER
            elif when != LATER and eps == lanes.trust.noise[lane] and rounding > truncation:  # the noise is known
                self.needs[at] = LONGER
            n_needs += self.needs[at] != NO_REPAIR
        return n_needs

    cdef void set_factor(self, Py_ssize_t at, double h) noexcept nogil:
        """Makes h the step of a coordinate at its present point."""
        cdef Lanes *lanes = self.lanes
        cdef double usual
        h = max(h, SHORTEST * power_of_two_below(size_of(lanes, at)))
        usual = rounded_step(lanes.trial.x[at], RELATIVE_STEP, unit_of(lanes, at))
        lanes.trust.factor[at] = RELATIVE_STEP * (h / usual)
        lanes.factors_differ = True

    cdef void start_repair(self, Repair *repair, Py_ssize_t lane, Py_ssize_t at) noexcept nogil:
        cdef double usual = fabs(self.h[at]) / STRETCH
        repair.lane = lane
        repair.grows = self.needs[at] == LONGER
        repair.is_over = False
        repair.height = self.height(lane, at)
        repair.factor = 1.0
        repair.best_curvature = self.curvatures[at]
        if repair.grows:
            repair.h = RATIO * power_of_two_below(fabs(self.h[at]))
            repair.slope = self.others[at]
            repair.change = fabs(self.others[at] - self.slopes[at])
            repair.best_h = 0.0
            repair.best_slope = self.slopes[at]
            repair.best_error = self.errors[at] if self.sees(lane, at) else INFINITY
        else:
            repair.h = usual / RATIO
            repair.slope = repair.best_slope = self.slopes[at]
            repair.change = repair.best_error = INFINITY
            repair.best_h = usual

    cdef double height(self, Py_ssize_t lane, Py_ssize_t at) noexcept nogil:
        """How far the values by longer steps are from that at x; 0 where they are not finite."""
        cdef double f = self.lanes.trial.f[lane]
        cdef double height = max(fabs(self.first_values[at] - f), fabs(self.second_values[at] - f))
        return height if isfinite(height) else 0.0

    cdef bint sees(self, Py_ssize_t lane, Py_ssize_t at) noexcept nogil:
        """Whether they differ from that by more than rounding."""
        cdef double f = self.lanes.trial.f[lane], a = self.first_values[at], b = self.second_values[at]
        return self.height(lane, at) > MARGIN * rounding_at(self.lanes, lane, max(fabs(f), fabs(a), fabs(b)))

    cdef int repair(self, Py_ssize_t i, Py_ssize_t n) except -1 nogil:
        """Finds better steps in coordinate i for those n repairs, side by side, and adopts them; 1 if the time ran out.
        """
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t k, at
        cdef Repair *repair
        cdef double noise
        if self.repairs.find(i, n):
            return 1
        for k in range(n):
            repair = &self.repairs.repairs[k]
            at = i * lanes.capacity + repair.lane
            self.curvatures[at] = repair.best_curvature
            if not repair.best_error < INFINITY or repair.best_h == 0.0:
                continue  # nothing better was seen
            if repair.grows:
                noise = max(fabs(self.slopes[at] - repair.best_slope) * fabs(self.h[at]) / STRETCH,
                            fabs(self.others[at] - repair.best_slope) * fabs(self.h[at]))
                if noise > SEEN * rounding_at(lanes, repair.lane, lanes.trial.f[repair.lane]):
                    lanes.trust.noise[repair.lane] = noise
            self.errors[at] = repair.best_error
            lanes.trial.g[at] = repair.best_slope
            self.set_factor(at, repair.factor * repair.best_h)
        return 0


cdef inline bint is_single(double value) noexcept nogil:
    return <double><float>value == value


cdef inline bint is_full(double value) noexcept nogil:
    """Whether a number of single precision uses one of its last four digits."""
    cdef float single = <float>value
    return (<unsigned int *>&single)[0] & 15 != 0
