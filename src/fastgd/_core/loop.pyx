"""The loop: the only caller of the rooms beside it."""
from cython cimport unlikely
from libc.math cimport INFINITY, NAN

from .answers cimport evaluate_missing
from .directions.noise cimport GaussianNoise
from .evaluation.clock cimport fastgd_seconds
from .evaluation.evaluator cimport Evaluator
from .memory.lanes cimport (
    AGAIN,
    Lanes,
    Needs,
    allocate,
    finish,
    limit,
    load,
    move,
    nfev_of,
    nit_of,
    project,
    remember_best,
    rounded_capacity,
    scale_of,
    set_limits,
    write_out,
)
from .memory.problems cimport LEARNING_RATE, MAXITER_LIMIT, Sink, Source, count_limit_of
from .memory.slab cimport Slab
from .objectives.objective cimport GRADIENT, HESSIAN, Objective
from .searches.rates cimport LearningRates
from .searches.search cimport Search
from .stopping cimport CALLBACK, MAXTIME, RUNNING, test
from .verification cimport Verification

cdef extern from "Python.h":
    int PyErr_CheckSignals() except -1 nogil  # to be called with the GIL

import numpy as np

# How often a run looks whether Ctrl-C was pressed; functions written in Python are interrupted by Python itself.
cdef double SECONDS_BETWEEN_SIGNALS = 0.05
# How often it looks at the clock for that: the clock takes as long as an iteration of a few lanes.
cdef double SECONDS_BETWEEN_LOOKS = 1e-4
cdef Py_ssize_t MOST_ROUNDS_BETWEEN_LOOKS = 64  # they may become slow all at once


cdef struct Pulse:
    Py_ssize_t rounds       # from one look at the clock to the next
    Py_ssize_t rounds_left
    double last_look        # when it was
    double next_signals     # when to look for Ctrl-C again


def run(Evaluator evaluator not None, Search rule not None, Source source not None, Sink sink not None, *,
        LearningRates rates=None, GaussianNoise noise=None, bint keep_best=False, bint finds_scale=False,
        bint gtol_is_absolute=True, bint checks_jac=False, double maxtime=INFINITY, observer=None,
        const unsigned char[::1] watched=None):
    """Minimizes every problem of the source and writes the answers into the sink.

    `rates` change from iteration to iteration and override those of the source; `noise` comes upon the gradients that
    the Rule gets. With `finds_scale` each problem gets the scales of its curvatures at the start, if it has
    differences; where gtol is nan it comes from the first gradient. `checks_jac` if the objective supplies gradients
    of the user's. `observer(problem, nit, nfev, x, f, g, rate)` is called at every iterate of the problems that
    `watched` marks (all by default), with the learning rate that led there, nan if there is none; a problem ends when
    it returns true.
    """
    cdef Lanes lanes
    cdef Slab slab = Slab()
    cdef Verification verification = Verification(evaluator, rule, checks_jac, source.first)
    cdef Needs needs
    cdef Objective objective = evaluator.blocks.objective
    cdef Py_ssize_t lane, problem
    cdef double[:, ::1] starts = None  # of runs without values, to compare those at the end with
    if objective.supplies & GRADIENT and not rule.needs_values:
        starts = np.array(source.x0)  # answers may take its place
    needs.state_rows = rule.state_rows() + rule.direction.state_rows(source.n_dim)
    needs.strip_rows = rule.direction.strip_rows(source.n_dim)
    needs.bounded = source.bounded
    needs.keep_best = keep_best
    needs.keeps_lowest = rule.keeps_lowest
    needs.values = rule.needs_values or observer is not None and watched is None
    needs.hessians = rule.direction.needs & HESSIAN
    needs.calibrates = evaluator.calibrates
    needs.finds_scale = finds_scale and evaluator.calibrates
    needs.scaled = needs.finds_scale or source.x_scale is not None
    allocate(&lanes, source.n_dim, rounded_capacity(lanes_for(objective, source.n_problems), objective.has_differences),
             slab, needs)
    evaluator.prepare(&lanes, needs.hessians)
    rule.prepare(&lanes)
    verification.prepare(&lanes, gtol_is_absolute)
    if noise is not None:
        noise.prepare(&lanes)
    evaluator.blocks.block.first = source.first
    evaluator.blocks.clock.deadline = fastgd_seconds() + maxtime
    evaluator.blocks.clock.is_closing = False
    source.watched = watched
    if rates is not None:
        for problem in range(source.n_problems):
            rates.most = max(rates.most, count_limit_of(source, MAXITER_LIMIT, problem))
    try:
        if objective.needs_gil:
            descend(&lanes, evaluator, rule, verification, rates, noise, source, starts, sink, observer)
        else:
            with nogil:
                descend(&lanes, evaluator, rule, verification, rates, noise, source, starts, sink, observer)
    except Exception as error:
        lane = evaluator.blocks.culprit()
        if lane >= 0:
            problem = source.first + lanes.problem[lane]
            annotate(error, f"fastgd: raised for problem {index_of(problem, source.batch_shape)} at iteration "
                            f"{nit_of(&lanes, lane) + (not evaluator.is_at_iterates)}")
        raise


