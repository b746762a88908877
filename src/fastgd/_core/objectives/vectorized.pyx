"""Objectives that are Python functions of a block of points (vectorized NumPy)."""
from cython cimport final
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from libc.string cimport memcmp, memcpy

from .argument cimport Argument, is_untouched, memory_of_nobody, present
from .objective cimport ALIASING, GRADIENT, LATE, VALUE
from .pointwise cimport Evaluation, PythonObjective, fill_nan
from .returned cimport copy_gradients, copy_values, split_pair

import numpy as np

cdef extern from "evaluation/clock.h":
    double fastgd_seconds() noexcept nogil

# NumPy objectives run fastest on blocks of about this size: smaller ones pay NumPy's overhead per call, and larger ones
# leave the caches, with the function's temporary arrays (`best_width` in bench/overhead.py). With few columns the
# overhead weighs more: there blocks are about twice as large.
cdef Py_ssize_t BLOCK_BYTES = 1 << 20
cdef Py_ssize_t FEW_COLUMNS = 1280
# glibc gives every array above a threshold pages of its own, and takes them back when it is freed, which can cost
# more than the function's arithmetic. The threshold starts at 128 KiB and rises with the largest array freed so far.
cdef Py_ssize_t LARGEST_TEMPORARY = 1 << 24
# NumPy may sum a column of width 1 in another order, and may treat the end of a row with other instructions than its
# middle: blocks are filled up to a multiple of 8 columns, the most that a vector register holds, so that a column's
# value never depends on its neighbours.
cdef Py_ssize_t WIDTH_STEP = 8


cdef inline bint differ(double a, double b) noexcept:
    """Whether they are not the same number, bit for bit but for the sign of 0."""
    return a != b and not (a != a and b != b)


class OutOfTimeError(Exception):
    """Raised by vectorized functions of our own that look at the time themselves."""


