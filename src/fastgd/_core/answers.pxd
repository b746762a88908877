from .evaluation.evaluator cimport Evaluator
from .memory.lanes cimport Lanes
from .memory.problems cimport Sink, Source


cdef int evaluate_missing(Lanes *lanes, Evaluator evaluator, Source source, Sink sink) except -1 nogil
cdef int compare_with_starts(Lanes *lanes, Evaluator evaluator, Source source, const double[:, ::1] starts,
                             Sink sink) except -1 nogil
