"""The loop: the only caller of the rooms beside it."""
from cython cimport unlikely
from libc.math cimport INFINITY, NAN, isnan

from .argument cimport memory_of
from .difference cimport CentralDifference
from .evaluation cimport fastgd_is_unwritten, fastgd_seconds
from .lanes cimport AGAIN, Lanes, Needs, Sink, Source, nfev_of, nit_of
from .noise cimport GaussianNoise
from .objective cimport GRADIENT, VALUE, Objective
from .stopping cimport CALLBACK, EXCEPTION, MAXTIME, RUNNING, STEP_UNDERFLOW, test
from .update cimport LearningRates, Rule

cdef extern from "Python.h":
    int PyErr_CheckSignals() except -1 nogil  # to be called with the GIL

import numpy as np

# How often a run looks whether Ctrl-C was pressed; functions written in Python are interrupted by Python itself.
cdef double SECONDS_BETWEEN_SIGNALS = 0.05
# How often it looks at the clock for that: the clock takes as long as an iteration of a few lanes.
cdef double SECONDS_BETWEEN_LOOKS = 1e-4
cdef Py_ssize_t MOST_ROUNDS_BETWEEN_LOOKS = 64  # they may become slow all at once


cdef struct Watch:
    Py_ssize_t rounds       # from one look at the clock to the next
    Py_ssize_t rounds_left
    double last_look        # when it was
    double next_signals     # when to look for Ctrl-C again


def run(Objective objective not None, CentralDifference difference not None, Rule rule not None,
        Source source not None, Sink sink not None, *, LearningRates rates=None, GaussianNoise noise=None,
        bint keep_best=False, double maxtime=INFINITY, observer=None,
        const unsigned char[::1] watched=None):
    """Minimizes every problem of the source and writes the answers into the sink.

    `rates` change from iteration to iteration and override those of the source; `noise` comes upon the gradients that
    the Rule gets. `observer(problem, nit, nfev, x, f, g)` is called at every iterate of the problems that `watched`
    marks (all by default); a problem ends when it returns true.
    """
    cdef Lanes lanes = Lanes.__new__(Lanes)
    cdef Needs needs
    cdef Py_ssize_t lane, problem
    needs.state_rows = rule.state_rows(source.n_dim)
    needs.bounded = source.bounded
    needs.keep_best = keep_best
    needs.values = rule.needs_values or observer is not None and watched is None
    needs.noise = noise is not None
    lanes.allocate(source.n_dim, lanes_for(objective, source.n_problems), objective, needs)
    lanes.block.first = source.first
    lanes.cost = most_evaluations(lanes, objective)
    lanes.differences_need_f = lanes.bounded and not objective.has_gradient
    source.watched = watched
    lanes.least_step = INFINITY if objective.has_gradient else difference.least_step()
    lanes.relative_step = difference.relative_step()
    difference.deadline = fastgd_seconds() + maxtime
    difference.is_closing = False
    if rates is not None:
        for problem in range(source.n_problems):
            rates.most = max(rates.most, source.maxiter[problem])
    try:
        if objective.needs_gil:
            descend(lanes, objective, difference, rule, rates, noise, source, sink, observer)
        else:
            with nogil:
                descend(lanes, objective, difference, rule, rates, noise, source, sink, observer)
    except Exception as error:
        lane = lanes.culprit()
        if lane >= 0:
            problem = source.first + lanes.problem[lane]
            annotate(error, f"fastgd: raised for problem {index_of(problem, source.batch_shape)} at iteration "
                            f"{nit_of(lanes, lane) + 1}")
        raise


