"""A second look at iterates: steps are calibrated at the start, and a problem ends with success only after it."""
import warnings

from cython cimport final
from libc.math cimport INFINITY, NAN, fabs, isnan

from .evaluation.calibration cimport FIRST_ITERATE, LATER, SMALL_MOVE, Calibration
from .evaluation.comparison cimport Comparison
from .evaluation.repairs cimport size_of
from .evaluation.scales cimport find_scale
from .evaluation.stencils cimport rounded_power, step_of
from .memory.lanes cimport (
    AGAIN,
    ITERATE,
    count_limit,
    finish,
    limit,
    nfev_of,
    nit_of,
    rises,
    rounding_at,
    scale_of,
    step_at,
)
from .memory.problems cimport GTOL_LIMIT, MAXFEV_LIMIT
from .memory.slab cimport take_integers
from .objectives.objective cimport GRADIENT, VALUE
from .stopping cimport (
    ABOVE_START,
    CONTRADICTION,
    GTOL,
    JAC,
    MAXFEV,
    NO_DIFFERENCE,
    NO_LOWER,
    NONE,
    PRECISION,
    RUNNING,
    STALLED,
    STEP_UNDERFLOW,
    decide,
    size_at,
)

# A fall of f by so many times its rounding, about 1e-13 |f|, is none that searches could find.
cdef double UNSEEN_FALL = 512.0
# The same for what curvatures along the coordinates promise, which may be far more than those along the direction do.
cdef double LARGEST_UNSEEN_FALL = 2.0 ** 20
# How often steps are mended in a run: then differences contradict each other.
cdef Py_ssize_t MOST_REPAIRS = 5
# Slopes that differ by more than this part of them contradict each other.
cdef double LARGE_DIFFERENCE = 2.0 ** -5
# By so much of x its own last digits may move the root of a slope.
cdef double SOME_DIGITS = 2.0 ** -49
# Given steps are too small if rounding alone makes slopes of this size, and no difference is seen.
cdef double LARGEST_UNSEEN_SLOPE = 1e-6
# Gradients whose products with each other are numbers, and with what they may become.
cdef double LARGEST_LEVEL = 2.0 ** 200


