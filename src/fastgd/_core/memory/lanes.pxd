from libc.string cimport memcpy

from .problems cimport FTARGET_LIMIT, MAXFEV_LIMIT, MAXITER_LIMIT, NOISE_LIMIT, XTOL_LIMIT, Sink, Source
from .slab cimport Slab


cdef extern from "memory/lanes.h":
    # See there what the fields are.
    ctypedef struct Point "fastgd_point":
        double *x
        double *g
        double *H
        double *f
        Py_ssize_t *knows_f

    ctypedef struct Trust "fastgd_trust":
        double *scale
        double *unit
        double *factor
        double *rounding
        double *noise
        double *first_f
        double *level
        double *promised
        Py_ssize_t *repairs
        Py_ssize_t *reason
        double *seen
        double *expected

    ctypedef struct Lanes "fastgd_lanes":
        Py_ssize_t n_dim
        Py_ssize_t capacity
        Py_ssize_t live
        bint bounded
        bint keep_best
        double *rows
        Py_ssize_t n_rows
        double *strips
        Py_ssize_t n_strip_rows
        Py_ssize_t strip
        Point here
        Point trial
        Point best
        Trust trust
        double *lower
        double *upper
        double *state
        double *limits
        Py_ssize_t *problem
        Py_ssize_t *nit
        Py_ssize_t *nfev
        Py_ssize_t *njev
        Py_ssize_t *want_at_iterate
        Py_ssize_t *want
        Py_ssize_t *phase
        Py_ssize_t *fault
        Py_ssize_t *status
        Py_ssize_t nit_of_all
        Py_ssize_t nfev_of_all
        Py_ssize_t njev_of_all
        Py_ssize_t gradient_and_more
        Py_ssize_t want_of_all
        Py_ssize_t want_in_common
        Py_ssize_t cost
        bint differences_need_f
        bint tests_steps
        bint finds_scale
        bint gtol_is_absolute
        double relative_step
        const double *steps
        bint factors_differ
        bint must_be_near
        bint doubts_gtol
        bint doubts_all
        bint any_fresh
        const double *slopes
        bint any_fault
        bint any_again
        bint any_iterate
        bint gradients_wait
        bint gradients_came
        double *norm
        double *size
        Py_ssize_t *candidates
        Py_ssize_t *finished
        Py_ssize_t n_finished
        Py_ssize_t *doubtful
        Py_ssize_t *claims
        Py_ssize_t n_doubtful
        Py_ssize_t rounds_left
        Py_ssize_t *all_lanes

    double *limit "fastgd_limit"(const Lanes *lanes, int which) noexcept nogil
    Py_ssize_t *count_limit "fastgd_count_limit"(const Lanes *lanes, int which) noexcept nogil
    double *in_strip "fastgd_in_strip"(const Lanes *lanes, Py_ssize_t lane, Py_ssize_t row) noexcept nogil
    double rounding_at "fastgd_rounding_at"(const Lanes *lanes, Py_ssize_t lane, double f) noexcept nogil
    double step_at "fastgd_step_at"(const Lanes *lanes, Py_ssize_t i, Py_ssize_t at) noexcept nogil
    bint rises "fastgd_rises"(const Lanes *lanes, Py_ssize_t lane, double first_f, double f) noexcept nogil
    void fastgd_all_at_iterates(Lanes *lanes, Py_ssize_t n) noexcept nogil
    void fastgd_forget_values(Lanes *lanes, Py_ssize_t n) noexcept nogil
    void fastgd_ask_marked(Lanes *lanes, const Py_ssize_t *marks, Py_ssize_t wanted, Py_ssize_t n) noexcept nogil


cdef enum:
    # Where a lane stands after its Rule has received what it wanted.
    ITERATE = 0    # here is a new iterate, and trial still the one before
    AGAIN = 1      # the Rule wants more, perhaps at another point, or the lane has ended


cdef struct Needs:
    # What a run asks of the memory of its lanes.
    Py_ssize_t state_rows   # of the Rule
    Py_ssize_t strip_rows
    bint bounded
    bint keep_best
    bint keeps_lowest       # of iterates that may rise
    bint values             # f at every iterate of all problems
    bint hessians
    bint scaled             # x is divided by scales,
    bint finds_scale        # which are not given
    bint calibrates         # steps of differences are found, and not given


cdef Py_ssize_t rounded_capacity(Py_ssize_t n_lanes, bint in_blocks) noexcept nogil
cdef int allocate(Lanes *lanes, Py_ssize_t n_dim, Py_ssize_t capacity, Slab slab, Needs needs) except -1
cdef bint place(Lanes *lanes, Py_ssize_t lane, Py_ssize_t problem, const double *x, Py_ssize_t stride) noexcept nogil
cdef void place_bounds(Lanes *lanes, Py_ssize_t lane, const double[:, :] lower, const double[:, :] upper) noexcept nogil
cdef void set_limits(Lanes *lanes, Py_ssize_t lane, Source source, Py_ssize_t problem, double sign) noexcept nogil
cdef void load(Lanes *lanes, Py_ssize_t lane, Source source, double sign) noexcept nogil
cdef void finish(Lanes *lanes, Py_ssize_t lane, Py_ssize_t status) noexcept nogil
cdef void end_faulty(Lanes *lanes) noexcept nogil
cdef void accept(Lanes *lanes) noexcept nogil
cdef void remember_best(Lanes *lanes) noexcept nogil
cdef void project(Lanes *lanes) noexcept nogil
cdef void begin_trust(Lanes *lanes, Py_ssize_t lane, const double[:, :] x_scale, Py_ssize_t problem) noexcept nogil
cdef void write_out(Lanes *lanes, Py_ssize_t lane, Sink sink, double sign) noexcept nogil
cdef void move(Lanes *lanes, Py_ssize_t lane, Py_ssize_t origin) noexcept nogil


cdef inline double scale_of(const Lanes *lanes, Py_ssize_t at) noexcept nogil:
    return lanes.trust.scale[at] if lanes.trust.scale != NULL else 1.0


cdef inline double unit_of(const Lanes *lanes, Py_ssize_t at) noexcept nogil:
    return lanes.trust.unit[at] if lanes.trust.unit != NULL else 1.0


cdef inline Py_ssize_t nit_of(const Lanes *lanes, Py_ssize_t lane) noexcept nogil:
    return lanes.nit[lane] + lanes.nit_of_all


cdef inline Py_ssize_t nfev_of(const Lanes *lanes, Py_ssize_t lane) noexcept nogil:
    return lanes.nfev[lane] + lanes.nfev_of_all


cdef inline Py_ssize_t njev_of(const Lanes *lanes, Py_ssize_t lane) noexcept nogil:
    return lanes.njev[lane] + lanes.njev_of_all


cdef inline void ask(Lanes *lanes, Py_ssize_t lane, Py_ssize_t want) noexcept nogil:
    """The lane has a new trial point, and wants to know this there."""
    lanes.want[lane] = want
    lanes.want_in_common = -1
    lanes.trial.knows_f[lane] = False


cdef inline void ask_marked(Lanes *lanes, const Py_ssize_t *marks, Py_ssize_t want) noexcept nogil:
    """The same for all lanes that are marked."""
    lanes.want_in_common = -1
    fastgd_ask_marked(lanes, marks, want, lanes.live)


cdef inline void ask_all(Lanes *lanes) noexcept nogil:
    """All lanes have a new trial point, which will be an iterate."""
    if lanes.want_in_common < 0:  # else nothing has changed since the last time
        memcpy(lanes.want, lanes.want_at_iterate, lanes.live * sizeof(Py_ssize_t))
    fastgd_forget_values(lanes, lanes.live)


cdef inline void accept_all(Lanes *lanes) noexcept nogil:
    """Makes the trial points of all lanes their iterates."""
    if lanes.any_again:
        fastgd_all_at_iterates(lanes, lanes.live)
        lanes.any_again = False
    lanes.any_iterate = True
    lanes.nit_of_all += 1
    lanes.here, lanes.trial = lanes.trial, lanes.here
