"""Evaluates what the lanes want: by asking the objective, and by differences for what it does not supply."""
from cython cimport final, unlikely
from libc.math cimport isfinite

from ..memory.lanes cimport count_limit, nfev_of
from ..memory.problems cimport MAXFEV_LIMIT
from ..memory.slab cimport take_integers
from ..objectives.objective cimport GRADIENT, HESSIAN, VALUE, Objective
from ..stopping cimport EXCEPTION, NONFINITE, RUNNING
from .blocks cimport count
from .clock cimport Clock
from .stencils cimport Stencil

cdef extern from "memory/lanes.h":
    void fastgd_into_units(Lanes *lanes, Py_ssize_t n) noexcept nogil
    void fastgd_out_of_units(Lanes *lanes, Py_ssize_t n) noexcept nogil
    void fastgd_scale_gradients(Lanes *lanes, Py_ssize_t n) noexcept nogil
    void fastgd_unscale_gradients(Lanes *lanes, Py_ssize_t n) noexcept nogil
    bint fastgd_want_alike(const Lanes *lanes, Py_ssize_t n) noexcept nogil

# Times the usual step: once more where the function is not finite.
cdef double SHORTER = 0.125


@final
cdef class Evaluator:
    """Evaluates an objective at the trial points of all lanes; if it is to be maximized, its negative.

    The lanes hold x / scale, and get scale * g; what is evaluated has the user's units.
    """

    def __init__(self, Objective objective not None, Stencil stencil not None, Clock clock not None,
                 bint maximize=False):
        self.blocks = Blocks(objective, clock, maximize)
        self.differences = Differences(self.blocks, stencil)
        self.calibrates = not objective.supplies & GRADIENT and stencil.given is None and stencil.is_pair
        self.slab = Slab()

    cdef int prepare(self, Lanes *lanes, bint hessians) except -1:
        """Takes the memory for an evaluation of these lanes."""
        cdef Py_ssize_t time
        cdef bint has_gradient
        self.lanes = lanes
        self.blocks.prepare(lanes, hessians)
        has_gradient = self.blocks.objective.supplies & GRADIENT
        if not has_gradient:
            self.differences.prepare()
        if hessians:
            self.hessians = Hessians(self.blocks)
            self.hessians.prepare()
        for time in range(2):
            self.value_lanes = take_integers(self.slab, lanes.capacity)
            self.gradient_lanes = take_integers(self.slab, lanes.capacity)
            self.failed_lanes = take_integers(self.slab, lanes.capacity)
            self.unknown_lanes = take_integers(self.slab, lanes.capacity)
            if time == 0:
                self.slab.allocate("lists", lanes.capacity, lanes.n_dim)
        lanes.cost = self.most_evaluations()
        lanes.differences_need_f = not has_gradient and (lanes.bounded or self.differences.stencil.is_forward)
        return 0

    cdef Py_ssize_t most_evaluations(self) noexcept nogil:
        """How often an iteration, and the last value if it is not known by then, may call the user's function."""
        cdef Py_ssize_t n = self.differences.stencil.n_moves * self.lanes.n_dim + 1 + (
            self.lanes.bounded or self.differences.stencil.is_forward)
        if self.blocks.objective.supplies & GRADIENT:
            n = self.blocks.objective.gradient_cost + 1
        return n if self.hessians is None else n + self.hessians.n_evaluations

    cdef int evaluate(self) except -1 nogil:
        """Evaluates what the lanes want at their trial points; 1 if the time ran out before that.

        While a lane wants a value and no more, those that want gradients wait, so that nearly all of them get theirs
        in the same calls.
        """
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t lane, n = 0
        cdef int late
        if unlikely(lanes.any_fault):
            for lane in range(lanes.live):
                lanes.fault[lane] = RUNNING
            lanes.any_fault = False
        if lanes.want_in_common < 0 and fastgd_want_alike(lanes, lanes.live):
            lanes.want_in_common = lanes.want[0]
        lanes.gradients_wait = False
        if lanes.trust.scale != NULL:
            fastgd_into_units(lanes, lanes.live)
        if lanes.want_in_common >= 0:
            late = self.evaluate_lanes(lanes.all_lanes, lanes.live, lanes.want_in_common)
        else:
            for lane in range(lanes.live):
                self.value_lanes[n] = lane
                n += lanes.want[lane] == VALUE
            if n:
                lanes.gradients_wait = True
                late = self.evaluate_lanes(self.value_lanes, n, VALUE)
            else:
                late = self.evaluate_as_wanted()
        if lanes.trust.scale != NULL:
            fastgd_out_of_units(lanes, lanes.live)
        if unlikely(self.blocks.unwritten >= 0):
            with gil:
                raise RuntimeError("the compiled function returned 0 but left an output unwritten")
        return late

    cdef int evaluate_as_wanted(self) except -1 nogil:
        """What the lanes want, if none wants a value alone. By differences gradients of all of them in the same
        calls; of the objective's own gradients a call for each question."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t want, lane, n
        if not self.blocks.objective.supplies & GRADIENT:
            return self.evaluate_lanes(lanes.all_lanes, lanes.live, lanes.gradient_and_more)
        for want in range(GRADIENT, (VALUE | GRADIENT | HESSIAN) + 1):
            n = 0
            for lane in range(lanes.live):
                self.gradient_lanes[n] = lane
                n += lanes.want[lane] == want
            if n and self.evaluate_lanes(self.gradient_lanes, n, want):
                return 1
        return 0

    cdef int evaluate_lanes(self, const Py_ssize_t *lane_of, Py_ssize_t n, Py_ssize_t want) except -1 nogil:
        """One question, of n lanes."""
        cdef int late = 0
        if self.lanes.trust.scale != NULL and want == HESSIAN:
            self.scale_gradients(lane_of, n, False)
        if want == HESSIAN:
            pass
        elif want == VALUE or self.blocks.objective.supplies & GRADIENT:
            late = self.blocks.evaluate_points(lane_of, n, want & ~HESSIAN)
        else:
            late = self.differences.take(lane_of, n)
            if self.lanes.any_fault and self.calibrates and not late:
                late = self.take_shorter(lane_of, n)
        if want & HESSIAN and not late:
            late = self.hessians.take(lane_of, n)
        if self.lanes.trust.scale != NULL:
            if want != VALUE or self.lanes.gradients_came:
                self.scale_gradients(lane_of, n, True)
            if want & HESSIAN:
                self.scale_hessians(lane_of, n)
        return late

    cdef int take_shorter(self, const Py_ssize_t *lane_of, Py_ssize_t n) except -1 nogil:
        """Differences by shorter steps, once, in lanes where the function fails at the usual ones, but not at the trial
        point itself; 1 if the time ran out."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t i, j, lane, n_failed = 0, n_unknown = 0, n_left = 0
        cdef bint may_be_asked
        cdef int late
        for j in range(n):
            lane = lane_of[j]
            if lanes.fault[lane] == EXCEPTION and not self.blocks.objective.takes_points and (
                    not isfinite(lanes.trial.f[lane])):
                lanes.trial.knows_f[lane] = False  # it may have been asked for together with what raised
            may_be_asked = (lanes.fault[lane] == NONFINITE or lanes.fault[lane] == EXCEPTION) and (
                not lanes.trial.knows_f[lane] or isfinite(lanes.trial.f[lane])) and (
                nfev_of(lanes, lane) + 2 * lanes.n_dim + 1 <= count_limit(lanes, MAXFEV_LIMIT)[lane])
            for i in range(lanes.n_dim):
                may_be_asked &= isfinite(lanes.trial.x[i * lanes.capacity + lane])
            self.failed_lanes[n_failed] = lane
            n_failed += may_be_asked
        for j in range(n_failed):
            lane = self.failed_lanes[j]
            lanes.fault[lane] = RUNNING
            self.unknown_lanes[n_unknown] = lane
            n_unknown += not lanes.trial.knows_f[lane]
        if n_unknown and self.blocks.evaluate_points(self.unknown_lanes, n_unknown, VALUE):
            return 1
        for j in range(n_failed):
            self.failed_lanes[n_left] = self.failed_lanes[j]
            n_left += lanes.fault[self.failed_lanes[j]] == RUNNING
        n_failed = n_left
        if not n_failed:
            return 0
        self.differences.gradients_alone = True
        self.differences.stencil.stretch = SHORTER
        late = self.differences.take(self.failed_lanes, n_failed)
        self.differences.stencil.stretch = 1.0
        self.differences.gradients_alone = False
        count(lanes, self.failed_lanes, n_failed, 0, -1)
        return late

    cdef void go_to_iterates(self) noexcept nogil:
        """The iterates take the place of the trial points, where they can be evaluated, in the user's units."""
        cdef Lanes *lanes = self.lanes
        self.is_at_iterates = True
        lanes.here, lanes.trial = lanes.trial, lanes.here
        self.enter_units()

    cdef void come_back(self) noexcept nogil:
        cdef Lanes *lanes = self.lanes
        self.leave_units()
        lanes.here, lanes.trial = lanes.trial, lanes.here
        self.is_at_iterates = False
        lanes.rounds_left = 0  # more evaluations were made than it counts with

    cdef void enter_units(self) noexcept nogil:
        """The trial points of all lanes, with their gradients, and the bounds in the user's units."""
        if self.lanes.trust.scale != NULL:
            fastgd_into_units(self.lanes, self.lanes.live)
            self.scale_gradients(self.lanes.all_lanes, self.lanes.live, False)

    cdef void leave_units(self) noexcept nogil:
        if self.lanes.trust.scale != NULL:
            self.scale_gradients(self.lanes.all_lanes, self.lanes.live, True)
            fastgd_out_of_units(self.lanes, self.lanes.live)

    cdef void scale_gradients(self, const Py_ssize_t *lane_of, Py_ssize_t n, bint into) noexcept nogil:
        """Of n lanes: into the units of x / scale, or out of them."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t i, j, at
        if n == lanes.live:
            if into:
                fastgd_scale_gradients(lanes, n)
            else:
                fastgd_unscale_gradients(lanes, n)
            return
        for i in range(lanes.n_dim):
            for j in range(n):
                at = i * lanes.capacity + lane_of[j]
                if into:
                    lanes.trial.g[at] *= lanes.trust.scale[at]
                else:
                    lanes.trial.g[at] /= lanes.trust.scale[at]

    cdef void scale_hessians(self, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil:
        """The same of Hessians."""
        cdef Lanes *lanes = self.lanes
        cdef Py_ssize_t i, k, j, row = 0, stride = lanes.capacity
        for i in range(lanes.n_dim):
            for k in range(i + 1):
                for j in range(n):
                    lanes.trial.H[row * stride + lane_of[j]] *= (
                        lanes.trust.scale[i * stride + lane_of[j]] * lanes.trust.scale[k * stride + lane_of[j]])
                row += 1
