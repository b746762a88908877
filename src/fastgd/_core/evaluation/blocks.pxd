from libc.math cimport INFINITY, isfinite

from ..memory.lanes cimport Lanes
from ..memory.slab cimport Slab
from ..objectives.objective cimport Block, Objective
from ..stopping cimport NONFINITE, UNBOUNDED
from .clock cimport Clock


cdef extern from "memory/loops.h":
    bint fastgd_is_unwritten(double value) noexcept nogil
    void fastgd_fill(double *row, double value, Py_ssize_t n) noexcept nogil
    bint fastgd_are_finite(const double *row, Py_ssize_t n) noexcept nogil


cdef class Blocks:
    cdef Objective objective
    cdef readonly Clock clock
    cdef double sign                # -1: what the lanes get is the negative of what the objective returns
    cdef Slab slab
    cdef Lanes *lanes
    cdef Py_ssize_t width           # how many points a call may have
    cdef Py_ssize_t unwritten       # the lane of an output that a compiled function left unwritten, or -1
    cdef Block block
    # Column c < n_columns of the block is of lane lane_of[c % n_lanes], those behind repeat the first.
    cdef const Py_ssize_t *lane_of
    cdef Py_ssize_t n_lanes
    cdef Py_ssize_t n_columns
    # memory for a block, which an objective may have elsewhere
    cdef double *x
    cdef double *f                  # (room,) where an evaluation may write its values,
    cdef double *other_f            # and where the one before might
    cdef double *g                  # (n_dim, room)
    cdef double *H                  # (n_dim (n_dim + 1) / 2, room)
    cdef Py_ssize_t *problems       # (room,)
    cdef Py_ssize_t room
    cdef double *base               # (n_dim, capacity) points gathered from lanes that are not side by side
    cdef const double *values       # (n_points,) of the last call, in f or where the objective has them,
    cdef const double *values_before  # and of the call before

    cdef int prepare(self, Lanes *lanes, bint hessians) except -1
    cdef void lay_out(self, bint hessians) noexcept
    cdef int open(self, const double *x, const Py_ssize_t *lane_of, Py_ssize_t n, Py_ssize_t n_copies) except -1 nogil
    cdef bint open_in_place(self, double *x, const Py_ssize_t *lane_of, Py_ssize_t n) except -1 nogil
    cdef void name_problems(self, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil
    cdef void pad(self, Py_ssize_t n_used) noexcept nogil
    cdef int call(self, int want) except -1 nogil
    cdef void change_signs(self, int supplied) noexcept nogil
    cdef int evaluate_points(self, const Py_ssize_t *lane_of, Py_ssize_t n, int want) except -1 nogil
    cdef double *gather_points(self, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil
    cdef bint may_be_asked(self, const double *x, Py_ssize_t lane) noexcept nogil
    cdef void take_values(self, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil
    cdef void take_rows(self, double *rows, const double *answers, Py_ssize_t n_rows, const Py_ssize_t *lane_of,
                        Py_ssize_t n) noexcept nogil
    cdef Py_ssize_t culprit(self) noexcept nogil


cdef inline void note_fault(Lanes *lanes, Py_ssize_t lane, Py_ssize_t status) noexcept nogil:
    """Of several faults in one evaluation the lowest Status stands, so that the order of the calls does not matter."""
    lanes.fault[lane] = min(lanes.fault[lane], status)
    lanes.any_fault = True


cdef inline void note_unwritten(Blocks blocks, Py_ssize_t lane, double output) noexcept nogil:
    """A compiled function leaves the mark of an output that it has not written in the memory that it got; elsewhere it
    is any nan."""
    if blocks.values == blocks.f and fastgd_is_unwritten(output) and (
            blocks.unwritten < 0 or blocks.lanes.problem[lane] < blocks.lanes.problem[blocks.unwritten]):
        blocks.unwritten = lane


cdef inline void note_value(Blocks blocks, Py_ssize_t lane, double value) noexcept nogil:
    if not isfinite(value):
        note_fault(blocks.lanes, lane, UNBOUNDED if value == -INFINITY else NONFINITE)
        note_unwritten(blocks, lane, value)


cdef inline bint are_first_lanes(const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil:
    """Lanes are listed in ascending order, so that the last one tells."""
    return lane_of[n - 1] == n - 1


cdef inline void repeat_first(double *row, Py_ssize_t n, Py_ssize_t n_total) noexcept nogil:
    """Fills the columns of a row from n on with its first."""
    if n < n_total:
        fastgd_fill(row + n, row[0], n_total - n)


cdef inline double *side_by_side(Blocks blocks, const Py_ssize_t *lane_of, Py_ssize_t n) noexcept nogil:
    """The trial points of n lanes as a matrix of n columns, behind which there are no other points: those of the lanes
    themselves where they are all that live."""
    return blocks.lanes.trial.x if n == blocks.lanes.live else blocks.gather_points(lane_of, n)


cdef inline void open_point(Blocks self, double *x, const Py_ssize_t *lane_of) noexcept nogil:
    """Makes the block consist of one point alone, x, which is that of the first of these lanes."""
    self.lane_of = lane_of
    self.n_lanes = self.n_columns = 1
    self.problems[0] = self.lanes.problem[lane_of[0]] + self.block.first
    self.block.x = x
    self.block.n_points = 1
    self.block.stride = self.lanes.capacity
    self.block.culprit = -1
    self.block.out.g = self.lanes.trial.g
    self.block.out.H = self.lanes.trial.H


cdef inline void count(Lanes *lanes, const Py_ssize_t *lane_of, Py_ssize_t n, Py_ssize_t n_values,
                       Py_ssize_t n_gradients) noexcept nogil:
    cdef Py_ssize_t j
    if n == lanes.live:
        lanes.nfev_of_all += n_values
        lanes.njev_of_all += n_gradients
        return
    for j in range(n):
        lanes.nfev[lane_of[j]] += n_values
        lanes.njev[lane_of[j]] += n_gradients


cdef inline Py_ssize_t groups_per_call(Py_ssize_t width, Py_ssize_t n, Py_ssize_t n_groups) noexcept nogil:
    """How many groups of n columns go into a call, so that no call is wider than need be."""
    cdef Py_ssize_t most, n_calls
    if width < 4 * n:
        return 1  # the block is wide enough, and copies of the points would cost more than calls
    most = min(width // n, n_groups)
    n_calls = (n_groups + most - 1) // most
    return (n_groups + n_calls - 1) // n_calls


cdef int refuse_less(Objective objective, str method, Py_ssize_t supplied, Py_ssize_t wanted) except -1 nogil
