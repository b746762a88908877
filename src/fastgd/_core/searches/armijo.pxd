from ..directions.direction cimport Pointer
from ..memory.lanes cimport Lanes
from ..memory.slab cimport Slab
from .search cimport Search

cdef extern from "searches/armijo.h":
    enum:
        FRACTION "FASTGD_FRACTION"
        PROMISED "FASTGD_PROMISED"
        TRIALS "FASTGD_TRIALS"
        HIGHEST "FASTGD_HIGHEST"
        HIGHEST_BEFORE "FASTGD_HIGHEST_BEFORE"
        LEAST_F "FASTGD_LEAST_F"
        LEAST_NORM "FASTGD_LEAST_NORM"
        WAITED_FOR_F "FASTGD_WAITED_FOR_F"
        CAREFUL "FASTGD_CAREFUL"
        SEARCH_ROWS "FASTGD_SEARCH_ROWS"
    double LARGEST "FASTGD_LARGEST"
    double EPSILON "FASTGD_EPSILON"


cdef class Armijo(Search):
    cdef Pointer pointer      # the direction
    cdef bint monotone
    cdef double most_trials
    cdef bint any_rejected    # of the trials that were received last
    cdef Slab slab
    cdef Py_ssize_t *marks    # (capacity,) lanes that were rejected, or that begin a search,
    cdef Py_ssize_t *others   # that are stuck; a list of lanes that want a value
    cdef Py_ssize_t *seen     # whose slope is seen
    cdef Py_ssize_t *anew     # that begin anew
    cdef void reject(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil
    cdef void shorten(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil
    cdef void begin_searches(self, Lanes *lanes) noexcept nogil
    cdef void go_back(self, Lanes *lanes) noexcept nogil
    cdef void begin_anew(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil
    cdef void set_trial_points(self, Lanes *lanes) noexcept nogil
    cdef void set_trial_point(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil


cdef inline double *search_row(Search self, const Lanes *lanes, Py_ssize_t row) noexcept nogil:
    return self.state + row * lanes.capacity
