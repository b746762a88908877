/* Test functions as block kernels: values f (n_points,) at the columns of x (n_dim, stride).

   All are sums over the coordinates. Every term is written in the order of the formula in functions.py, and they are
   added from the first row to the last, to 0, as np.sum(axis=0) does with a block in C order. So the bits are those of
   the NumPy function on a block of two or more columns. (A single column of 8 rows or more np.sum adds pairwise.)

   A kernel returns 1, and writes nothing, for points of other dimensions than the function's, or with parameters. */
#ifndef FASTGD_KERNELS_H
#define FASTGD_KERNELS_H
#include "memory/loops.h"

/* Lanes whose sums stay in registers while the rows pass by: with d = 10 or more this takes a tenth off the loops in the
   other order, which keep the sums in f. 16 lanes were not faster. */
#define FASTGD_KERNEL_STRIP 8

/* f = scale * sum of fastgd_<name>_term(x + i * stride, stride, i) for i < n_terms */
#define FASTGD_SUM_KERNEL(name, takes_n_dim, n_terms, scale) \
    FASTGD_CLONES static int fastgd_##name(intptr_t n_dim, intptr_t n_params, intptr_t n_points, intptr_t stride, \
                                           const double *x, const double *params, double *f, void *user_data) { \
        intptr_t i, j = 0; \
        if (!(takes_n_dim) || n_params != 0) \
            return 1; \
        for (; j + FASTGD_KERNEL_STRIP <= n_points; j += FASTGD_KERNEL_STRIP) { \
            double sum[FASTGD_KERNEL_STRIP] = {0.0}; \
            for (i = 0; i < n_terms; i++) \
                for (int lane = 0; lane < FASTGD_KERNEL_STRIP; lane++) \
                    sum[lane] = sum[lane] + fastgd_##name##_term(x + i * stride + j + lane, stride, i); \
            for (int lane = 0; lane < FASTGD_KERNEL_STRIP; lane++) \
                f[j + lane] = scale * sum[lane]; \
        } \
        for (; j < n_points; j++) { \
            double sum = 0.0; \
            for (i = 0; i < n_terms; i++) \
                sum = sum + fastgd_##name##_term(x + i * stride + j, stride, i); \
            f[j] = scale * sum; \
        } \
        return 0; \
    }

/* x**2 */
static inline double fastgd_sphere_term(const double *x, intptr_t stride, intptr_t i) {
    return x[0] * x[0];
}
FASTGD_SUM_KERNEL(sphere, n_dim >= 1, n_dim, 1.0)

/* numbers(x) * x**2 */
static inline double fastgd_sum_squares_term(const double *x, intptr_t stride, intptr_t i) {
    return ((double)i + 1.0) * (x[0] * x[0]);
}
FASTGD_SUM_KERNEL(sum_squares, n_dim >= 1, n_dim, 1.0)

/* 100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2 */
static inline double fastgd_rosenbrock_term(const double *x, intptr_t stride, intptr_t i) {
    double height = x[stride] - x[0] * x[0], along = 1.0 - x[0];
    return 100.0 * (height * height) + along * along;
}
FASTGD_SUM_KERNEL(rosenbrock, n_dim >= 2, n_dim - 1, 1.0)

/* (x[0] ** 2 + x[1] - 11.0) ** 2 + (x[0] + x[1] ** 2 - 7.0) ** 2 */
static inline double fastgd_himmelblau_term(const double *x, intptr_t stride, intptr_t i) {
    double first = x[0] * x[0] + x[stride] - 11.0, second = x[0] + x[stride] * x[stride] - 7.0;
    return first * first + second * second;
}
FASTGD_SUM_KERNEL(himmelblau, n_dim == 2, 1, 1.0)

/* square = x**2; 0.5 * the sum of (square - 16.0) * square + 5.0 * x */
static inline double fastgd_styblinski_tang_term(const double *x, intptr_t stride, intptr_t i) {
    double square = x[0] * x[0];
    return (square - 16.0) * square + 5.0 * x[0];
}
FASTGD_SUM_KERNEL(styblinski_tang, n_dim >= 1, n_dim, 0.5)
#endif
