from ..memory.lanes cimport Lanes
from ..memory.slab cimport Slab
from .blocks cimport Blocks
from .stencils cimport Stencil

cdef extern from "evaluation/stencils.h":
    bint fastgd_all_central(const double *h, const double *second, Py_ssize_t n) noexcept nogil


cdef class Differences:
    cdef Blocks blocks
    cdef Stencil stencil
    cdef Slab slab
    cdef Lanes *lanes
    cdef Py_ssize_t *some_lanes   # a part of those that gradients are taken of
    cdef Py_ssize_t *columns      # of a list of lanes, to be looked at again
    cdef bint gradients_alone     # values that are wanted are there already
    cdef double *first_values     # (n_dim, capacity) to keep the values at both points of every pair; else NULL
    cdef double *second_values
    cdef double *errors           # (n_dim, capacity) of what was extrapolated
    cdef bint has_differences(self) noexcept nogil
    cdef int prepare(self) except -1
    cdef int take(self, const Py_ssize_t *lane_of, Py_ssize_t n) except -1 nogil
    cdef int take_moved(self, double *x, const Py_ssize_t *lane_of, Py_ssize_t n) except -1 nogil
    cdef int evaluate_stencil(self, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n,
                              bint with_values) except -1 nogil
    cdef int evaluate_together(self, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n,
                               Py_ssize_t with_values) except -1 nogil
    cdef int take_own_differences(self, double *x, const Py_ssize_t *lane_of, Py_ssize_t n) except -1 nogil
    cdef int take_some_again(self, const Py_ssize_t *lane_of, Py_ssize_t n) except -1 nogil
    cdef int take_again(self, Py_ssize_t i, const Py_ssize_t *lane_of, Py_ssize_t n) except -1 nogil
    cdef void contract(self, Py_ssize_t at, const double *x, const double *first, const double *second,
                       const Py_ssize_t *lane_of, Py_ssize_t n, Py_ssize_t length) noexcept nogil
    cdef void contract_all(self, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil
    cdef void contract_points(self, Py_ssize_t at, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil
    cdef void contract_table(self, Py_ssize_t at, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil
    cdef double error_at(self, Py_ssize_t at) noexcept nogil
    cdef void extrapolate(self, Py_ssize_t at, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil
    cdef double slope_inside_bounds(self, Py_ssize_t at, Py_ssize_t lane, double first, double second) noexcept nogil
    cdef bint contract_one_sided(self, Py_ssize_t at, const double *first, const double *second,
                                 const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil
