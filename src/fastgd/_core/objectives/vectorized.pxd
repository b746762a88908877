from cython cimport final

from .objective cimport Block
from .pointwise cimport PythonObjective


@final
cdef class Vectorized(PythonObjective):
    cdef int tested              # a mask of VALUE and GRADIENT: which of its functions have been called,
    cdef int trusted             # and did not write into their argument
    cdef double *some_columns    # of the points, before the last call
    cdef object lent             # the array that the values of the last call are in, if they were not copied,
    cdef object lent_before      # and those of the call before
    cdef object problems
    cdef tuple batch_columns
    cdef int select_problems(self, Block *block) except -1
    cdef int evaluate_block(self, Block *block, int want) except -1
    cdef object ask(self, int which, Block *block)
    cdef tuple ask_for(self, Block *block, int want)
    cdef int read(self, tuple returned, Block *block, int want, bint may_lend) except -1
    cdef bint lend(self, object value, Block *block)
    cdef void copy_some_columns(self, const Block *block, double *columns) noexcept
    cdef bint has_written(self, const Block *block) noexcept
    cdef int move_points(self, Block *block) except -1
    cdef int load_columns(self, Block *block, object points, object problems, object columns) except -1
    cdef list find_failing(self, Block *block, int want, object points, object problems, list groups)
    cdef int isolate(self, Block *block, int want, object error) except -1
