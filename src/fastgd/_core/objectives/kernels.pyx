"""Some of the test functions as C functions of a block of points, in capsules: `CAPSULES`, by name."""
from cpython.pycapsule cimport PyCapsule_New

from .compiled cimport BlockFunction


cdef extern from "objectives/kernels.h" nogil:
    BlockFunction fastgd_sphere
    BlockFunction fastgd_sum_squares
    BlockFunction fastgd_rosenbrock
    BlockFunction fastgd_himmelblau
    BlockFunction fastgd_styblinski_tang

# A capsule does not copy its name: this one lives as long as the module.
cdef bytes SIGNATURE = (
    b"int (intptr_t n_dim, intptr_t n_params, intptr_t n_points, intptr_t stride, const double *x, "
    b"const double *params, double *f, void *user_data)")


cdef object capsule(BlockFunction function):
    return PyCapsule_New(<void *>function, SIGNATURE, NULL)


CAPSULES = {
    "sphere": capsule(fastgd_sphere),
    "sum_squares": capsule(fastgd_sum_squares),
    "rosenbrock": capsule(fastgd_rosenbrock),
    "himmelblau": capsule(fastgd_himmelblau),
    "styblinski_tang": capsule(fastgd_styblinski_tang),
}