@final
cdef class Vectorized(PythonObjective):
    """A NumPy function of a block of points: `(n_dim, n_points)`, or `(n_points, n_dim)` when `rows` is set.

    The loop writes its points straight into the array that the function gets, which is read-only. A function that
    writes into it all the same (BLAS and LAPACK do not look at that flag) is given copies instead: its first call is
    with one, which shows it.
    """

    def __cinit__(self):
        self.owns_points = True
        self.some_columns = <double *>PyMem_Malloc(3 * self.n_dim * sizeof(double))
        if self.some_columns == NULL:
            raise MemoryError
        np.empty(LARGEST_TEMPORARY, dtype=np.uint8)  # freed at once
        cdef Py_ssize_t width = BLOCK_BYTES // (8 * self.n_dim)
        if width < FEW_COLUMNS:
            width = min(2 * width, FEW_COLUMNS)
        self.width = max(width // WIDTH_STEP, 1) * WIDTH_STEP

    def __dealloc__(self):
        PyMem_Free(self.some_columns)

    cdef int prepare(self, Block *block) except -1 nogil:
        block.n_points = (block.n_points + WIDTH_STEP - 1) // WIDTH_STEP * WIDTH_STEP
        while block.n_points == block.n_dim or block.n_points % ALIASING == 0:
            block.n_points += WIDTH_STEP  # a function that mistakes the axes must fail
        block.stride = block.n_points
        with gil:
            if (self.argument is None or self.argument.array.shape[1] != block.n_points
                    or not is_untouched(self.argument)):
                self.argument = Argument((block.n_dim, block.n_points), False, self.rows, self.unpack)
            block.x = self.argument.data
        return 0

    cdef int select_problems(self, Block *block) except -1:
        """Takes the columns of batch_args that belong to the block."""
        cdef Py_ssize_t[::1] known
        cdef Py_ssize_t size = block.n_points * sizeof(Py_ssize_t)
        if self.problems is None or len(self.problems) != block.n_points:
            self.problems = np.full(block.n_points, -1, dtype=np.intp)
        known = self.problems
        if memcmp(&known[0], block.problems, size):
            chosen = np.empty(block.n_points, dtype=np.intp)
            known = chosen
            memcpy(&known[0], block.problems, size)
            columns = [values[chosen - block.first] for values in self.batch_args]
            if not self.rows:
                columns = [np.ascontiguousarray(np.moveaxis(values, 0, -1)) for values in columns]
            for values in columns:
                values.flags.writeable = False
            self.batch_columns = tuple(columns)
            self.problems = chosen
        return 0

    cdef object ask(self, int which, Block *block):
        """What a function, VALUE or GRADIENT, returns for the points, which it gets on loan or as a copy to write into.
        """
        cdef object function = self.jac if which == GRADIENT else self.fun
        cdef object copy = None
        cdef tuple points
        if self.trusted & which:
            if not is_untouched(self.argument):
                self.move_points(block)  # the call before has left its mark, perhaps another shape
            points = self.argument.handed
        else:
            copy = self.argument.array.copy()
            points = present(copy, self.rows, self.unpack)
        points += self.args
        result = function(*(points + self.batch_columns if self.batch_args else points))
        if not self.tested & which:
            self.tested |= which
            self.trusted |= which * (copy.tobytes() == self.argument.array.tobytes())
        return result

    cdef tuple ask_for(self, Block *block, int want):
        """What the functions return, unread: of a pair, of the value, of the gradient."""
        if self.batch_args:
            self.select_problems(block)
        if self.jac is True:
            return self.ask(VALUE, block), None, None
        return (None, self.ask(VALUE, block) if want & VALUE else None,
                self.ask(GRADIENT, block) if want & GRADIENT else None)

    cdef int read(self, tuple returned, Block *block, int want, bint may_lend) except -1:
        """Copies it to where it belongs, or lends it; what has the wrong shape or type is wrong for all problems."""
        pair, value, gradient = returned
        if self.jac is True:
            value, gradient = split_pair(pair)
            want = VALUE | GRADIENT
        if want & VALUE and not (may_lend and self.lend(value, block)):
            copy_values(value, block)
        if want & GRADIENT:
            copy_gradients(gradient, self.rows, block)
        return want

    cdef bint lend(self, object value, Block *block):
        """Leaves the values where they are, in an array that nobody sees but `read`, which has two references to it."""
        cdef double *values = memory_of_nobody(value, 2, block.n_points)
        if values == NULL:
            return False
        block.out.f = values
        self.lent = value
        return True

    cdef int evaluate_block(self, Block *block, int want) except -1:
        self.copy_some_columns(block, self.some_columns)
        try:
            returned = self.ask_for(block, want)
        except OutOfTimeError:
            return LATE
        except Exception as error:
            if self.has_written(block):
                raise
            if not (self.trusted and is_about_writing(error)):
                return self.isolate(block, want, error)
            self.move_points(block)  # it may have kept the array before it wrote
            self.trusted = 0
            self.tested = VALUE | GRADIENT
            return self.evaluate_block(block, want)
        if self.has_written(block):
            raise RuntimeError("the function has written into its argument, which is read-only: it must copy it first")
        want = self.read(returned, block, want, self.jac is None)
        if self.trusted and not is_untouched(self.argument):
            self.move_points(block)
        return want

    cdef void copy_some_columns(self, const Block *block, double *columns) noexcept:
        """The first point of a block, a middle one and the last."""
        cdef Py_ssize_t i, j
        cdef const double *row
        for i in range(block.n_dim):
            row = block.x + i * block.stride
            for j in range(3):
                columns[3 * i + j] = row[(block.n_points - 1) * j // 2]

    cdef bint has_written(self, const Block *block) noexcept:
        """Whether the last call has changed the points."""
        cdef Py_ssize_t i, j
        cdef const double *row
        for i in range(block.n_dim):
            row = block.x + i * block.stride
            for j in range(3):
                if differ(self.some_columns[3 * i + j], row[(block.n_points - 1) * j // 2]):
                    return True
        return False

    cdef int move_points(self, Block *block) except -1:
        """Leaves the present array to whoever holds it, and goes on in a new one."""
        cdef Argument replacement = Argument((block.n_dim, block.n_points), False, self.rows, self.unpack)
        memcpy(replacement.data, block.x, block.n_dim * block.n_points * sizeof(double))
        self.argument = replacement
        block.x = replacement.data
        return 0

    cdef int load_columns(self, Block *block, object points, object problems, object columns) except -1:
        """Makes the block consist of the given columns of (n_dim, n) points, and copies of the first."""
        chosen_columns = np.full(block.n_points, columns[0])
        chosen_columns[:len(columns)] = columns
        cdef double[:, ::1] chosen = points.take(chosen_columns, axis=1)
        cdef Py_ssize_t[::1] numbers = problems.take(chosen_columns)
        memcpy(block.x, &chosen[0, 0], block.n_dim * block.n_points * sizeof(double))
        memcpy(<void *>block.problems, &numbers[0], block.n_points * sizeof(Py_ssize_t))
        return 0

    cdef int evaluate(self, Block *block, int want) except -1 nogil:
        return (<Evaluation>evaluate_block)(self, block, want)

    cdef list find_failing(self, Block *block, int want, object points, object problems, list groups):
        """Those of the groups of columns, one for each problem, whose points make the function raise, found by halving
        at the block's own width."""
        if self.record_errors and fastgd_seconds() > block.deadline[0]:
            return []
        self.load_columns(block, points, problems, np.concatenate(groups))
        try:
            self.ask_for(block, want)
            return []
        except Exception:
            if len(groups) == 1:
                return groups
        half = len(groups) // 2
        found = self.find_failing(block, want, points, problems, groups[:half])
        if found and not self.record_errors:
            return found  # the lowest problem is named
        return found + self.find_failing(block, want, points, problems, groups[half:])

    cdef int isolate(self, Block *block, int want, object error) except -1:
        """After an error: evaluates what can be evaluated, or raises the error and says which column it was. Returns
        LATE if the time is over."""
        cdef Py_ssize_t column
        cdef int trusted = self.trusted, tested = self.tested
        self.move_points(block)
        self.trusted = 0
        self.tested = VALUE | GRADIENT
        points = self.argument.array.copy()
        problems = np.array([block.problems[column] for column in range(block.n_points)], dtype=np.intp)
        by_problem = np.argsort(problems, kind="stable")
        groups = np.split(by_problem, 1 + np.flatnonzero(np.diff(problems[by_problem])))
        groups = self.find_failing(block, want, points, problems, groups)
        if not self.record_errors:
            block.culprit = groups[0][0] if groups else -1
            raise error
        if fastgd_seconds() > block.deadline[0]:
            self.trusted, self.tested = trusted, tested
            return LATE
        failing = np.concatenate([np.empty(0, np.intp), *groups])
        columns = np.arange(block.n_points)
        good = np.setdiff1d(columns, failing)
        returned = None
        if good.size:
            columns[failing] = good[0]
            self.load_columns(block, points, problems, columns)
            try:
                returned = self.ask_for(block, want)
            except Exception:  # not what it raised before: nothing here can be relied on
                failing = np.arange(block.n_points)
        if returned is not None:
            want = self.read(returned, block, want, False)
        elif self.jac is True:
            want = VALUE | GRADIENT
        for column in failing:
            block.failed[column] = True
            fill_nan(block, column, self.supplies)
        block.n_failed = len(failing)
        self.load_columns(block, points, problems, np.arange(block.n_points))
        self.trusted, self.tested = trusted, tested
        return want


cdef int evaluate_block(PythonObjective objective, Block *block, int want) except -1:
    cdef Vectorized self = <Vectorized>objective
    self.lent_before, self.lent = self.lent, None
    return self.evaluate_block(block, want)


cdef bint is_about_writing(object error):
    """Whether an error complains that an array is read-only: NumPy, Cython and numba say so in their own words."""
    text = str(error)
    return isinstance(error, (ValueError, TypeError)) and any(
        words in text for words in ("read-only", "readonly", "WRITEABLE"))