@final
cdef class Verification:
    def __init__(self, Evaluator evaluator not None, Search rule not None, bint checks_jac, Py_ssize_t first):
        self.evaluator = evaluator
        self.rule = rule
        self.calibration = Calibration(evaluator) if evaluator.calibrates else None
        self.comparison = Comparison(evaluator)
        self.checks_jac = checks_jac and first == 0
        self.slab = Slab()

    cdef int prepare(self, Lanes *lanes, bint gtol_is_absolute) except -1:
        cdef Py_ssize_t time
        self.lanes = lanes
        for time in range(2):
            self.listed = take_integers(self.slab, lanes.capacity)
            self.others = take_integers(self.slab, lanes.capacity)
            if time == 0:
                self.slab.allocate("lists", lanes.capacity, lanes.n_dim)
        if self.calibration is not None:
            self.calibration.prepare(lanes)
        self.comparison.prepare(lanes)
        lanes.gtol_is_absolute = gtol_is_absolute and lanes.finds_scale
        lanes.must_be_near = not gtol_is_absolute and self.rule.needs_values
        lanes.doubts_gtol = not self.evaluator.blocks.objective.supplies & GRADIENT
        lanes.doubts_all = not self.rule.needs_values and (self.calibration is not None or not lanes.doubts_gtol)
        return 0

    cdef bint has_room(self, Py_ssize_t lane, Py_ssize_t n_evaluations) noexcept nogil:
        """Whether maxfev allows so many more."""
        return nfev_of(self.lanes, lane) + n_evaluations <= count_limit(self.lanes, MAXFEV_LIMIT)[lane]

    cdef int begin(self) except -1 nogil:
        """Calibrates the steps of the lanes that have come to their first iterate, and finds their scales and
        tolerances; 1 if the time ran out."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t j, lane, n = 0, n_fresh = 0
        cdef int late
        lanes.any_fresh = False
        for lane in range(lanes.live):
            if lanes.trust.repairs[lane] != -1 or lanes.status[lane] != RUNNING:
                continue
            if lanes.phase[lane] == AGAIN:
                lanes.any_fresh = True
                continue
            n_fresh += 1
            self.listed[n] = lane
            n += self.calibration is not None and self.has_room(lane, 2 * lanes.n_dim + 1)
        if n:
            self.evaluator.go_to_iterates()
            late = self.calibration.look(self.listed, n, FIRST_ITERATE)
            if lanes.trial.H != NULL and not late:
                late = self.take_hessians_again(n)
            if lanes.finds_scale and not late:
                for j in range(n):
                    find_scale(self.calibration, self.listed[j])
                if lanes.trial.H != NULL:
                    self.evaluator.scale_hessians(self.listed, n)
            self.evaluator.come_back()
            if late:
                return 1
        if not n_fresh:
            return 0
        for lane in range(lanes.live):
            if lanes.trust.repairs[lane] == -1 and lanes.phase[lane] == ITERATE and lanes.status[lane] == RUNNING:
                lanes.trust.repairs[lane] = 0
                lanes.trust.first_f[lane] = lanes.here.f[lane] if lanes.here.knows_f[lane] else NAN
                self.measure(lane)
                if self.checks_jac and lanes.problem[lane] == 0:
                    self.check_jac(lane)
        return 0

    cdef int take_hessians_again(self, Py_ssize_t n) except -1 nogil:
        """Of the listed lanes whose steps were mended; 1 if the time ran out."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t i, j, lane, m = 0
        cdef bint is_mended
        for j in range(n):
            lane = self.listed[j]
            is_mended = False
            for i in range(lanes.n_dim):
                is_mended |= self.calibration.needs[i * lanes.capacity + lane] != 0
            self.others[m] = lane
            m += (is_mended and lanes.status[lane] == RUNNING
                  and self.has_room(lane, self.evaluator.hessians.n_evaluations))
        if not m:
            return 0
        if self.evaluator.hessians.take(self.others, m):
            return 1
        if lanes.trust.scale != NULL and not lanes.finds_scale:
            self.evaluator.scale_hessians(self.others, m)
        for j in range(m):
            if lanes.fault[self.others[j]] != RUNNING:
                finish(lanes, self.others[j], lanes.fault[self.others[j]])
        return 0

    cdef void measure(self, Py_ssize_t lane) noexcept nogil:
        """By the first gradient: a tolerance where none is given, and the level of gradients."""
        cdef double size = size_at(self.lanes, lane)
        if isnan(limit(self.lanes, GTOL_LIMIT)[lane]):
            limit(self.lanes, GTOL_LIMIT)[lane] = self.rule.usual_gtol(size)
        size = self.lanes.norm[lane]
        if 0.0 < size < 1.0 / LARGEST_LEVEL or LARGEST_LEVEL < size < INFINITY:
            self.lanes.trust.level[lane] = 1.0 / min(rounded_power(size), 2.0 ** 1023)

    cdef int verify(self) except -1 nogil:
        """A second look at the lanes that claim success: ends them, or lets them go on with other steps; 1 if the time
        ran out."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t j, lane, status, n = 0
        cdef int late
        for j in range(lanes.n_doubtful):
            lane = lanes.doubtful[j]
            if not lanes.doubts_gtol:  # of their values, too, nothing more is asked here
                if not self.ends_above(lane, lanes.here.f[lane] if lanes.here.knows_f[lane] else NAN):
                    finish(lanes, lane, lanes.claims[lane])
            elif self.has_room(lane, 2 * lanes.n_dim + 1 if self.calibration is not None else 1):
                self.listed[n] = lane
                n += 1
            else:
                finish(lanes, lane, MAXFEV)
        lanes.n_doubtful = 0
        if not n:
            return 0
        if self.calibration is None:
            return self.verify_given(n)
        self.evaluator.go_to_iterates()
        late = self.look_again(n)
        if not late:
            for j in range(n):
                if lanes.status[self.listed[j]] == RUNNING:
                    self.judge_claim(self.listed[j])
        self.evaluator.come_back()
        if late:
            return 1
        for j in range(n):
            lane = self.listed[j]
            if lanes.status[lane] == RUNNING:
                size_at(lanes, lane)
                status = decide(lanes, lane)
                if status != GTOL and status != RUNNING:
                    finish(lanes, lane, status)
        return 0

    cdef int look_again(self, Py_ssize_t n) except -1 nogil:
        """At the lanes that are listed, but for those whose start has just been looked at; 1 if the time ran out."""
        cdef Py_ssize_t j, m = 0
        for j in range(n):
            self.others[m] = self.listed[j]
            m += nit_of(self.lanes, self.listed[j]) > 0
        return self.calibration.look(self.others, m, LATER) if m else 0

    cdef double tolerance_at(self, Py_ssize_t lane, Py_ssize_t at) noexcept nogil:
        """gtol, in the user's units."""
        cdef double tolerance = limit(self.lanes, GTOL_LIMIT)[lane]
        return tolerance if self.lanes.gtol_is_absolute else tolerance / scale_of(self.lanes, at)

    cdef void judge_claim(self, Py_ssize_t lane) noexcept nogil:
        """Ends a lane that claims success, if there is no reason against it."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t i, at
        cdef double error, tolerance, slope
        cdef bint is_small = True, is_seen = True, is_repaired = False
        if lanes.doubts_all and self.ends_above(lane, lanes.trial.f[lane]):
            return
        if lanes.claims[lane] != GTOL:
            finish(lanes, lane, lanes.claims[lane])
            return
        for i in range(lanes.n_dim):
            at = i * lanes.capacity + lane
            is_repaired |= self.calibration.needs[at] != 0
            slope = free_slope(lanes, at)
            error = self.calibration.errors[at]
            tolerance = self.tolerance_at(lane, at)
            if fabs(slope) > tolerance and (self.calibration.needs[at] or not fabs(slope) <= 2.0 * error):
                is_small = False
            if error > 4.0 * tolerance and (slope != 0.0 or self.calibration.others[at] != 0.0):
                is_seen = False
        if is_small and (is_seen or not self.contradicts(lane)):
            finish(lanes, lane, GTOL if is_seen else PRECISION)
            return
        lanes.trust.repairs[lane] += 1
        if lanes.trust.repairs[lane] > MOST_REPAIRS or is_small:
            self.contradicts(lane)
            finish(lanes, lane, STALLED)

    cdef bint ends_above(self, Py_ssize_t lane, double f) noexcept nogil:
        """Ends a lane without success if f is above the value at its start, as far as they are known."""
        cdef double first_f = self.lanes.trust.first_f[lane]
        if not rises(self.lanes, lane, first_f, f):
            return False
        self.note(lane, ABOVE_START, f, first_f)
        finish(self.lanes, lane, STALLED)
        return True

    cdef bint contradicts(self, Py_ssize_t lane) noexcept nogil:
        """Whether slopes differ by more than rounding explains, in a coordinate where no better step was found."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t i, at
        cdef double eps = rounding_at(lanes, lane, lanes.trial.f[lane]), error, rounding, move
        for i in range(lanes.n_dim):
            at = i * lanes.capacity + lane
            if not self.calibration.needs[at]:
                continue
            error = self.calibration.errors[at]
            rounding = eps / step_of(lanes, at, lanes.trial.x[at])
            move = SMALL_MOVE * size_of(lanes, at) * fabs(self.calibration.curvatures[at])
            if error > max(16.0 * rounding, LARGE_DIFFERENCE * fabs(lanes.trial.g[at]), move):
                self.note(lane, CONTRADICTION, self.calibration.slopes[at], self.calibration.others[at])
                return True
        return False

    cdef void note(self, Py_ssize_t lane, Py_ssize_t reason, double seen, double expected) noexcept nogil:
        """What the message of a lane that ends without success will say."""
        self.lanes.trust.reason[lane] = reason
        self.lanes.trust.seen[lane] = seen
        self.lanes.trust.expected[lane] = expected

    cdef int verify_given(self, Py_ssize_t n) except -1 nogil:
        """By steps that are not calibrated a gradient may be zero because no difference is seen."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t i, j, lane, at, n_unknown = 0
        cdef int late = 0
        cdef bint any_slope
        cdef double eps, largest
        for j in range(n):
            lane = self.listed[j]
            any_slope = False
            for i in range(lanes.n_dim):
                any_slope |= lanes.here.g[i * lanes.capacity + lane] != 0.0
            if any_slope:
                finish(lanes, lane, lanes.claims[lane])
            else:
                self.listed[n_unknown] = lane
                n_unknown += 1
        if not n_unknown:
            return 0
        self.evaluator.go_to_iterates()
        for j in range(n_unknown):
            lane = self.listed[j]
            if not late and not lanes.trial.knows_f[lane]:
                late = self.evaluator.blocks.evaluate_points(&self.listed[j], 1, VALUE)
        self.evaluator.come_back()
        if late:
            return 1
        for j in range(n_unknown):
            lane = self.listed[j]
            if lanes.fault[lane] != RUNNING:
                finish(lanes, lane, lanes.fault[lane])
                continue
            largest = 0.0
            for i in range(lanes.n_dim):
                at = i * lanes.capacity + lane
                largest = max(largest, 1.0 / (scale_of(lanes, at) * step_at(lanes, i, at)))
            eps = rounding_at(lanes, lane, lanes.here.f[lane])
            if eps * largest > max(LARGEST_UNSEEN_SLOPE, limit(lanes, GTOL_LIMIT)[lane]):
                self.note(lane, NO_DIFFERENCE, lanes.here.f[lane], eps)
                finish(lanes, lane, STEP_UNDERFLOW)
            else:
                finish(lanes, lane, lanes.claims[lane])
        return 0

    cdef int review(self) except -1 nogil:
        """A second look at the lanes that have found nothing lower: they may have been solved to rounding, or go on
        with other steps; 1 if the time ran out."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t j, k, lane, n = 0, n_finished = 0
        cdef int late = 0
        for lane in range(lanes.live):
            self.listed[n] = lane
            n += lanes.status[lane] == STALLED and lanes.trust.reason[lane] == NONE and self.has_room(
                lane, 2 * lanes.n_dim + 1 if self.calibration is not None else 2)
        if not n:
            return 0
        if self.calibration is None:
            for j in range(n):
                self.explain(self.listed[j])
            return 0
        self.evaluator.go_to_iterates()
        late = self.calibration.look(self.listed, n, LATER)
        if not late:
            for j in range(n):
                self.judge_end(self.listed[j])
        self.evaluator.come_back()
        for j in range(n):
            if lanes.status[self.listed[j]] == RUNNING:
                self.resume(self.listed[j])
        for k in range(lanes.n_finished):
            lane = lanes.finished[k]
            lanes.finished[n_finished] = lane
            n_finished += lanes.status[lane] != RUNNING
        lanes.n_finished = n_finished
        return late

    cdef void judge_end(self, Py_ssize_t lane) noexcept nogil:
        """Whether a lane that has found nothing lower was solved, goes on, or is stuck."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t i, at
        cdef double eps = rounding_at(lanes, lane, lanes.trial.f[lane]), slope, error, largest = 0.0, its_error = 0.0
        cdef double fall = 0.0  # by which f could go down if the curvatures alone counted
        cdef bint is_small = True, is_unseen = True, is_repaired = False
        for i in range(lanes.n_dim):
            at = i * lanes.capacity + lane
            slope = fabs(free_slope(lanes, at))
            error = self.calibration.errors[at]
            if slope > 2.0 * error:
                fall += 0.5 * slope * (slope / fabs(self.calibration.curvatures[at]))
            is_repaired |= self.calibration.needs[at] != 0
            # rounding of f, or of x itself
            is_unseen &= slope <= max(2.0 * error, SOME_DIGITS * size_of(lanes, at) * fabs(
                self.calibration.curvatures[at]))
            is_small &= slope <= self.tolerance_at(lane, at) and error <= 4.0 * self.tolerance_at(lane, at)
            if slope > largest:
                largest = slope
                its_error = error
        if is_small:
            lanes.status[lane] = GTOL
        elif is_unseen or (not is_repaired and -lanes.trust.promised[lane] <= UNSEEN_FALL * eps
                           and fall <= LARGEST_UNSEEN_FALL * eps):
            lanes.status[lane] = STALLED if self.contradicts(lane) else PRECISION
        elif is_repaired and lanes.trust.repairs[lane] < MOST_REPAIRS and self.has_room(lane, lanes.cost):
            lanes.trust.repairs[lane] += 1
            lanes.status[lane] = RUNNING
        elif not self.contradicts(lane):
            self.note(lane, NO_LOWER, largest, its_error)

    cdef void resume(self, Py_ssize_t lane) noexcept nogil:
        """A lane goes on from its iterate, with other steps."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t i, at
        for i in range(lanes.n_dim):
            at = i * lanes.capacity + lane
            lanes.trial.x[at] = lanes.here.x[at]
        lanes.nit[lane] -= 1
        lanes.phase[lane] = AGAIN
        lanes.any_again = True
        self.rule.start(lanes, lane)

    cdef int explain(self, Py_ssize_t lane) except -1 nogil:
        """Whether a lane with a gradient of the user's was solved to rounding, or why it is stuck."""
        cdef Lanes *lanes = self.lanes
        cdef double slope = 0.0, by_values = 0.0, eps = rounding_at(lanes, lane, lanes.here.f[lane])
        if not self.evaluator.blocks.objective.supplies & GRADIENT:
            self.note(lane, NO_LOWER, lanes.norm[lane], NAN)
        elif not self.comparison.agrees(lane, &slope, &by_values):
            self.note(lane, JAC, slope, by_values)
        elif -lanes.trust.promised[lane] <= UNSEEN_FALL * eps and (
                lanes.here.f[lane] - UNSEEN_FALL * eps <= self.comparison.ahead < INFINITY):
            lanes.status[lane] = PRECISION
        else:
            self.note(lane, NO_LOWER, size_at(lanes, lane), NAN)
        return 0

    cdef int check_jac(self, Py_ssize_t lane) except -1 nogil:
        """Warns if the first gradient of the user's contradicts the values."""
        cdef double slope = 0.0, by_values = 0.0
        self.checks_jac = False
        if not self.comparison.agrees(lane, &slope, &by_values):
            with gil:
                warnings.warn(f"jac contradicts the values of the function: over a short way down from x0 it promises "
                              f"a change of {slope:.6g}, and the values change by {by_values:.6g}", RuntimeWarning)
        return 0


cdef inline double free_slope(const Lanes *lanes, Py_ssize_t at) noexcept nogil:
    """At the trial point; 0 if it leads outside from a bound."""
    cdef double slope = lanes.trial.g[at]
    if lanes.bounded and lanes.trial.x[at] == (lanes.lower[at] if slope > 0.0 else lanes.upper[at]):
        return 0.0
    return slope
