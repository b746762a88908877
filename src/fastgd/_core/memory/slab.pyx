"""Memory for rows of numbers, in one piece."""
from cython cimport final
from libc.stdint cimport uintptr_t
from libc.stdlib cimport free, malloc

cdef Py_ssize_t ALIGNMENT = 64


@final
cdef class Slab:
    """One piece of memory. Its owner lays out its rows twice: first the slab counts, then `allocate` gets the memory,
    and the same calls of `take` return places in it."""

    def __dealloc__(self):
        free(self.memory)

    cdef int allocate(self, str what, Py_ssize_t n_problems, Py_ssize_t n_dim) except -1:
        """Gets memory for what was counted; the error says what it is for, of problems side by side."""
        cdef size_t n_bytes = <uintptr_t>self.next
        self.memory = malloc(n_bytes + ALIGNMENT)
        if self.memory == NULL:
            raise MemoryError(f"the {what} of {n_problems} problems of {n_dim} dimensions need {n_bytes} bytes")
        self.next = <double *>((<uintptr_t>self.memory + ALIGNMENT - 1) & ~<uintptr_t>(ALIGNMENT - 1))
        return 0

    cdef double *take(self, Py_ssize_t length) noexcept nogil:
        """The next numbers."""
        cdef double *begin = self.next
        self.next = begin + length
        return begin
