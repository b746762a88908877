/* The row loops of line searches, for n lanes side by side. */
#ifndef FASTGD_SEARCHES_H
#define FASTGD_SEARCHES_H
#include "rows.h"

/* With s = x - x_before and r = g - g_before: squares += s^2; products += s * r; changes += r^2 */
FASTGD_CLONES static void fastgd_add_products(double *restrict squares, double *restrict products,
                                              double *restrict changes, const double *restrict x,
                                              const double *restrict x_before, const double *restrict g,
                                              const double *restrict g_before, ptrdiff_t n) {
    for (ptrdiff_t j = 0; j < n; j++) {
        double s = x[j] - x_before[j], r = g[j] - g_before[j];
        squares[j] += s * s;
        products[j] += s * r;
        changes[j] += r * r;
    }
}

/* The same inside bounds, where r counts for nothing in coordinates that stay on a bound. */
FASTGD_CLONES static void fastgd_add_products_inside(double *restrict squares, double *restrict products,
                                                     double *restrict changes, const double *restrict x,
                                                     const double *restrict x_before, const double *restrict g,
                                                     const double *restrict g_before, const double *restrict lower,
                                                     const double *restrict upper, ptrdiff_t n) {
    for (ptrdiff_t j = 0; j < n; j++) {
        double s = x[j] - x_before[j], r = g[j] - g_before[j];
        int stays = (s == 0.0) & ((x[j] == lower[j]) | (x[j] == upper[j]));
        squares[j] += s * s;
        products[j] += s * r;
        changes[j] += stays ? 0.0 : r * r;
    }
}

/* d = fraction * step * g; y = x - d; promised -= d * g */
FASTGD_CLONES static void fastgd_try_step(double *restrict y, double *restrict promised, const double *restrict x,
                                          const double *restrict g, const double *restrict step,
                                          const double *restrict fraction, ptrdiff_t n) {
    for (ptrdiff_t j = 0; j < n; j++) {
        double d = fraction[j] * (step[j] * g[j]);
        y[j] = x[j] - d;
        promised[j] -= d * g[j];
    }
}

/* d = x - clip(x - fraction * step * g, lower, upper); y = x - d; promised -= d * g. What goes as far as a bound ends
   on the bound itself, and bounds at infinity change no bit. */
FASTGD_CLONES static void fastgd_try_step_inside(double *restrict y, double *restrict promised,
                                                 const double *restrict x, const double *restrict g,
                                                 const double *restrict step, const double *restrict fraction,
                                                 const double *restrict lower, const double *restrict upper,
                                                 ptrdiff_t n) {
    for (ptrdiff_t j = 0; j < n; j++) {
        double d = fraction[j] * (step[j] * g[j]);
        double most = x[j] - lower[j], least = x[j] - upper[j];
        y[j] = d >= most ? lower[j] : d <= least ? upper[j] : x[j] - d;
        d = d >= most ? most : d <= least ? least : d;
        promised[j] -= d * g[j];
    }
}
#endif
