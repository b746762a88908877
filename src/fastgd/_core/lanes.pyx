"""Lanes: the problems in work, a column each, in rows of one piece of memory."""
from libc.math cimport INFINITY, NAN, isfinite, isnan
from libc.stdint cimport uintptr_t
from libc.stdlib cimport free, malloc
from libc.string cimport memcpy, memset

from .objective cimport ALIASING, GRADIENT, VALUE, Objective
from .stopping cimport MAXFEV, NONFINITE, RUNNING

cdef extern from "rows.h":
    double fastgd_unwritten() noexcept nogil
    Py_ssize_t fastgd_least_rest(const Py_ssize_t *limits, const Py_ssize_t *counts, Py_ssize_t of_all,
                                 Py_ssize_t n) noexcept nogil
    bint fastgd_clip(double *y, const double *lower, const double *upper, Py_ssize_t n) noexcept nogil
    void fastgd_set_marked(Py_ssize_t *row, const Py_ssize_t *marks, Py_ssize_t value, Py_ssize_t n) noexcept nogil
    Py_ssize_t fastgd_count_iterations(Py_ssize_t *nit, const Py_ssize_t *phase, Py_ssize_t n) noexcept nogil
    void fastgd_exchange(double *a, double *b, const Py_ssize_t *stays, Py_ssize_t n) noexcept nogil

cdef Py_ssize_t ALIGNMENT = 64
cdef Py_ssize_t MOST_PADDING = 64  # columns by which an objective may widen a block
cdef double MOST_ROWS = 64.0  # more than any run has for a dimension


cdef class Source:
    """The problems that wait, a row each; strides may be zero. Users know them by other numbers, from `first` on, or by
    their indices in a batch of that shape."""

    def __init__(self, const double[:, :] x0, *, const double[:] learning_rate, const double[:] gtol,
                 const double[:] xtol, const double[:] ftol, const double[:] ftarget, const Py_ssize_t[:] maxiter,
                 const Py_ssize_t[:] maxfev, const double[:, :] lower=None, const double[:, :] upper=None,
                 Py_ssize_t first=0, tuple batch_shape=()):
        self.x0 = x0
        self.n_problems = x0.shape[0]
        self.n_dim = x0.shape[1]
        self.next = 0
        self.first = first
        self.batch_shape = batch_shape
        self.bounded = lower is not None
        self.lower = lower
        self.upper = upper
        self.learning_rate = learning_rate
        self.gtol = gtol
        self.xtol = xtol
        self.ftol = ftol
        self.ftarget = ftarget
        self.maxiter = maxiter
        self.maxfev = maxfev
        self.has_common_options = not (learning_rate.strides[0] or gtol.strides[0] or xtol.strides[0]
                                       or ftol.strides[0] or ftarget.strides[0] or maxiter.strides[0]
                                       or maxfev.strides[0])


cdef class Sink:
    """The answers, in the order of the problems."""

    def __init__(self, double[:, ::1] x, double[:, ::1] jac, double[::1] fun, Py_ssize_t[::1] nit,
                 Py_ssize_t[::1] nfev, Py_ssize_t[::1] njev, Py_ssize_t[::1] status):
        self.x = x
        self.jac = jac
        self.fun = fun
        self.nit = nit
        self.nfev = nfev
        self.njev = njev
        self.status = status

    cdef void leave(self, Source source, Py_ssize_t status) noexcept nogil:
        """Answers for the problems that were not begun: x0 and nothing else."""
        cdef Py_ssize_t i, problem
        for problem in range(source.next, source.n_problems):
            for i in range(source.n_dim):
                self.x[problem, i] = source.x0[problem, i]
                self.jac[problem, i] = NAN
            self.fun[problem] = NAN
            self.nit[problem] = self.nfev[problem] = self.njev[problem] = 0
            self.status[problem] = status
        source.next = source.n_problems


cdef inline double *take(Lanes self, Py_ssize_t length) noexcept nogil:
    """The next numbers of the slab."""
    cdef double *begin = self.next
    self.next = begin + length
    return begin


cdef class Lanes:
    def __dealloc__(self):
        free(self.slab)

    cdef int allocate(self, Py_ssize_t n_dim, Py_ssize_t capacity, Objective objective, Needs needs) except -1:
        """Takes the memory and lays out its rows; with fewer problems than it has lanes an objective still gets
        blocks of the width it likes, filled with the points of their stencils."""
        cdef Py_ssize_t block_width = 1
        cdef size_t n_bytes
        if capacity > 1 or objective.has_differences:  # which come in blocks that are the lanes themselves
            capacity = (capacity + 7) // 8 * 8
            if capacity % ALIASING == 0:
                capacity += 8
        self.n_dim = n_dim
        self.capacity = capacity
        self.width = max(objective.width, capacity)
        if self.width > 1:
            block_width = self.width + MOST_PADDING
        self.bounded = needs.bounded
        self.keep_best = needs.keep_best
        self.want_of_all = VALUE | GRADIENT if needs.values or needs.keep_best else GRADIENT
        if 8.0 * (<double>capacity + block_width) * (<double>n_dim + needs.state_rows + 1.0) * MOST_ROWS >= 2.0**63:
            raise OverflowError(f"{capacity} problems of {n_dim} dimensions side by side: their size overflows")
        self.next = NULL
        self.place_rows(objective, needs, block_width)  # for their size
        n_bytes = <uintptr_t>self.next
        self.slab = malloc(n_bytes + ALIGNMENT)
        if self.slab == NULL:
            raise MemoryError(f"the lanes of {capacity} problems of {n_dim} dimensions need {n_bytes} bytes")
        self.next = <double *>((<uintptr_t>self.slab + ALIGNMENT - 1) & ~<uintptr_t>(ALIGNMENT - 1))
        self.place_rows(objective, needs, block_width)
        self.initialize(block_width)
        return 0

    cdef void place_rows(self, Objective objective, Needs needs, Py_ssize_t block_width) noexcept nogil:
        cdef Py_ssize_t n_dim = self.n_dim, row = self.capacity
        # what travels with a problem
        self.rows = self.x = take(self, n_dim * row)
        self.y = take(self, n_dim * row)
        self.g = take(self, n_dim * row)
        self.g_y = take(self, n_dim * row)
        if needs.bounded:
            self.lower = take(self, n_dim * row)
            self.upper = take(self, n_dim * row)
        if needs.keep_best:
            self.best_x = take(self, n_dim * row)
            self.best_g = take(self, n_dim * row)
        self.state = take(self, needs.state_rows * row)
        self.f = take(self, row)
        self.f_y = take(self, row)
        self.best_f = take(self, row)
        self.learning_rate = take(self, row)
        self.gtol = take(self, row)
        self.xtol = take(self, row)
        self.ftol = take(self, row)
        self.ftarget = take(self, row)
        self.problem = <Py_ssize_t *>take(self, row)
        self.nit = <Py_ssize_t *>take(self, row)
        self.nfev = <Py_ssize_t *>take(self, row)
        self.njev = <Py_ssize_t *>take(self, row)
        self.maxiter = <Py_ssize_t *>take(self, row)
        self.maxfev = <Py_ssize_t *>take(self, row)
        self.want = <Py_ssize_t *>take(self, row)
        self.phase = <Py_ssize_t *>take(self, row)
        self.knows_f = <Py_ssize_t *>take(self, row)
        self.knows_f_y = <Py_ssize_t *>take(self, row)
        self.fault = <Py_ssize_t *>take(self, row)
        self.status = <Py_ssize_t *>take(self, row)
        self.want_at_iterate = <Py_ssize_t *>take(self, row)
        self.n_rows = (self.next - self.rows) // max(row, 1)  # there may be no problems
        # scratch
        self.base = take(self, n_dim * row)
        if needs.bounded or objective.has_differences:
            self.h = take(self, n_dim * row)
        if needs.bounded:
            self.second = take(self, n_dim * row)
        if needs.noise:
            self.noisy_g = take(self, n_dim * row)
        if not (objective.has_gradient or objective.has_differences):
            self.pair_first = take(self, n_dim * row)
            self.pair_second = take(self, n_dim * row)
        self.norm = take(self, row)
        self.row = take(self, row)
        self.other_row = take(self, row)
        self.gradient_lanes = <Py_ssize_t *>take(self, row)
        self.value_lanes = <Py_ssize_t *>take(self, row)
        self.columns = <Py_ssize_t *>take(self, row)
        self.finished = <Py_ssize_t *>take(self, row)
        self.all_lanes = <Py_ssize_t *>take(self, row)
        self.block_f = take(self, block_width)
        self.other_block_f = take(self, block_width)
        self.block_problems = <Py_ssize_t *>take(self, block_width)
        self.block.failed = <bint *>take(self, block_width)
        if not objective.owns_points:
            self.block_x = take(self, n_dim * block_width)
        if objective.has_gradient or objective.has_differences:
            self.block_g = take(self, n_dim * block_width)

    cdef void initialize(self, Py_ssize_t block_width) noexcept nogil:
        cdef Py_ssize_t lane
        for lane in range(self.capacity):
            self.all_lanes[lane] = lane
        memset(self.block.failed, 0, block_width * sizeof(bint))
        self.block.problems = self.block_problems
        self.block.n_failed = self.block.first = 0
        self.block.culprit = self.unwritten = -1
        self.block.n_dim = self.n_dim

    cdef bint place(self, Py_ssize_t lane, Py_ssize_t problem, const double *x, Py_ssize_t stride) noexcept nogil:
        """Puts the point x of a problem, coordinates `stride` bytes apart, into a lane, as the next to evaluate; false
        if it is not finite."""
        cdef Py_ssize_t i, capacity = self.capacity
        cdef double *y = self.y + lane
        cdef double coordinate
        cdef bint finite = True
        for i in range(self.n_dim):
            coordinate = (<const double *>(<const char *>x + i * stride))[0]
            finite &= isfinite(coordinate)
            y[i * capacity] = coordinate
        self.problem[lane] = problem
        self.nfev[lane] = -self.nfev_of_all
        self.njev[lane] = -self.njev_of_all
        self.knows_f[lane] = self.knows_f_y[lane] = False
        self.status[lane] = self.fault[lane] = RUNNING
        return finite

    cdef void place_bounds(self, Py_ssize_t lane, const double[:, :] lower, const double[:, :] upper) noexcept nogil:
        """The bounds of the problem in a lane. A point on one of them is the bound itself, to the sign of a zero, as it
        is after a step."""
        cdef Py_ssize_t i, at, problem = self.problem[lane]
        for i in range(self.n_dim):
            at = i * self.capacity + lane
            self.lower[at] = lower[problem, i]
            self.upper[at] = upper[problem, i]
            if self.y[at] == self.upper[at]:
                self.y[at] = self.upper[at]
            if self.y[at] == self.lower[at]:
                self.y[at] = self.lower[at]

    cdef void set_options(self, Py_ssize_t lane, Source source, Py_ssize_t problem) noexcept nogil:
        """The numbers that a user gives for each problem or for all."""
        self.learning_rate[lane] = source.learning_rate[problem]
        self.gtol[lane] = source.gtol[problem]
        self.xtol[lane] = source.xtol[problem]
        self.ftol[lane] = source.ftol[problem]
        self.ftarget[lane] = source.ftarget[problem]
        self.maxiter[lane] = source.maxiter[problem]
        self.maxfev[lane] = source.maxfev[problem]
        self.tests_steps |= self.xtol[lane] > 0.0 or self.ftol[lane] > 0.0 or self.ftarget[lane] > -INFINITY

    cdef void load(self, Py_ssize_t lane, Source source) noexcept nogil:
        """Puts the next problem that waits into a lane. If it cannot be begun its status says so."""
        cdef Py_ssize_t i, problem = source.next, capacity = self.capacity
        cdef bint finite = self.place(lane, problem, &source.x0[problem, 0], source.x0.strides[1])
        cdef double *x = self.x + lane
        cdef double *g = self.g + lane
        cdef const double *y = self.y + lane
        source.next += 1
        if self.bounded:
            self.place_bounds(lane, source.lower, source.upper)
        for i in range(self.n_dim):
            x[i * capacity] = y[i * capacity]
            g[i * capacity] = 0.0
        self.f[lane] = NAN
        self.best_f[lane] = INFINITY
        if not source.has_common_options:  # else they are in all lanes from the beginning
            self.set_options(lane, source, problem)
        self.want_at_iterate[lane] = self.want_of_all
        if (self.ftol[lane] > 0.0 or self.ftarget[lane] > -INFINITY
                or source.watched is not None and source.watched[problem]):
            self.want_at_iterate[lane] |= VALUE
        self.nit[lane] = -1 - self.nit_of_all
        self.phase[lane] = AGAIN
        self.any_again = True
        self.rounds_left = min(self.rounds_left, self.maxiter[lane], self.maxfev[lane] // self.cost - 1)
        if not finite:
            self.status[lane] = NONFINITE
        elif cost_of(self, lane) > self.maxfev[lane]:
            self.status[lane] = MAXFEV

    cdef void look_ahead(self) noexcept nogil:
        """Sets rounds_left: in a round a lane makes one iteration and `cost` evaluations at most."""
        self.rounds_left = min(fastgd_least_rest(self.maxiter, self.nit, self.nit_of_all + 1, self.live),
                               fastgd_least_rest(self.maxfev, self.nfev, self.nfev_of_all, self.live) // self.cost - 1)

    cdef void finish(self, Py_ssize_t lane, Py_ssize_t status) noexcept nogil:
        if self.status[lane] == RUNNING:
            self.finished[self.n_finished] = lane
            self.n_finished += 1
        self.status[lane] = status
        if nit_of(self, lane) < 0 and self.knows_f_y[lane]:  # x and y are both the start
            self.f[lane] = self.f_y[lane]
            self.knows_f[lane] = True

    cdef void ask(self, Py_ssize_t lane, Py_ssize_t want) noexcept nogil:
        """The lane has a new y, and wants to know this there."""
        set_want(self, lane, want)
        self.knows_f_y[lane] = False

    cdef void ask_marked(self, const Py_ssize_t *marks, Py_ssize_t want) noexcept nogil:
        """The same for all lanes that are marked."""
        self.want_in_common = -1
        fastgd_set_marked(self.want, marks, want, self.live)
        fastgd_set_marked(self.knows_f_y, marks, False, self.live)

    cdef void end_faulty(self) noexcept nogil:
        """Ends the lanes whose evaluation failed, with their last iterate."""
        cdef Py_ssize_t lane
        for lane in range(self.live):
            if self.fault[lane] != RUNNING:
                self.phase[lane] = AGAIN
                self.any_again = True
                self.finish(lane, self.fault[lane])

    cdef void accept(self) noexcept nogil:
        """Makes the trial points the iterates, in the lanes whose phase is ITERATE."""
        cdef Py_ssize_t i, lane, n_accepted = fastgd_count_iterations(self.nit, self.phase, self.live)
        self.any_iterate = n_accepted > 0
        if n_accepted == self.live:
            exchange_all(self)
        elif n_accepted:
            for i in range(self.n_dim):
                fastgd_exchange(self.x + i * self.capacity, self.y + i * self.capacity, self.phase, self.live)
                fastgd_exchange(self.g + i * self.capacity, self.g_y + i * self.capacity, self.phase, self.live)
            fastgd_exchange(self.f, self.f_y, self.phase, self.live)
            for lane in range(self.live):
                if self.phase[lane] == ITERATE:
                    self.knows_f[lane], self.knows_f_y[lane] = self.knows_f_y[lane], self.knows_f[lane]

    cdef void remember_best(self) noexcept nogil:
        cdef Py_ssize_t i, lane, at
        for lane in range(self.live):
            if self.phase[lane] == ITERATE and self.f[lane] < self.best_f[lane]:
                self.best_f[lane] = self.f[lane]
                for i in range(self.n_dim):
                    at = i * self.capacity + lane
                    self.best_x[at] = self.x[at]
                    self.best_g[at] = self.g[at]

    cdef void project(self) noexcept nogil:
        # a y that is nan is nowhere: the problem ends where it is
        cdef Py_ssize_t i, lane, at
        for i in range(self.n_dim):
            at = i * self.capacity
            if not fastgd_clip(self.y + at, self.lower + at, self.upper + at, self.live):
                continue
            for lane in range(self.live):
                if isnan(self.y[at + lane]):
                    self.y[at + lane] = self.x[at + lane]
                    if self.status[lane] == RUNNING:
                        self.finish(lane, NONFINITE)

    cdef void write_out(self, Py_ssize_t lane, Sink sink) noexcept nogil:
        cdef Py_ssize_t i, problem = self.problem[lane]
        cdef bint use_best = self.keep_best and self.best_f[lane] < INFINITY
        cdef const double *x = self.best_x if use_best else self.x
        cdef const double *g = self.best_g if use_best else self.g
        cdef bint has_gradient = nit_of(self, lane) >= 0
        for i in range(self.n_dim):
            sink.x[problem, i] = x[i * self.capacity + lane]
            sink.jac[problem, i] = g[i * self.capacity + lane] if has_gradient else NAN
        if use_best:
            sink.fun[problem] = self.best_f[lane]
        elif self.knows_f[lane]:
            sink.fun[problem] = self.f[lane]
        else:  # nobody has asked for it: not the same as a nan
            sink.fun[problem] = fastgd_unwritten()
        sink.nit[problem] = max(nit_of(self, lane), 0)
        sink.nfev[problem] = nfev_of(self, lane)
        sink.njev[problem] = njev_of(self, lane)
        sink.status[problem] = self.status[lane]

    cdef Py_ssize_t culprit(self) noexcept nogil:
        """The lane whose evaluation raised, or -1 if that is not known."""
        if self.unwritten >= 0:
            return self.unwritten
        if self.block.culprit < 0:
            return -1
        if self.block.culprit >= self.n_block_columns:
            return self.block_lanes[0]
        return self.block_lanes[self.block.culprit % self.n_block_lanes]

    cdef void move(self, Py_ssize_t lane, Py_ssize_t origin) noexcept nogil:
        """Moves the problem of one lane into another."""
        cdef Py_ssize_t row
        for row in range(self.n_rows):
            memcpy(self.rows + row * self.capacity + lane, self.rows + row * self.capacity + origin, sizeof(double))
