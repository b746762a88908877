"""Evaluates what the lanes want: by asking the objective, and by differences for what it does not supply."""
from cython cimport final, unlikely
from libc.math cimport INFINITY

from ..memory.slab cimport take_integers
from ..objectives.objective cimport GRADIENT, HESSIAN, VALUE, Objective
from ..stopping cimport RUNNING
from .clock cimport Clock
from .stencils cimport N_MOVES, Stencil

cdef extern from "memory/lanes.h":
    bint fastgd_want_alike(const Lanes *lanes, Py_ssize_t n) noexcept nogil


@final
cdef class Evaluator:
    """Evaluates an objective at the trial points of all lanes; if it is to be maximized, its negative."""

    def __init__(self, Objective objective not None, Stencil stencil not None, Clock clock not None,
                 bint maximize=False):
        self.blocks = Blocks(objective, clock, maximize)
        self.differences = Differences(self.blocks, stencil)
        self.slab = Slab()

    cdef int prepare(self, Lanes *lanes, bint hessians) except -1:
        """Takes the memory for an evaluation of these lanes."""
        cdef Stencil stencil = self.differences.stencil
        cdef Py_ssize_t time
        cdef bint has_gradient
        self.lanes = lanes
        self.blocks.prepare(lanes, hessians)
        has_gradient = self.blocks.objective.supplies & GRADIENT
        if not has_gradient:
            self.differences.prepare()
        if hessians:
            self.hessians = Hessians(self.blocks, stencil.steps.x_scale)
            self.hessians.prepare()
        for time in range(2):
            self.value_lanes = take_integers(self.slab, lanes.capacity)
            self.gradient_lanes = take_integers(self.slab, lanes.capacity)
            if time == 0:
                self.slab.allocate("lists", lanes.capacity, lanes.n_dim)
        lanes.least_step = INFINITY if has_gradient else stencil.least_step()
        lanes.relative_step = stencil.relative_step()
        lanes.cost = self.most_evaluations()
        lanes.differences_need_f = lanes.bounded and not has_gradient
        return 0

    cdef Py_ssize_t most_evaluations(self) noexcept nogil:
        """How often an iteration, and the last value if it is not known by then, may call the user's function."""
        cdef Py_ssize_t n = N_MOVES * self.lanes.n_dim + 1 + self.lanes.bounded
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
        if want == HESSIAN:
            pass
        elif want == VALUE or self.blocks.objective.supplies & GRADIENT:
            late = self.blocks.evaluate_points(lane_of, n, want & ~HESSIAN)
        else:
            late = self.differences.take(lane_of, n)
        if want & HESSIAN and not late:
            late = self.hessians.take(lane_of, n)
        return late
