"""Searches by values: steps are shortened until the function has fallen by a part of what its slope promises.

L. Armijo, "Minimization of functions having Lipschitz continuous first partial derivatives", Pacific Journal of
Mathematics 16, 1966; nonmonotone: L. Grippo, F. Lampariello, S. Lucidi, "A nonmonotone line search technique for
Newton's method", SIAM Journal on Numerical Analysis 23, 1986.
"""
from libc.math cimport INFINITY, fabs

from ..memory.lanes cimport accept, accept_all, ask, ask_marked, finish, nit_of, rounding_at
from ..memory.slab cimport take_integers
from ..objectives.objective cimport GRADIENT, VALUE
from ..stopping cimport NONFINITE, RUNNING, STALLED, size_at

cdef extern from "searches/armijo.h":
    bint fastgd_judge(Lanes *lanes, const double *state, Py_ssize_t *rejected, Py_ssize_t running, Py_ssize_t value,
                      Py_ssize_t next, Py_ssize_t monotone, Py_ssize_t n) noexcept nogil
    void fastgd_keep_lowest(Lanes *lanes, Py_ssize_t n) noexcept nogil
    bint fastgd_list_beginnings(const Lanes *lanes, Py_ssize_t *begins, Py_ssize_t running, Py_ssize_t n) noexcept nogil
    bint fastgd_begin_searches(const Lanes *lanes, double *state, Py_ssize_t *stuck, Py_ssize_t *seen,
                               const Py_ssize_t *begins, const double *squares, bint monotone,
                               Py_ssize_t n) noexcept nogil
    bint fastgd_try_all(Lanes *lanes, double *state, const double *d, const double *scale, const Py_ssize_t *begins,
                        Py_ssize_t n) noexcept nogil
    void fastgd_try_some(Lanes *lanes, double *state, const double *d, const double *scale, const Py_ssize_t *some,
                         Py_ssize_t n_some) noexcept nogil
    Py_ssize_t fastgd_list_wanting(const Lanes *lanes, Py_ssize_t *some, Py_ssize_t value) noexcept nogil

# What `fastgd_begin_searches` says of a lane whose last step was lost in rounding, and of nothing else.
cdef Py_ssize_t DID_NOT_MOVE = 2
# Iterations without a new lowest value.
cdef double PATIENCE_UPHILL = 20.0
# Trials of one search. Steps shrink at least by half, so that this is beyond the precision of x.
cdef double MOST_TRIALS = 60.0
# Directions that have learned the curvature are right for steps near 1. If many trials fail the direction is wrong, and
# the search begins again along the negative gradient.
cdef double MOST_TRIALS_IF_MONOTONE = 20.0


