"""Lanes: the problems in work, a column each, in rows of one piece of memory."""
from libc.math cimport INFINITY, NAN, isfinite, isnan
from libc.string cimport memcpy, memset

from ..objectives.objective cimport ALIASING, GRADIENT, HESSIAN, VALUE
from ..stopping cimport MAXFEV, NONFINITE, RUNNING, cost_of, needs_values
from .problems cimport GTOL_LIMIT, N_LIMITS, limit_of
from .slab cimport take_integers

cdef extern from "memory/lanes.h":
    Py_ssize_t STRIP "FASTGD_STRIP"
    double EPSILON "FASTGD_EPSILON"
    double RELATIVE_STEP "FASTGD_RELATIVE_STEP"
    double fastgd_unwritten() noexcept nogil
    Py_ssize_t fastgd_count_iterations(Lanes *lanes, Py_ssize_t n) noexcept nogil
    void fastgd_exchange(Lanes *lanes, Py_ssize_t n) noexcept nogil
    bint fastgd_project(Lanes *lanes, Py_ssize_t n) noexcept nogil

cdef double MOST_ROWS = 64.0  # more than any run has for a dimension, but for those of its Rule


cdef Py_ssize_t rounded_capacity(Py_ssize_t n_lanes, bint in_blocks) noexcept nogil:
    """How many lanes are made where so many are wanted; `in_blocks` if the objective gets the lanes' own rows."""
    cdef Py_ssize_t capacity = n_lanes
    if n_lanes > 1 or in_blocks:
        capacity = (n_lanes + 7) // 8 * 8
        if capacity % ALIASING == 0:
            capacity += 8
    return capacity


