from .evaluation.evaluator cimport Evaluator
from .memory.lanes cimport Lanes
from .memory.problems cimport Sink, Source


cdef int evaluate_missing(Lanes *lanes, Evaluator evaluator, Source source, double[:, ::1] starts,
                          Sink sink) except -1 nogil