cdef class Armijo(Search):
    """Backtracking, by the minimum of a parabola, from the step that the direction proposes.

    With `monotone` every iterate is lower than the one before, but for rounding; otherwise than the highest of the
    last few.
    """

    def __init__(self, Pointer direction not None, bint monotone=False):
        Search.__init__(self, direction)
        self.pointer = direction
        self.needs_values = True
        self.keeps_lowest = not monotone
        self.monotone = monotone
        self.most_trials = MOST_TRIALS_IF_MONOTONE if monotone else MOST_TRIALS
        self.slab = Slab()

    cdef Py_ssize_t state_rows(self) noexcept nogil:
        return SEARCH_ROWS

    cdef int prepare(self, Lanes *lanes) except -1:
        cdef Py_ssize_t time
        Search.prepare(self, lanes)
        for time in range(2):
            self.marks = take_integers(self.slab, lanes.capacity)
            self.others = take_integers(self.slab, lanes.capacity)
            self.seen = take_integers(self.slab, lanes.capacity)
            self.anew = take_integers(self.slab, lanes.capacity)
            if time == 0:
                self.slab.allocate("lists", lanes.capacity, lanes.n_dim)
        return 0

    cdef void start(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil:
        ask(lanes, lane, VALUE | lanes.gradient_and_more)
        search_row(self, lanes, LEAST_F)[lane] = search_row(self, lanes, LEAST_NORM)[lane] = INFINITY
        search_row(self, lanes, HIGHEST)[lane] = search_row(self, lanes, HIGHEST_BEFORE)[lane] = -INFINITY
        search_row(self, lanes, WAITED_FOR_F)[lane] = search_row(self, lanes, CAREFUL)[lane] = 0.0
        search_row(self, lanes, FRACTION)[lane] = 0.0  # y stays at x while the lane waits for its gradient
        self.direction.start(lanes, lane)

    cdef void receive(self, Lanes *lanes) noexcept nogil:
        cdef Py_ssize_t lane, next = lanes.gradient_and_more
        if lanes.want_in_common > VALUE and not lanes.want_in_common & VALUE and not lanes.any_fault:
            self.any_rejected = False
            accept_all(lanes)
            if not self.monotone:
                fastgd_keep_lowest(lanes, lanes.live)
            return
        if lanes.gradients_came:
            next &= ~GRADIENT
        self.any_rejected = fastgd_judge(lanes, self.state, self.marks, RUNNING, VALUE, next, self.monotone, lanes.live)
        lanes.any_again = True
        lanes.want_in_common = -1
        if self.any_rejected:
            for lane in range(lanes.live):
                if self.marks[lane]:
                    self.reject(lanes, lane)
        accept(lanes)
        if not self.monotone:
            fastgd_keep_lowest(lanes, lanes.live)

    cdef void reject(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil:
        """Looks for another trial; if the start itself failed, ends the problem."""
        if lanes.fault[lane] == RUNNING or lanes.fault[lane] == NONFINITE and nit_of(lanes, lane) >= 0:
            self.shorten(lanes, lane)
        else:
            finish(lanes, lane, lanes.fault[lane])

    cdef void shorten(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil:
        """The next trial of the search: the minimum of a parabola, between a tenth and a half of the step. A search
        that has failed begins again along the negative gradient; if it was that, nothing is left to do."""
        cdef double fall = max(search_row(self, lanes, PROMISED)[lane], -LARGEST)
        cdef bint finite = lanes.fault[lane] == RUNNING
        cdef double best = -0.5 * fall / (lanes.trial.f[lane] - lanes.here.f[lane] - fall) if finite else 0.25
        cdef bint below_rounding = finite and fabs(fall) < rounding_at(lanes, lane, lanes.here.f[lane])
        search_row(self, lanes, TRIALS)[lane] += 1.0
        search_row(self, lanes, FRACTION)[lane] *= min(max(best, 0.1), 0.5)
        if below_rounding or search_row(self, lanes, TRIALS)[lane] > self.most_trials:
            if self.pointer.restart(lanes, lane):
                self.begin_anew(lanes, lane)
            else:
                finish(lanes, lane, STALLED if finite else NONFINITE)
        ask(lanes, lane, VALUE)

    cdef void begin_anew(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil:
        """A search whose direction has changed: earlier values and trials do not count."""
        search_row(self, lanes, FRACTION)[lane] = 1.0
        search_row(self, lanes, TRIALS)[lane] = 0.0
        search_row(self, lanes, HIGHEST)[lane] = lanes.here.f[lane]
        search_row(self, lanes, HIGHEST_BEFORE)[lane] = -INFINITY

    cdef void propose(self, Lanes *lanes) noexcept nogil:
        cdef Py_ssize_t n_some
        if lanes.any_iterate and fastgd_list_beginnings(lanes, self.marks, RUNNING, lanes.live):
            self.begin_searches(lanes)
            self.set_trial_points(lanes)
        elif self.any_rejected:
            n_some = fastgd_list_wanting(lanes, self.others, VALUE)
            fastgd_try_some(lanes, self.state, self.pointer.rows(lanes), self.pointer.scale(lanes), self.others, n_some)

    cdef void begin_searches(self, Lanes *lanes) noexcept nogil:
        """Of the lanes that are marked."""
        cdef Py_ssize_t lane
        cdef bint any_anew = self.pointer.turn(lanes, self.marks, self.anew)
        if fastgd_begin_searches(lanes, self.state, self.others, self.seen, self.marks, self.pointer.squares(lanes),
                                 self.monotone, lanes.live):
            for lane in range(lanes.live):
                if self.others[lane] == DID_NOT_MOVE and self.pointer.restart(lanes, lane):
                    self.begin_anew(lanes, lane)
                elif self.others[lane]:
                    finish(lanes, lane, STALLED)
        if not self.monotone:
            self.go_back(lanes)
        if any_anew:
            for lane in range(lanes.live):
                if self.anew[lane]:
                    self.begin_anew(lanes, lane)
        ask_marked(lanes, self.marks, VALUE)

    cdef void go_back(self, Lanes *lanes) noexcept nogil:
        """Lanes that have gone on for long without a new lowest value return to the last one, and only go down from
        there."""
        cdef Py_ssize_t i, at, lane
        for lane in range(lanes.live):
            if not self.marks[lane] or search_row(self, lanes, WAITED_FOR_F)[lane] < PATIENCE_UPHILL or not (
                    lanes.best.f[lane] < lanes.here.f[lane]):
                continue
            lanes.here.f[lane] = lanes.best.f[lane]
            for i in range(lanes.n_dim):
                at = i * lanes.capacity + lane
                lanes.here.x[at] = lanes.best.x[at]
                lanes.here.g[at] = lanes.best.g[at]
            size_at(lanes, lane)
            self.pointer.forget_steps(lanes, lane)
            search_row(self, lanes, CAREFUL)[lane] = 1.0
            search_row(self, lanes, WAITED_FOR_F)[lane] = 0.0
            self.begin_anew(lanes, lane)

    cdef void set_trial_points(self, Lanes *lanes) noexcept nogil:
        """Of all lanes. Where bounds make a direction lead up, the search begins along the negative gradient."""
        cdef Py_ssize_t lane
        cdef const double *promised = search_row(self, lanes, PROMISED)
        if not fastgd_try_all(lanes, self.state, self.pointer.rows(lanes), self.pointer.scale(lanes), self.marks,
                              lanes.live):
            return
        for lane in range(lanes.live):
            if self.marks[lane] and not promised[lane] < 0.0 and self.pointer.restart(lanes, lane):
                self.set_trial_point(lanes, lane)

    cdef void set_trial_point(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil:
        fastgd_try_some(lanes, self.state, self.pointer.rows(lanes), self.pointer.scale(lanes), &lane, 1)
