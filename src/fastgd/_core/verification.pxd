from .evaluation.calibration cimport Calibration
from .evaluation.comparison cimport Comparison
from .evaluation.evaluator cimport Evaluator
from .memory.lanes cimport Lanes
from .memory.slab cimport Slab
from .searches.search cimport Search


cdef class Verification:
    cdef Evaluator evaluator
    cdef Calibration calibration  # None where steps are given, or gradients supplied
    cdef Comparison comparison
    cdef Search rule
    cdef Slab slab
    cdef Lanes *lanes
    cdef Py_ssize_t *listed
    cdef Py_ssize_t *others
    cdef bint checks_jac          # the user's gradient, at the start of the first problem
    cdef int prepare(self, Lanes *lanes, bint gtol_is_absolute) except -1
    cdef int begin(self) except -1 nogil
    cdef int verify(self) except -1 nogil
    cdef int review(self) except -1 nogil
    cdef int take_hessians_again(self, Py_ssize_t n) except -1 nogil
    cdef void measure(self, Py_ssize_t lane) noexcept nogil
    cdef bint has_room(self, Py_ssize_t lane, Py_ssize_t n_evaluations) noexcept nogil
    cdef int verify_given(self, Py_ssize_t n) except -1 nogil
    cdef int look_again(self, Py_ssize_t n) except -1 nogil
    cdef double tolerance_at(self, Py_ssize_t lane, Py_ssize_t at) noexcept nogil
    cdef void judge_claim(self, Py_ssize_t lane) noexcept nogil
    cdef void judge_end(self, Py_ssize_t lane) noexcept nogil
    cdef void note(self, Py_ssize_t lane, Py_ssize_t reason, double seen, double expected) noexcept nogil
    cdef bint ends_above(self, Py_ssize_t lane, double f) noexcept nogil
    cdef bint contradicts(self, Py_ssize_t lane) noexcept nogil
    cdef int check_jac(self, Py_ssize_t lane) except -1 nogil
    cdef int explain(self, Py_ssize_t lane) except -1 nogil
    cdef void resume(self, Py_ssize_t lane) noexcept nogil
