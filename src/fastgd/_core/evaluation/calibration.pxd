from ..memory.lanes cimport Lanes
from ..memory.slab cimport Slab
from .blocks cimport Blocks
from .differences cimport Differences
from .evaluator cimport Evaluator
from .repairs cimport Repair, Repairs


cdef enum Occasion:
    # When slopes are looked at.
    FIRST_ITERATE  # of a run: the step is mended, and the slope if it is far from right
    LATER          # before a run ends
    ALONE          # nothing else is wanted
    FOR_HESSIANS   # only steps are wanted

cdef double SMALL_MOVE


cdef class Calibration:
    cdef Evaluator evaluator
    cdef Blocks blocks
    cdef Differences differences
    cdef Repairs repairs
    cdef Slab slab
    cdef Lanes *lanes
    # (n_dim, capacity), of the lanes that are looked at
    cdef double *slopes       # by the usual steps,
    cdef double *others       # and by longer ones:
    cdef double *h            # these,
    cdef double *second
    cdef double *first_values  # with these values there
    cdef double *second_values
    cdef double *curvatures   # second derivatives, 0 where none is seen
    cdef double *errors       # of the slopes
    cdef Py_ssize_t *needs    # which coordinates need another step
    # (capacity,)
    cdef Py_ssize_t *listed
    cdef Py_ssize_t *healthy
    cdef double *exponents    # (n_dim,) of scales

    cdef int prepare(self, Lanes *lanes) except -1
    cdef void lay_out(self) noexcept nogil
    cdef int look(self, const Py_ssize_t *lane_of, Py_ssize_t n, Occasion when) except -1 nogil
    cdef int look_at_trials(self, Occasion when) except -1
    cdef int take_others(self, const Py_ssize_t *lane_of, Py_ssize_t n) except -1 nogil
    cdef int take_others_of_each(self, const Py_ssize_t *lane_of, Py_ssize_t n) except -1 nogil
    cdef void keep_others(self, const Py_ssize_t *lane_of, Py_ssize_t n, bint are_counted) noexcept nogil
    cdef void forget(self, Py_ssize_t lane) noexcept nogil
    cdef void find_single_precision(self, Py_ssize_t lane) noexcept nogil
    cdef Py_ssize_t judge(self, Py_ssize_t lane, Occasion when) noexcept nogil
    cdef double height(self, Py_ssize_t lane, Py_ssize_t at) noexcept nogil
    cdef bint sees(self, Py_ssize_t lane, Py_ssize_t at) noexcept nogil
    cdef int repair(self, Py_ssize_t i, Py_ssize_t n) except -1 nogil
    cdef void set_factor(self, Py_ssize_t at, double h) noexcept nogil
    cdef void start_repair(self, Repair *repair, Py_ssize_t lane, Py_ssize_t at) noexcept nogil