cdef Py_ssize_t lanes_for(Objective objective, Py_ssize_t n_problems) noexcept nogil:
    """About as many as the objective likes points: so many that problems which take equally many iterations leave few
    of them empty at the end."""
    cdef Py_ssize_t width = max(objective.width, 1)
    cdef Py_ssize_t n_rounds = max(1, (2 * n_problems + width) // (2 * width))
    return (n_problems + n_rounds - 1) // n_rounds


def index_of(problem, batch_shape):
    """The index in its batch by which users know a problem: a number, or a tuple of them."""
    if len(batch_shape) <= 1:
        return problem
    return tuple(int(i) for i in np.unravel_index(problem, batch_shape))


cdef object annotate(error, note):
    """Adds a note to an exception, if it takes any: what is raised is the user's own."""
    try:
        error.add_note(note)
    except Exception:
        pass


cdef Py_ssize_t most_evaluations(Lanes lanes, Objective objective) noexcept nogil:
    """How often an iteration, and the last value if it is not known by then, may call the user's function."""
    if objective.has_gradient:
        return objective.gradient_cost + 1
    return 2 * lanes.n_dim + 1 + lanes.bounded


cdef int descend(Lanes lanes, Objective objective, CentralDifference difference, Rule rule, LearningRates rates,
                 GaussianNoise noise, Source source, Sink sink, object observer) except -1 nogil:
    cdef Watch watch = Watch(1, 1, 0.0, 0.0)
    cdef Py_ssize_t lane
    if source.has_common_options and source.n_problems:
        for lane in range(lanes.capacity):
            lanes.set_options(lane, source, 0)
    turn_over(lanes, rule, source, sink)
    while lanes.live:
        if unlikely(is_time_for_signals(&watch)):
            with gil:
                PyErr_CheckSignals()
        if unlikely(difference.evaluate(lanes, objective)):
            give_up(lanes, sink)
            break
        rule.receive(lanes)
        if lanes.keep_best:
            lanes.remember_best()
        test(lanes)
        if observer is not None:
            with gil:
                show_iterates(lanes, observer, source)
        if rates is not None:
            rates.look_up(lanes)
        lanes.slopes = lanes.g
        if noise is not None:
            noise.add(lanes, lanes.noisy_g, source.first)
            lanes.slopes = lanes.noisy_g
        rule.propose(lanes)
        if lanes.bounded:
            lanes.project()
        if unlikely(lanes.n_finished):
            turn_over(lanes, rule, source, sink)
    if difference.deadline > 0.0:  # else nobody wants the answers any more
        evaluate_missing(lanes, objective, difference, source, sink)
    sink.leave(source, MAXTIME)
    return 0


cdef inline bint is_time_for_signals(Watch *watch) noexcept nogil:
    """Whether SECONDS_BETWEEN_SIGNALS have passed since the last time. While rounds are short the clock is looked at in
    few of them."""
    cdef double now
    watch.rounds_left -= 1
    if watch.rounds_left > 0:
        return False
    now = fastgd_seconds()
    watch.rounds = (min(2 * watch.rounds, MOST_ROUNDS_BETWEEN_LOOKS)
                    if now < watch.last_look + SECONDS_BETWEEN_LOOKS else 1)
    watch.rounds_left = watch.rounds
    watch.last_look = now
    if now < watch.next_signals:
        return False
    watch.next_signals = now + SECONDS_BETWEEN_SIGNALS
    return True


cdef bint take_next(Lanes lanes, Py_ssize_t lane, Rule rule, Source source, Sink sink) noexcept nogil:
    """Fills a lane with the next problem that can be begun; false if there is none."""
    while source.next < source.n_problems:
        lanes.load(lane, source)
        if lanes.status[lane] == RUNNING:
            rule.start(lanes, lane)
            return True
        lanes.write_out(lane, sink)
    return False


cdef void close_up(Lanes lanes, Py_ssize_t lane, Sink sink) noexcept nogil:
    """Moves the last problem that is running into a lane whose own was written out; writes out those behind it."""
    lanes.live -= 1
    while lanes.live > lane and lanes.status[lanes.live] != RUNNING:
        lanes.write_out(lanes.live, sink)
        lanes.live -= 1
    if lanes.live > lane:
        lanes.move(lane, lanes.live)


cdef void turn_over(Lanes lanes, Rule rule, Source source, Sink sink) noexcept nogil:
    """Writes out the problems that have ended and puts into their lanes those that wait, or the last live ones."""
    cdef Py_ssize_t k, lane
    for k in range(lanes.n_finished):
        lane = lanes.finished[k]
        if lane >= lanes.live:
            continue  # closing up another one has written it out
        lanes.write_out(lane, sink)
        if not take_next(lanes, lane, rule, source, sink):
            close_up(lanes, lane, sink)
    while lanes.live < lanes.capacity and take_next(lanes, lanes.live, rule, source, sink):
        lanes.live += 1
    lanes.n_finished = 0


cdef void give_up(Lanes lanes, Sink sink) noexcept nogil:
    """The time is over: what the lanes have is their answer."""
    cdef Py_ssize_t lane
    for lane in range(lanes.live):
        lanes.finish(lane, MAXTIME)
        lanes.write_out(lane, sink)
    lanes.live = 0


cdef int show_iterates(Lanes lanes, observer, Source source) except -1:
    cdef Py_ssize_t i, lane, problem
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
            x[i] = lanes.x[i * lanes.capacity + lane]
            g[i] = lanes.g[i * lanes.capacity + lane]
        if observer(source.first + problem, nit_of(lanes, lane), nfev_of(lanes, lane), point, lanes.f[lane], gradient):
            if lanes.status[lane] == RUNNING:
                lanes.finish(lane, CALLBACK)
    return 0


cdef int evaluate_missing(Lanes lanes, Objective objective, CentralDifference difference, Source source,
                          Sink sink) except -1 nogil:
    """f at the answers whose run did not need it, in full blocks. If the time is over nobody looks for the problem that
    raises: the values of its block are left out."""
    cdef Py_ssize_t problem
    difference.is_closing = True
    for problem in range(source.next):
        if not fastgd_is_unwritten(sink.fun[problem]):
            continue
        sink.fun[problem] = NAN
        if (not (sink.status[problem] == EXCEPTION and isnan(sink.jac[problem, 0]))
                and sink.nfev[problem] < source.maxfev[problem]):  # a start that failed may have used them all
            if lanes.place(lanes.live, problem, &sink.x[problem, 0], sizeof(double)):
                lanes.ask(lanes.live, VALUE)
                lanes.nit[lanes.live] = sink.nit[problem] - 1 - lanes.nit_of_all  # x is that of this iteration
                lanes.live += 1
        if lanes.live == lanes.capacity:
            evaluate_answers(lanes, objective, difference, sink)
    if lanes.live:
        evaluate_answers(lanes, objective, difference, sink)
    return 0


cdef int evaluate_answers(Lanes lanes, Objective objective, CentralDifference difference, Sink sink) except -1 nogil:
    """f at the points in the lanes, which are answers already."""
    cdef Py_ssize_t lane, problem
    if not difference.evaluate(lanes, objective):
        for lane in range(lanes.live):
            problem = lanes.problem[lane]
            sink.fun[problem] = lanes.f_y[lane]
            sink.nfev[problem] += 1
            sink.status[problem] = min(sink.status[problem], lanes.fault[lane])
    lanes.live = 0
    return 0


def gradient(Objective objective not None, CentralDifference difference not None, const double[:, :] points,
             tuple shape, const double[:, :] lower=None, const double[:, :] upper=None):
    """Gradients at (n, n_dim) points as an array of the given shape, nan where those are not finite.

    With it comes the first point at which the step vanishes; if there is none, -2 if a point is not finite, or -1.
    """
    cdef object slopes = np.empty(shape)
    cdef double *out = memory_of(slopes)
    cdef Lanes lanes = Lanes.__new__(Lanes)
    cdef Needs needs
    cdef Py_ssize_t i, lane, problem, n = points.shape[0]
    cdef Py_ssize_t vanished = -1
    cdef bint finite = True
    needs.state_rows = 0
    needs.bounded = lower is not None
    needs.keep_best = needs.values = needs.noise = False
    lanes.allocate(points.shape[1], lanes_for(objective, n), objective, needs)
    for problem in range(n):
        if lanes.place(lanes.live, problem, &points[problem, 0], points.strides[1]):
            if lanes.bounded:
                lanes.place_bounds(lanes.live, lower, upper)
            lanes.ask(lanes.live, GRADIENT)
            lanes.live += 1
        else:
            finite = False
            for i in range(lanes.n_dim):
                out[problem * lanes.n_dim + i] = NAN
        if lanes.live == lanes.capacity or lanes.live and problem == n - 1:
            try:
                difference.evaluate(lanes, objective)
            except Exception as error:
                lane = lanes.culprit()
                if lane >= 0:
                    annotate(error, f"fastgd: raised for problem {index_of(lanes.problem[lane], shape[:-1])}")
                raise
            for lane in range(lanes.live):
                if vanished < 0 and lanes.fault[lane] == STEP_UNDERFLOW:
                    vanished = lanes.problem[lane]
                for i in range(lanes.n_dim):
                    out[lanes.problem[lane] * lanes.n_dim + i] = lanes.g_y[i * lanes.capacity + lane]
            lanes.live = 0
    return slopes, vanished if vanished >= 0 or finite else -2
