"""Values at answers, and at starts, whose runs did not need them."""
from libc.math cimport NAN, isnan

from .evaluation.blocks cimport fastgd_is_unwritten
from .memory.lanes cimport ask, begin_trust, place, rises
from .memory.problems cimport MAXFEV_LIMIT, count_limit_of
from .objectives.objective cimport VALUE
from .stopping cimport ABOVE_START, EXCEPTION, FTARGET, RUNNING, STALLED


cdef int evaluate_missing(Lanes *lanes, Evaluator evaluator, Source source, double[:, ::1] starts,
                          Sink sink) except -1 nogil:
    """f at the answers, in full blocks, and at their starts if these are given. If the time is over a problem that
    raises is not looked for: the values of its block are left out."""
    cdef Py_ssize_t problem
    evaluator.blocks.clock.is_closing = True
    for problem in range(source.next):
        if not fastgd_is_unwritten(sink.fun[problem]):
            if starts is not None:
                starts[problem, 0] = NAN  # the run has compared the values that it knew
            continue
        sink.fun[problem] = NAN
        if (not (sink.status[problem] == EXCEPTION and isnan(sink.jac[problem, 0]))
                and sink.nfev[problem] < count_limit_of(source, MAXFEV_LIMIT, problem)):
            # (a start that failed may have used them all)
            if place(lanes, lanes.live, problem, &sink.x[problem, 0], sizeof(double)):
                ask(lanes, lanes.live, VALUE)
                lanes.nit[lanes.live] = sink.nit[problem] - 1 - lanes.nit_of_all  # x is that of this iteration
                lanes.live += 1
        if lanes.live == lanes.capacity:
            evaluate_answers(lanes, evaluator, sink)
    if lanes.live:
        evaluate_answers(lanes, evaluator, sink)
    return 0 if starts is None else compare_with_starts(lanes, evaluator, source, starts, sink)


cdef int compare_with_starts(Lanes *lanes, Evaluator evaluator, Source source, const double[:, ::1] starts,
                             Sink sink) except -1 nogil:
    """A success whose value is above that of its start is none."""
    cdef Py_ssize_t problem
    for problem in range(source.next):
        if (sink.status[problem] < 0 or sink.status[problem] == FTARGET or sink.nit[problem] == 0
                or sink.nfev[problem] >= count_limit_of(source, MAXFEV_LIMIT, problem)):
            continue
        if not place(lanes, lanes.live, problem, &starts[problem, 0], sizeof(double)):
            continue
        begin_trust(lanes, lanes.live, source.x_scale, problem)
        ask(lanes, lanes.live, VALUE)
        lanes.nit[lanes.live] = -1 - lanes.nit_of_all
        lanes.live += 1
        if lanes.live == lanes.capacity:
            compare(lanes, evaluator, sink)
    if lanes.live:
        compare(lanes, evaluator, sink)
    return 0


cdef int compare(Lanes *lanes, Evaluator evaluator, Sink sink) except -1 nogil:
    """The values at the starts in the lanes with those at the answers."""
    cdef Py_ssize_t lane, problem
    cdef double f, first_f
    if not evaluator.evaluate():
        for lane in range(lanes.live):
            problem = lanes.problem[lane]
            sink.nfev[problem] += 1
            f = evaluator.blocks.sign * sink.fun[problem]
            first_f = lanes.trial.f[lane]
            if lanes.fault[lane] == RUNNING and rises(lanes, lane, first_f, f):
                sink.status[problem] = STALLED
                sink.reason[problem] = ABOVE_START
                sink.seen[problem] = f
                sink.expected[problem] = first_f
    lanes.live = 0
    return 0


cdef int evaluate_answers(Lanes *lanes, Evaluator evaluator, Sink sink) except -1 nogil:
    """f at the points in the lanes, which are answers already."""
    cdef Py_ssize_t lane, problem
    if not evaluator.evaluate():
        for lane in range(lanes.live):
            problem = lanes.problem[lane]
            sink.fun[problem] = evaluator.blocks.sign * lanes.trial.f[lane]
            sink.nfev[problem] += 1
            sink.status[problem] = min(sink.status[problem], lanes.fault[lane])
    lanes.live = 0
    return 0
