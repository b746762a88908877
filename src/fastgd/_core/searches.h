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

/* y = x - fraction * step * g; slope -= step * g^2 */
FASTGD_CLONES static void fastgd_try_step(double *restrict y, double *restrict slope, const double *restrict x,
                                          const double *restrict g, const double *restrict step,
                                          const double *restrict fraction, ptrdiff_t n) {
    for (ptrdiff_t j = 0; j < n; j++) {
        double d = step[j] * g[j];
        y[j] = x[j] - fraction[j] * d;
        slope[j] -= d * g[j];
    }
}

/* d = clip(x - step * g, lower, upper) - x; y = x + fraction * d; slope += d * g. A whole step ends on the bound
   itself, and bounds at infinity change no bit. */
FASTGD_CLONES static void fastgd_try_step_inside(double *restrict y, double *restrict slope, const double *restrict x,
                                                 const double *restrict g, const double *restrict step,
                                                 const double *restrict fraction, const double *restrict lower,
                                                 const double *restrict upper, ptrdiff_t n) {
    for (ptrdiff_t j = 0; j < n; j++) {
        double d = step[j] * g[j];
        double most = x[j] - lower[j], least = x[j] - upper[j];
        double end = d >= most ? lower[j] : d <= least ? upper[j] : x[j] - d;
        d = d >= most ? most : d <= least ? least : d;
        y[j] = fraction[j] == 1.0 ? end : x[j] - fraction[j] * d;
        slope[j] -= d * g[j];
    }
}
#endif
