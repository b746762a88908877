from ..memory.lanes cimport Lanes
from ..memory.slab cimport Slab
from .blocks cimport Blocks
from .differences cimport Differences
from .hessians cimport Hessians


cdef class Evaluator:
    cdef Blocks blocks
    cdef Differences differences
    cdef Hessians hessians        # None if they are not wanted
    cdef bint calibrates          # steps of differences are found, and not given
    cdef bint is_at_iterates      # between `go_to_iterates` and `come_back`
    cdef Slab slab
    cdef Lanes *lanes
    cdef Py_ssize_t *value_lanes  # (capacity,) lists of lanes
    cdef Py_ssize_t *gradient_lanes
    cdef Py_ssize_t *failed_lanes
    cdef Py_ssize_t *unknown_lanes
    cdef int prepare(self, Lanes *lanes, bint hessians) except -1
    cdef Py_ssize_t most_evaluations(self) noexcept nogil
    cdef int evaluate(self) except -1 nogil
    cdef int evaluate_lanes(self, const Py_ssize_t *lane_of, Py_ssize_t n, Py_ssize_t want) except -1 nogil
    cdef int evaluate_as_wanted(self) except -1 nogil
    cdef int take_shorter(self, const Py_ssize_t *lane_of, Py_ssize_t n) except -1 nogil
    cdef void go_to_iterates(self) noexcept nogil
    cdef void come_back(self) noexcept nogil
    cdef void enter_units(self) noexcept nogil
    cdef void leave_units(self) noexcept nogil
    cdef void scale_gradients(self, const Py_ssize_t *lane_of, Py_ssize_t n, bint into) noexcept nogil
    cdef void scale_hessians(self, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil
