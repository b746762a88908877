from libc.string cimport memcpy

from .objective cimport VALUE, Block, Objective

cdef extern from "rows.h":
    void fastgd_unmark(Py_ssize_t *marks, Py_ssize_t n) noexcept nogil


cdef enum:
    # Where a lane stands after its Rule has received what it wanted.
    ITERATE = 0    # x, f and g are those of a new iterate; y, f_y and g_y still those of the one before
    AGAIN = 1      # the Rule wants more, perhaps at another y, or the lane has ended


cdef class Source:
    # The problems that wait: a row each.
    cdef Py_ssize_t n_problems
    cdef Py_ssize_t n_dim
    cdef Py_ssize_t next
    cdef Py_ssize_t first           # the number of its first problem, where these are part of a batch
    cdef tuple batch_shape          # of the whole batch
    cdef bint bounded
    cdef bint has_common_options    # the same numbers below for all problems
    cdef const unsigned char[::1] watched  # the problems whose iterates somebody looks at, perhaps
    cdef const double[:, :] x0
    cdef const double[:, :] lower
    cdef const double[:, :] upper
    cdef const double[:] learning_rate
    cdef const double[:] gtol
    cdef const double[:] xtol
    cdef const double[:] ftol
    cdef const double[:] ftarget
    cdef const Py_ssize_t[:] maxiter
    cdef const Py_ssize_t[:] maxfev


cdef class Sink:
    # The answers, in the order of the problems.
    cdef double[:, ::1] x
    cdef double[:, ::1] jac
    cdef double[::1] fun
    cdef Py_ssize_t[::1] nit
    cdef Py_ssize_t[::1] nfev
    cdef Py_ssize_t[::1] njev
    cdef Py_ssize_t[::1] status
    cdef void leave(self, Source source, Py_ssize_t status) noexcept nogil


cdef struct Needs:
    # What a run asks of the memory of its lanes.
    Py_ssize_t state_rows   # of the Rule
    bint bounded
    bint keep_best
    bint values             # f at every iterate of all problems
    bint noise              # a second gradient, with noise


cdef class Lanes:
    cdef void *slab
    cdef double *next               # of the slab, without a place yet
    cdef double *rows               # (n_rows, capacity) what travels with a problem: doubles, then integers
    cdef Py_ssize_t n_rows
    cdef Py_ssize_t n_dim
    cdef Py_ssize_t capacity        # lanes, and the distance between rows
    cdef Py_ssize_t live            # lanes in use: the first ones
    cdef Py_ssize_t width           # how many points a call to the objective may have
    cdef bint bounded
    cdef bint keep_best
    cdef int want_of_all            # at an iterate
    cdef Py_ssize_t want_in_common  # of all live lanes, at y; -1 where it may differ
    cdef Py_ssize_t cost            # the most evaluations of fun for a gradient and the values that go with it
    cdef bint differences_need_f    # perhaps: then f costs nothing more where the lane wants it
    # h of differences is about max(least_step, relative_step |x|). least_step is infinite if the objective supplies
    # gradients, which have no rounding error.
    cdef double least_step
    cdef double relative_step
    cdef bint tests_steps           # some lane has xtol, ftol or ftarget
    cdef bint any_fault             # in the last evaluation
    cdef Py_ssize_t unwritten       # the lane of an output that a compiled function left unwritten, or -1
    cdef bint any_again             # some phase may be AGAIN
    cdef bint any_iterate           # some phase was ITERATE after the last evaluation
    cdef bint gradients_wait        # those wanted were not taken, because other lanes wanted values
    cdef bint gradients_came        # with the values, from an objective that supplies both at once
    cdef Py_ssize_t n_finished      # the entries of `finished`, in no order
    cdef Py_ssize_t rounds_left     # tests to come at which no lane can be at its maxiter or maxfev; -1: this one
    # What all lanes have done together: theirs are the rows plus these.
    cdef Py_ssize_t nit_of_all
    cdef Py_ssize_t nfev_of_all
    cdef Py_ssize_t njev_of_all

    # (n_dim, capacity): iterate and trial point, their gradients, the bounds, the best iterate
    cdef double *x
    cdef double *y
    cdef double *g
    cdef double *g_y
    cdef double *lower
    cdef double *upper
    cdef double *best_x
    cdef double *best_g
    cdef double *noisy_g            # (n_dim, capacity)
    cdef const double *slopes       # the gradients that the Rule descends along: g, or noisy_g
    cdef double *state              # (state_rows of the Rule, capacity): what it remembers
    # (capacity,)
    cdef double *f
    cdef double *f_y
    cdef double *best_f
    cdef double *learning_rate
    cdef double *gtol
    cdef double *xtol
    cdef double *ftol
    cdef double *ftarget
    cdef Py_ssize_t *problem
    cdef Py_ssize_t *nit            # see nit_of; -1 before the first gradient
    cdef Py_ssize_t *nfev           # see nfev_of
    cdef Py_ssize_t *njev           # see njev_of
    cdef Py_ssize_t *maxiter
    cdef Py_ssize_t *maxfev
    # masks of VALUE and GRADIENT
    cdef Py_ssize_t *want_at_iterate
    cdef Py_ssize_t *want           # at y, now; see set_want
    cdef Py_ssize_t *knows_f        # whether f is that of x
    cdef Py_ssize_t *knows_f_y      # whether f_y is that of y
    cdef Py_ssize_t *phase
    cdef Py_ssize_t *fault          # a Status, or RUNNING: what went wrong in the last evaluation
    cdef Py_ssize_t *status

    # scratch of an evaluation
    cdef double *h                  # (n_dim, capacity) steps, where bounded or the objective has differences
    cdef double *second             # (n_dim, capacity) offsets of the second point of a pair, where bounded
    # (n_dim, capacity) where the objective takes points: the coordinates of every pair, then the values there
    cdef double *pair_first
    cdef double *pair_second
    cdef double *base               # (n_dim, capacity) points gathered from lanes that are not side by side
    cdef double *row                # (capacity,)
    cdef double *other_row          # (capacity,)
    cdef double *norm               # (capacity,) max |projected gradient|, in rounds with an iterate
    cdef Py_ssize_t *all_lanes      # 0, 1, 2, ...
    cdef Py_ssize_t *gradient_lanes
    cdef Py_ssize_t *value_lanes
    cdef Py_ssize_t *finished       # (capacity,) the lanes whose problems have ended since the last turnover
    cdef Py_ssize_t *columns        # (capacity,) lanes, or columns of a list of lanes, to be looked at again
    cdef double *block_x
    cdef double *block_f            # (width of a block,) where an evaluation may write its values,
    cdef double *other_block_f      # and where the one before might
    cdef const double *values       # (n_points,) of the last call, in block_f or where the objective has them,
    cdef const double *values_before  # and of the call before
    cdef double *block_g            # (n_dim, width of a block) of an objective with gradients or differences
    cdef Py_ssize_t *block_problems
    # The block in evaluation: its column c < n_block_columns is of lane block_lanes[c % n_block_lanes], those behind
    # repeat the first.
    cdef Block block
    cdef const Py_ssize_t *block_lanes
    cdef Py_ssize_t n_block_lanes
    cdef Py_ssize_t n_block_columns

    cdef int allocate(self, Py_ssize_t n_dim, Py_ssize_t capacity, Objective objective, Needs needs) except -1
    cdef void place_rows(self, Objective objective, Needs needs, Py_ssize_t block_width) noexcept nogil
    cdef void initialize(self, Py_ssize_t block_width) noexcept nogil
    cdef bint place(self, Py_ssize_t lane, Py_ssize_t problem, const double *x, Py_ssize_t stride) noexcept nogil
    cdef void place_bounds(self, Py_ssize_t lane, const double[:, :] lower, const double[:, :] upper) noexcept nogil
    cdef void set_options(self, Py_ssize_t lane, Source source, Py_ssize_t problem) noexcept nogil
    cdef void load(self, Py_ssize_t lane, Source source) noexcept nogil
    cdef void look_ahead(self) noexcept nogil
    cdef void finish(self, Py_ssize_t lane, Py_ssize_t status) noexcept nogil
    cdef void end_faulty(self) noexcept nogil
    cdef void accept(self) noexcept nogil
    cdef void ask(self, Py_ssize_t lane, Py_ssize_t want) noexcept nogil
    cdef void ask_marked(self, const Py_ssize_t *marks, Py_ssize_t want) noexcept nogil
    cdef void remember_best(self) noexcept nogil
    cdef void project(self) noexcept nogil
    cdef void write_out(self, Py_ssize_t lane, Sink sink) noexcept nogil
    cdef Py_ssize_t culprit(self) noexcept nogil
    cdef void move(self, Py_ssize_t lane, Py_ssize_t origin) noexcept nogil


