/* Test functions as block kernels: values f (n_points,) at the columns of x (n_dim, stride). Lanes are innermost, so that
   they become vectors; AVX2 takes a fifth off.

   Every term is written in the order of the formula in functions.py, and the terms are added from the first row to the
   last, to 0, as np.sum(axis=0) does with a block in C order. So the bits are those of the NumPy function on a block of
   two or more columns. (A single column np.sum adds pairwise, from 8 rows on.)

   A kernel returns 1, and writes nothing, for points of other dimensions than the function's, or with parameters. */
#ifndef FASTGD_KERNELS_H
#define FASTGD_KERNELS_H
#include "rows.h"

#define FASTGD_KERNEL(name) \
    FASTGD_CLONES static int fastgd_##name(intptr_t n_dim, intptr_t n_params, intptr_t n_points, intptr_t stride, \
                                           const double *restrict x, const double *params, double *restrict f, \
                                           void *user_data)

/* The sum that stands in f, before row i is added: branching on i in the loop of the lanes is hoisted out of it, and
   spares f a pass that fills it with 0. */
#define FASTGD_SUM_BEFORE(i) ((i) == 0 ? 0.0 : f[j])

/* np.sum(x**2, axis=0) */
FASTGD_KERNEL(sphere) {
    if (n_dim < 1 || n_params != 0)
        return 1;
    for (intptr_t i = 0; i < n_dim; i++) {
        const double *a = x + i * stride;
        for (intptr_t j = 0; j < n_points; j++)
            f[j] = FASTGD_SUM_BEFORE(i) + a[j] * a[j];
    }
    return 0;
}

/* np.sum(numbers(x) * x**2, axis=0) */
FASTGD_KERNEL(sum_squares) {
    if (n_dim < 1 || n_params != 0)
        return 1;
    for (intptr_t i = 0; i < n_dim; i++) {
        const double *a = x + i * stride;
        double number = (double)i + 1.0;
        for (intptr_t j = 0; j < n_points; j++)
            f[j] = FASTGD_SUM_BEFORE(i) + number * (a[j] * a[j]);
    }
    return 0;
}

/* np.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (1.0 - x[:-1]) ** 2, axis=0) */
FASTGD_KERNEL(rosenbrock) {
    if (n_dim < 2 || n_params != 0)
        return 1;
    for (intptr_t i = 0; i < n_dim - 1; i++) {
        const double *a = x + i * stride, *b = a + stride;
        for (intptr_t j = 0; j < n_points; j++) {
            double height = b[j] - a[j] * a[j], along = 1.0 - a[j];
            f[j] = FASTGD_SUM_BEFORE(i) + (100.0 * (height * height) + along * along);
        }
    }
    return 0;
}

/* (x[0] ** 2 + x[1] - 11.0) ** 2 + (x[0] + x[1] ** 2 - 7.0) ** 2 */
FASTGD_KERNEL(himmelblau) {
    if (n_dim != 2 || n_params != 0)
        return 1;
    const double *a = x, *b = x + stride;
    for (intptr_t j = 0; j < n_points; j++) {
        double first = a[j] * a[j] + b[j] - 11.0, second = a[j] + b[j] * b[j] - 7.0;
        f[j] = first * first + second * second;
    }
    return 0;
}

/* square = x**2; 0.5 * np.sum((square - 16.0) * square + 5.0 * x, axis=0) */
FASTGD_KERNEL(styblinski_tang) {
    if (n_dim < 1 || n_params != 0)
        return 1;
    for (intptr_t i = 0; i < n_dim; i++) {
        const double *a = x + i * stride;
        for (intptr_t j = 0; j < n_points; j++) {
            double square = a[j] * a[j];
            f[j] = FASTGD_SUM_BEFORE(i) + ((square - 16.0) * square + 5.0 * a[j]);
        }
    }
    for (intptr_t j = 0; j < n_points; j++)
        f[j] = 0.5 * f[j];
    return 0;
}
#endif