cdef Point take_point(Slab slab, Py_ssize_t n_numbers, Py_ssize_t capacity, bint hessian) noexcept nogil:
    cdef Point point
    point.x = slab.take(n_numbers)
    point.g = slab.take(n_numbers)
    point.H = slab.take(n_numbers * (n_numbers // capacity + 1) // 2) if hessian else NULL
    point.f = slab.take(capacity)
    point.knows_f = take_integers(slab, capacity)
    return point


cdef void lay_out(Lanes *lanes, Slab slab, Needs needs) noexcept nogil:
    cdef Py_ssize_t row = lanes.capacity, n = lanes.n_dim * row
    lanes.rows = slab.next
    lanes.here = take_point(slab, n, max(row, 1), needs.hessians)
    lanes.trial = take_point(slab, n, max(row, 1), needs.hessians)
    if needs.keep_best or needs.keeps_lowest:
        lanes.best = take_point(slab, n, max(row, 1), False)
    if needs.bounded:
        lanes.lower = slab.take(n)
        lanes.upper = slab.take(n)
    if needs.scaled:
        lanes.trust.scale = slab.take(n)
        if not needs.finds_scale:
            lanes.trust.unit = slab.take(n)
    if needs.calibrates:
        lanes.trust.factor = slab.take(n)
    lanes.trust.rounding = slab.take(row)
    lanes.trust.noise = slab.take(row)
    lanes.trust.first_f = slab.take(row)
    lanes.trust.level = slab.take(row)
    lanes.trust.promised = slab.take(row)
    lanes.trust.repairs = take_integers(slab, row)
    lanes.trust.reason = take_integers(slab, row)
    lanes.trust.seen = slab.take(row)
    lanes.trust.expected = slab.take(row)
    lanes.state = slab.take(needs.state_rows * row)
    lanes.limits = slab.take(N_LIMITS * row)
    lanes.problem = take_integers(slab, row)
    lanes.nit = take_integers(slab, row)
    lanes.nfev = take_integers(slab, row)
    lanes.njev = take_integers(slab, row)
    lanes.want_at_iterate = take_integers(slab, row)
    lanes.want = take_integers(slab, row)
    lanes.phase = take_integers(slab, row)
    lanes.fault = take_integers(slab, row)
    lanes.status = take_integers(slab, row)
    lanes.n_rows = (slab.next - lanes.rows) // max(row, 1)  # there may be no problems
    lanes.strips = slab.take(needs.strip_rows * row)
    lanes.norm = slab.take(row)
    lanes.size = slab.take(row) if needs.finds_scale else lanes.norm
    lanes.candidates = take_integers(slab, row)
    lanes.finished = take_integers(slab, row)
    lanes.doubtful = take_integers(slab, row)
    lanes.claims = take_integers(slab, row)
    lanes.all_lanes = take_integers(slab, row)


cdef int allocate(Lanes *lanes, Py_ssize_t n_dim, Py_ssize_t capacity, Slab slab, Needs needs) except -1:
    """Takes the memory for so many lanes, and lays out their rows."""
    cdef Py_ssize_t lane
    memset(lanes, 0, sizeof(Lanes))
    lanes.n_dim = n_dim
    lanes.capacity = capacity
    if 8.0 * lanes.capacity * (lanes.n_dim * MOST_ROWS + needs.state_rows + needs.strip_rows) >= 2.0**63 or (
            needs.hessians and 8.0 * lanes.capacity * lanes.n_dim * lanes.n_dim >= 2.0**63):
        raise OverflowError(f"{lanes.capacity} problems of {lanes.n_dim} dimensions side by side: their size overflows")
    lanes.strip = min(lanes.capacity, STRIP)
    lanes.n_strip_rows = needs.strip_rows
    lanes.bounded = needs.bounded
    lanes.keep_best = needs.keep_best
    lanes.finds_scale = needs.finds_scale
    lanes.gradient_and_more = GRADIENT | HESSIAN if needs.hessians else GRADIENT
    lanes.want_of_all = lanes.gradient_and_more | (VALUE if needs.values or needs.keep_best else 0)
    lay_out(lanes, slab, needs)
    slab.allocate("lanes", capacity, n_dim)
    lay_out(lanes, slab, needs)
    # strips have numbers of lanes that are not in use, too
    memset(lanes.state, 0, needs.state_rows * capacity * sizeof(double))
    memset(lanes.strips, 0, needs.strip_rows * capacity * sizeof(double))
    lanes.slopes = lanes.here.g
    for lane in range(lanes.capacity):
        lanes.all_lanes[lane] = lane
    return 0


cdef bint place(Lanes *lanes, Py_ssize_t lane, Py_ssize_t problem, const double *x, Py_ssize_t stride) noexcept nogil:
    """Puts the point x of a problem, coordinates `stride` bytes apart, into a lane, as the next to evaluate; false if
    it is not finite."""
    cdef Py_ssize_t i, capacity = lanes.capacity
    cdef double *y = lanes.trial.x + lane
    cdef double coordinate
    cdef bint finite = True
    for i in range(lanes.n_dim):
        coordinate = (<const double *>(<const char *>x + i * stride))[0]
        finite &= isfinite(coordinate)
        y[i * capacity] = coordinate
    lanes.problem[lane] = problem
    lanes.nfev[lane] = -lanes.nfev_of_all
    lanes.njev[lane] = -lanes.njev_of_all
    if lanes.trust.scale != NULL:
        for i in range(lanes.n_dim):
            lanes.trust.scale[i * capacity + lane] = 1.0
    lanes.here.knows_f[lane] = lanes.trial.knows_f[lane] = False
    lanes.status[lane] = lanes.fault[lane] = RUNNING
    return finite


cdef void place_bounds(Lanes *lanes, Py_ssize_t lane, const double[:, :] lower,
                       const double[:, :] upper) noexcept nogil:
    """The bounds of the problem in a lane. A point on one of them is the bound itself, to the sign of a zero, as it is
    after a step."""
    cdef Py_ssize_t i, at, problem = lanes.problem[lane]
    cdef double *y = lanes.trial.x
    for i in range(lanes.n_dim):
        at = i * lanes.capacity + lane
        lanes.lower[at] = lower[problem, i]
        lanes.upper[at] = upper[problem, i]
        if y[at] == lanes.upper[at]:
            y[at] = lanes.upper[at]
        if y[at] == lanes.lower[at]:
            y[at] = lanes.lower[at]


cdef void set_scale(Lanes *lanes, Py_ssize_t lane, Py_ssize_t i, double scale) noexcept nogil:
    """Divides coordinate i of a lane, and its bounds, by another power of two."""
    cdef Py_ssize_t at = i * lanes.capacity + lane
    cdef double change = lanes.trust.scale[at] / scale
    lanes.trust.scale[at] = scale
    lanes.here.x[at] *= change
    lanes.trial.x[at] *= change
    lanes.here.g[at] /= change
    lanes.trial.g[at] /= change
    if lanes.bounded:
        lanes.lower[at] *= change
        lanes.upper[at] *= change


cdef void begin_trust(Lanes *lanes, Py_ssize_t lane, const double[:, :] x_scale, Py_ssize_t problem) noexcept nogil:
    """Begins in the units that are given, and with the usual steps of differences."""
    cdef Py_ssize_t i, at
    cdef Trust *trust = &lanes.trust
    for i in range(lanes.n_dim):
        at = i * lanes.capacity + lane
        if trust.unit != NULL:
            trust.unit[at] = x_scale[problem, i]
            set_scale(lanes, lane, i, x_scale[problem, i])
        if trust.factor != NULL:
            trust.factor[at] = RELATIVE_STEP
    trust.rounding[lane] = EPSILON
    trust.noise[lane] = limit(lanes, NOISE_LIMIT)[lane]
    trust.first_f[lane] = NAN
    trust.promised[lane] = INFINITY
    trust.level[lane] = 1.0
    trust.repairs[lane] = -1
    trust.reason[lane] = 0
    trust.seen[lane] = trust.expected[lane] = NAN
    lanes.any_fresh = True


cdef void set_limits(Lanes *lanes, Py_ssize_t lane, Source source, Py_ssize_t problem, double sign) noexcept nogil:
    """The numbers that a user gives for each problem or for all; -1 is the sign of what is maximized."""
    cdef int which
    for which in range(N_LIMITS):
        limit(lanes, which)[lane] = limit_of(source, which, problem)[0]
    if sign < 0.0 and isfinite(limit(lanes, FTARGET_LIMIT)[lane]):  # it is -inf where there is none
        limit(lanes, FTARGET_LIMIT)[lane] *= sign
    lanes.tests_steps |= needs_values(lanes, lane) or limit(lanes, XTOL_LIMIT)[lane] > 0.0


cdef void load(Lanes *lanes, Py_ssize_t lane, Source source, double sign) noexcept nogil:
    """Puts the next problem that waits into a lane. If it cannot be begun its status says so."""
    cdef Py_ssize_t i, problem = source.next, capacity = lanes.capacity
    cdef bint finite = place(lanes, lane, problem, &source.x0[problem, 0], source.x0.strides[1])
    cdef double *x = lanes.here.x + lane
    cdef double *g = lanes.here.g + lane
    cdef const double *y = lanes.trial.x + lane
    source.next += 1
    if lanes.bounded:
        place_bounds(lanes, lane, source.lower, source.upper)
    for i in range(lanes.n_dim):
        x[i * capacity] = y[i * capacity]
        g[i * capacity] = 0.0
    lanes.here.f[lane] = lanes.trial.f[lane] = NAN
    if lanes.best.f != NULL:
        lanes.best.f[lane] = INFINITY
    if not source.has_common_limits:  # else they are in all lanes from the beginning
        set_limits(lanes, lane, source, problem, sign)
    limit(lanes, GTOL_LIMIT)[lane] = limit_of(source, GTOL_LIMIT, problem)[0]  # that of the last problem may be there
    begin_trust(lanes, lane, source.x_scale, problem)
    lanes.want_at_iterate[lane] = lanes.want_of_all
    if needs_values(lanes, lane) or source.watched is not None and source.watched[problem]:
        lanes.want_at_iterate[lane] |= VALUE
    lanes.nit[lane] = -1 - lanes.nit_of_all
    lanes.phase[lane] = AGAIN
    lanes.any_again = True
    lanes.rounds_left = min(lanes.rounds_left, count_limit(lanes, MAXITER_LIMIT)[lane],
                            count_limit(lanes, MAXFEV_LIMIT)[lane] // lanes.cost - 1)
    if not finite:
        lanes.status[lane] = NONFINITE
    elif cost_of(lanes, lane) > count_limit(lanes, MAXFEV_LIMIT)[lane]:
        lanes.status[lane] = MAXFEV


cdef void finish(Lanes *lanes, Py_ssize_t lane, Py_ssize_t status) noexcept nogil:
    if lanes.status[lane] == RUNNING:
        lanes.finished[lanes.n_finished] = lane
        lanes.n_finished += 1
    lanes.status[lane] = status
    if nit_of(lanes, lane) < 0 and lanes.trial.knows_f[lane]:  # both points are the start
        lanes.here.f[lane] = lanes.trial.f[lane]
        lanes.here.knows_f[lane] = True


cdef void end_faulty(Lanes *lanes) noexcept nogil:
    """Ends the lanes whose evaluation failed, with their last iterate."""
    cdef Py_ssize_t lane
    for lane in range(lanes.live):
        if lanes.fault[lane] != RUNNING:
            lanes.phase[lane] = AGAIN
            lanes.any_again = True
            finish(lanes, lane, lanes.fault[lane])


cdef void accept(Lanes *lanes) noexcept nogil:
    """Makes the trial points the iterates, in the lanes whose phase is ITERATE."""
    cdef Py_ssize_t n_accepted = fastgd_count_iterations(lanes, lanes.live)
    lanes.any_iterate = n_accepted > 0
    if n_accepted == lanes.live:
        lanes.here, lanes.trial = lanes.trial, lanes.here
    elif n_accepted:
        fastgd_exchange(lanes, lanes.live)


cdef void remember_best(Lanes *lanes) noexcept nogil:
    cdef Py_ssize_t i, lane, at
    for lane in range(lanes.live):
        if lanes.phase[lane] == ITERATE and lanes.here.f[lane] < lanes.best.f[lane]:
            lanes.best.f[lane] = lanes.here.f[lane]
            for i in range(lanes.n_dim):
                at = i * lanes.capacity + lane
                lanes.best.x[at] = lanes.here.x[at]
                lanes.best.g[at] = lanes.here.g[at]


cdef void project(Lanes *lanes) noexcept nogil:
    """Moves the trial points inside the bounds. One that is nan is nowhere: the problem ends where it is."""
    cdef Py_ssize_t i, lane, at
    if not fastgd_project(lanes, lanes.live):
        return
    for i in range(lanes.n_dim):
        for lane in range(lanes.live):
            at = i * lanes.capacity + lane
            if isnan(lanes.trial.x[at]):
                lanes.trial.x[at] = lanes.here.x[at]
                if lanes.status[lane] == RUNNING:
                    finish(lanes, lane, NONFINITE)


cdef void write_out(Lanes *lanes, Py_ssize_t lane, Sink sink, double sign) noexcept nogil:
    """The answer of the problem in a lane; -1 is the sign of what was maximized."""
    cdef Py_ssize_t i, at, problem = lanes.problem[lane]
    cdef bint use_best = False
    cdef bint has_gradient = nit_of(lanes, lane) >= 0
    cdef Point *point = &lanes.here
    if lanes.keep_best:
        use_best = lanes.best.f[lane] < INFINITY
    elif lanes.best.f != NULL and lanes.status[lane] < 0 and lanes.here.knows_f[lane]:
        use_best = lanes.best.f[lane] < lanes.here.f[lane]
    if use_best:
        point = &lanes.best
    for i in range(lanes.n_dim):
        at = i * lanes.capacity + lane
        sink.x[problem, i] = scale_of(lanes, at) * point.x[at]
        sink.jac[problem, i] = sign * (point.g[at] / scale_of(lanes, at)) if has_gradient else NAN
    if use_best or lanes.here.knows_f[lane]:
        sink.fun[problem] = sign * point.f[lane]
    else:  # it was not evaluated: not the same as a nan
        sink.fun[problem] = fastgd_unwritten()
    sink.nit[problem] = max(nit_of(lanes, lane), 0)
    sink.nfev[problem] = nfev_of(lanes, lane)
    sink.njev[problem] = njev_of(lanes, lane)
    sink.status[problem] = lanes.status[lane]
    sink.reason[problem] = lanes.trust.reason[lane]
    sink.seen[problem] = lanes.trust.seen[lane]
    sink.expected[problem] = lanes.trust.expected[lane]


cdef void move(Lanes *lanes, Py_ssize_t lane, Py_ssize_t origin) noexcept nogil:
    """Moves the problem of one lane into another."""
    cdef Py_ssize_t row
    for row in range(lanes.n_rows):
        memcpy(lanes.rows + row * lanes.capacity + lane, lanes.rows + row * lanes.capacity + origin, sizeof(double))
    for row in range(lanes.n_strip_rows):
        in_strip(lanes, lane, row)[0] = in_strip(lanes, origin, row)[0]
