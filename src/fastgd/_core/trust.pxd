from .evaluation.calibration cimport Calibration
from .evaluation.evaluator cimport Evaluator
from .memory.lanes cimport Lanes
from .memory.slab cimport Slab
from .searches.search cimport Search


cdef class Trust:
    cdef Evaluator evaluator
    cdef Calibration calibration  # None where steps are given, or gradients supplied
    cdef Search rule
    cdef Slab slab
    cdef Lanes *lanes
    cdef Py_ssize_t *listed
    cdef Py_ssize_t *others
    cdef Py_ssize_t[1] listed_one
    cdef double *v                # (n_dim,)
    cdef double *exponents
    cdef bint objective_needs_gil
    cdef double ahead             # f a short way down from the iterate that was compared last
    cdef bint checks_jac          # the user's gradient, at the start of the first problem
    cdef Py_ssize_t first         # the number of the first problem of the run
    cdef int prepare(self, Lanes *lanes, bint gtol_is_absolute) except -1
    cdef int begin(self) except -1 nogil
    cdef int verify(self) except -1 nogil
    cdef int review(self) except -1 nogil
    cdef int take_hessians_again(self, Py_ssize_t n) except -1 nogil
    cdef void measure(self, Py_ssize_t lane) noexcept nogil
    cdef void find_scale(self, Py_ssize_t lane) noexcept nogil
    cdef bint looks_again(self) noexcept
    cdef bint has_room(self, Py_ssize_t lane, Py_ssize_t n_evaluations) noexcept nogil
    cdef int verify_given(self, Py_ssize_t n) except -1 nogil
    cdef int look_again(self, Py_ssize_t n) except -1 nogil
    cdef double tolerance_at(self, Py_ssize_t lane, Py_ssize_t at) noexcept nogil
    cdef void judge_claim(self, Py_ssize_t lane) noexcept nogil
    cdef void judge_end(self, Py_ssize_t lane) noexcept nogil
    cdef void note(self, Py_ssize_t lane, Py_ssize_t reason, double seen, double expected) noexcept nogil
    cdef bint contradicts(self, Py_ssize_t lane) noexcept nogil
    cdef bint agrees_with_values(self, Py_ssize_t lane, double *slope, double *by_values) except -1 nogil
    cdef int compare(self, Py_ssize_t lane, double length, double *promised, double *seen,
                     double *rounding) except -1 nogil
    cdef int check_jac(self, Py_ssize_t lane) except -1 nogil
    cdef int explain(self, Py_ssize_t lane) except -1 nogil
    cdef void resume(self, Py_ssize_t lane) noexcept nogil