cdef inline Py_ssize_t nit_of(Lanes lanes, Py_ssize_t lane) noexcept nogil:
    return lanes.nit[lane] + lanes.nit_of_all


cdef inline Py_ssize_t nfev_of(Lanes lanes, Py_ssize_t lane) noexcept nogil:
    return lanes.nfev[lane] + lanes.nfev_of_all


cdef inline Py_ssize_t njev_of(Lanes lanes, Py_ssize_t lane) noexcept nogil:
    return lanes.njev[lane] + lanes.njev_of_all


cdef inline void set_want(Lanes lanes, Py_ssize_t lane, Py_ssize_t want) noexcept nogil:
    lanes.want[lane] = want
    lanes.want_in_common = -1


cdef inline Py_ssize_t cost_of(Lanes lanes, Py_ssize_t lane) noexcept nogil:
    """Of an iteration: `cost`, or one less."""
    return lanes.cost - 1 if lanes.differences_need_f and lanes.want_at_iterate[lane] & VALUE else lanes.cost


cdef inline void exchange_all(Lanes lanes) noexcept nogil:
    lanes.x, lanes.y = lanes.y, lanes.x
    lanes.g, lanes.g_y = lanes.g_y, lanes.g
    lanes.f, lanes.f_y = lanes.f_y, lanes.f
    lanes.knows_f, lanes.knows_f_y = lanes.knows_f_y, lanes.knows_f


cdef inline void accept_all(Lanes lanes) noexcept nogil:
    """Makes the trial points of all lanes their iterates."""
    if lanes.any_again:
        fastgd_unmark(lanes.phase, lanes.live)  # ITERATE
        lanes.any_again = False
    lanes.any_iterate = True
    lanes.nit_of_all += 1
    exchange_all(lanes)


cdef inline void ask_all(Lanes lanes) noexcept nogil:
    """All lanes have a new y, which will be an iterate."""
    if lanes.want_in_common < 0:  # else nothing has changed since the last time
        memcpy(lanes.want, lanes.want_at_iterate, lanes.live * sizeof(Py_ssize_t))
    fastgd_unmark(lanes.knows_f_y, lanes.live)