cdef Py_ssize_t lanes_for(Objective objective, Py_ssize_t n_problems) noexcept nogil:
    """About as many as the objective likes points: so many that problems which take equally many iterations leave few
    of them empty at the end."""
    cdef Py_ssize_t width = max(objective.width, 1)
    cdef Py_ssize_t n_rounds = max(1, (2 * n_problems + width) // (2 * width))
    return (n_problems + n_rounds - 1) // n_rounds


cpdef object index_of(problem, batch_shape):
    """The index in its batch by which users know a problem: a number, or a tuple of them."""
    if len(batch_shape) <= 1:
        return problem
    return tuple(map(int, np.unravel_index(problem, batch_shape)))


cdef object annotate(error, note):
    """Adds a note to an exception, if it takes any: what is raised is the user's own."""
    try:
        error.add_note(note)
    except Exception:
        pass


cdef int descend(Lanes *lanes, Evaluator evaluator, Search rule, Verification verification, LearningRates rates,
                 GaussianNoise noise, Source source, double[:, ::1] starts, Sink sink,
                 object observer) except -1 nogil:
    cdef Pulse pulse = Pulse(1, 1, 0.0, 0.0)
    cdef double sign = evaluator.blocks.sign
    cdef Py_ssize_t lane
    if source.has_common_limits and source.n_problems:
        for lane in range(lanes.capacity):
            set_limits(lanes, lane, source, 0, sign)
    turn_over(lanes, rule, source, sink, sign)
    while lanes.live:
        if unlikely(is_time_for_signals(&pulse)):
            with gil:
                PyErr_CheckSignals()
        if unlikely(evaluator.evaluate()):
            give_up(lanes, sink, sign)
            break
        rule.receive(lanes)
        if lanes.any_fresh and verification.begin():
            give_up(lanes, sink, sign)
            break
        if lanes.keep_best:
            remember_best(lanes)
        test(lanes)
        if lanes.n_doubtful and verification.verify():
            give_up(lanes, sink, sign)
            break
        if observer is not None:
            with gil:
                show_iterates(lanes, rule, observer, source, sign)
        if rates is not None:
            rates.look_up(lanes)
        lanes.slopes = lanes.here.g
        if noise is not None:
            noise.add(lanes, source.first)
        rule.propose(lanes)
        if lanes.bounded:
            project(lanes)
        if unlikely(lanes.n_finished):
            if unlikely(verification.review()):
                give_up(lanes, sink, sign)
                break
            turn_over(lanes, rule, source, sink, sign)
    if evaluator.blocks.clock.deadline > 0.0:  # else the run was cancelled
        evaluate_missing(lanes, evaluator, source, starts, sink)
    sink.leave(source, MAXTIME)
    return 0


cdef inline bint is_time_for_signals(Pulse *pulse) noexcept nogil:
    """Whether SECONDS_BETWEEN_SIGNALS have passed since the last time. While rounds are short the clock is looked at in
    few of them."""
    cdef double now
    pulse.rounds_left -= 1
    if pulse.rounds_left > 0:
        return False
    now = fastgd_seconds()
    pulse.rounds = (min(2 * pulse.rounds, MOST_ROUNDS_BETWEEN_LOOKS)
                    if now < pulse.last_look + SECONDS_BETWEEN_LOOKS else 1)
    pulse.rounds_left = pulse.rounds
    pulse.last_look = now
    if now < pulse.next_signals:
        return False
    pulse.next_signals = now + SECONDS_BETWEEN_SIGNALS
    return True


cdef bint take_next(Lanes *lanes, Py_ssize_t lane, Search rule, Source source, Sink sink, double sign) noexcept nogil:
    """Fills a lane with the next problem that can be begun; false if there is none."""
    while source.next < source.n_problems:
        load(lanes, lane, source, sign)
        if lanes.status[lane] == RUNNING:
            rule.start(lanes, lane)
            return True
        write_out(lanes, lane, sink, sign)
    return False


cdef void close_up(Lanes *lanes, Py_ssize_t lane, Sink sink, double sign) noexcept nogil:
    """Moves the last problem that is running into a lane whose own was written out; writes out those behind it."""
    lanes.live -= 1
    while lanes.live > lane and lanes.status[lanes.live] != RUNNING:
        write_out(lanes, lanes.live, sink, sign)
        lanes.live -= 1
    if lanes.live > lane:
        move(lanes, lane, lanes.live)


cdef void turn_over(Lanes *lanes, Search rule, Source source, Sink sink, double sign) noexcept nogil:
    """Writes out the problems that have ended and puts into their lanes those that wait, or the last live ones."""
    cdef Py_ssize_t k, lane
    for k in range(lanes.n_finished):
        lane = lanes.finished[k]
        if lane >= lanes.live:
            continue  # closing up another one has written it out
        write_out(lanes, lane, sink, sign)
        if not take_next(lanes, lane, rule, source, sink, sign):
            close_up(lanes, lane, sink, sign)
    while lanes.live < lanes.capacity and take_next(lanes, lanes.live, rule, source, sink, sign):
        lanes.live += 1
    lanes.n_finished = 0


cdef void give_up(Lanes *lanes, Sink sink, double sign) noexcept nogil:
    """The time is over: what the lanes have is their answer."""
    cdef Py_ssize_t lane
    for lane in range(lanes.live):
        if lanes.status[lane] == RUNNING:
            finish(lanes, lane, MAXTIME)
        write_out(lanes, lane, sink, sign)
    lanes.live = 0


cdef int show_iterates(Lanes *lanes, Search rule, observer, Source source, double sign) except -1:
    cdef Py_ssize_t i, at, lane, problem
    cdef double[::1] x
    cdef double[::1] g
    for lane in range(lanes.live):
        problem = lanes.problem[lane]
        if lanes.phase[lane] == AGAIN or source.watched is not None and not source.watched[problem]:
            continue
        point = np.empty(lanes.n_dim)
        gradient = np.empty(lanes.n_dim)
        x = point
        g = gradient
        for i in range(lanes.n_dim):
            at = i * lanes.capacity + lane
            x[i] = scale_of(lanes, at) * lanes.here.x[at]
            g[i] = sign * (lanes.here.g[at] / scale_of(lanes, at))
        if observer(source.first + problem, nit_of(lanes, lane), nfev_of(lanes, lane), point,
                    sign * lanes.here.f[lane], gradient,
                    NAN if rule.needs_values else limit(lanes, LEARNING_RATE)[lane]):
            if lanes.status[lane] == RUNNING:
                finish(lanes, lane, CALLBACK)
    return 0
