from .calibration cimport Calibration


cdef void find_scale(Calibration calibration, Py_ssize_t lane) noexcept nogil
