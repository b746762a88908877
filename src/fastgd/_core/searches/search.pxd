from ..directions.direction cimport Direction
from ..memory.lanes cimport Lanes


cdef class Search:
    cdef readonly bint needs_values  # f at every iterate
    cdef bint keeps_lowest           # iterates may be higher than earlier ones, of which the lowest is kept
    cdef Direction direction
    cdef double *state               # its first row
    cdef Py_ssize_t state_rows(self) noexcept nogil
    cdef int prepare(self, Lanes *lanes) except -1
    cdef double usual_gtol(self, double size) noexcept nogil
    cdef void start(self, Lanes *lanes, Py_ssize_t lane) noexcept nogil
    cdef void receive(self, Lanes *lanes) noexcept nogil
    cdef void propose(self, Lanes *lanes) noexcept nogil
