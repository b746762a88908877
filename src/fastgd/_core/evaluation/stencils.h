/* Differences: how far their points lie from x, and gradients from the values there. */
#ifndef FASTGD_STENCILS_H
#define FASTGD_STENCILS_H
#include "memory/loops.h"

/* The power of two nearest to factor * max(unit, |x|), by rounding the significand to 1 or 2. */
FASTGD_INLINE double fastgd_rounded_step(double x, double factor, double unit) {
    double size = fabs(x);
    double step = factor * (size > unit ? size : unit);
    return fastgd_from_bits((fastgd_bits(step) + 0x0008000000000000u) & 0x7FF0000000000000u);
}

/* The usual step. */
FASTGD_INLINE double fastgd_usual_step(double x) {
    return fastgd_rounded_step(x, FASTGD_RELATIVE_STEP, 1.0);
}

/* out = a + b */
FASTGD_STAGE(void, fastgd_add,
             (double *restrict out, const double *restrict a, const double *restrict b, ptrdiff_t n),
             (out, a, b, n)) {
    for (ptrdiff_t j = 0; j < n; j++)
        out[j] = a[j] + b[j];
}

/* A positive `given` is the step h of all; otherwise it is the usual one of x. out = x + sign * h: the steps are not kept, because memory is slower than two operations. Returns whether all are
   finite and, where the step is given, have moved. */
FASTGD_STAGE(int, fastgd_shift,
             (double given, double *restrict out, const double *restrict x, double sign, ptrdiff_t n),
             (given, out, x, sign, n)) {
    double step = sign * given;
    if (given > 0.0) {
        int64_t stays = 0;
        for (ptrdiff_t j = 0; j < n; j++) {
            out[j] = x[j] + step;
            stays |= (out[j] == x[j]) | (out[j] != out[j]);
        }
        return !stays;
    }
    uint64_t nonfinite = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        out[j] = x[j] + sign * fastgd_usual_step(x[j]);
        nonfinite |= fastgd_nonfinite(out[j]);
    }
    return !(nonfinite >> 63);
}

/* Both points of a pair in one pass: above = x + h; below = x - h. Returns the same. */
FASTGD_STAGE(int, fastgd_pairs,
             (double given, double *restrict above, double *restrict below, const double *restrict x,
              ptrdiff_t n),
             (given, above, below, x, n)) {
    if (given > 0.0) {
        int64_t stays = 0;
        for (ptrdiff_t j = 0; j < n; j++) {
            above[j] = x[j] + given;
            below[j] = x[j] - given;
            stays |= (above[j] == x[j]) | (below[j] == x[j]) | (x[j] != x[j]);
        }
        return !stays;
    }
    uint64_t nonfinite = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        double step = fastgd_usual_step(x[j]);
        nonfinite |= fastgd_nonfinite(fabs(x[j]) + step);
        above[j] = x[j] + step;
        below[j] = x[j] - step;
    }
    return !(nonfinite >> 63);
}

/* The steps h themselves; returns whether x + h and x - h are finite or, where the step is given, have moved. */
FASTGD_STAGE(int, fastgd_steps,
             (double given, double *restrict h, const double *restrict x, ptrdiff_t n),
             (given, h, x, n)) {
    if (given > 0.0) {
        int64_t stays = 0;
        for (ptrdiff_t j = 0; j < n; j++) {
            h[j] = given;
            stays |= (x[j] + given == x[j]) | (x[j] - given == x[j]) | (x[j] != x[j]);
        }
        return !stays;
    }
    uint64_t nonfinite = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        h[j] = fastgd_usual_step(x[j]);
        nonfinite |= fastgd_nonfinite(fabs(x[j]) + h[j]);
    }
    return !(nonfinite >> 63);
}

/* Steps h, and second = -h, in a row of a coordinate: a positive `given`, or the power of two nearest to
   factor * max(unit, |x|), times `stretch`. */
FASTGD_STAGE(void, fastgd_row_of_steps,
             (double *restrict h, double *restrict second, const double *restrict x, double given,
              const double *restrict factor, const double *restrict unit, double stretch, ptrdiff_t n),
             (h, second, x, given, factor, unit, stretch, n)) {
    if (given > 0.0)
        for (ptrdiff_t j = 0; j < n; j++)
            h[j] = given;
    else
        for (ptrdiff_t j = 0; j < n; j++)
            h[j] = stretch * fastgd_rounded_step(x[j], factor[j], unit[j]);
    for (ptrdiff_t j = 0; j < n; j++)
        second[j] = -h[j];
}

/* Whether in all lanes x + h and x - h are finite and differ from x. */
FASTGD_STAGE(int, fastgd_pairs_move,
             (const double *restrict h, const double *restrict x, ptrdiff_t n),
             (h, x, n)) {
    int64_t fails = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        double above = x[j] + h[j], below = x[j] - h[j];
        fails |= !(below < x[j]) | !(x[j] < above) | !(above < INFINITY) | !(below > -INFINITY);
    }
    return !fails;
}

/* Whether in all lanes x + h and x - h lie inside the bounds. */
FASTGD_STAGE(int, fastgd_pairs_fit,
             (const double *restrict h, const double *restrict x, const double *restrict lower,
              const double *restrict upper, ptrdiff_t n),
             (h, x, lower, upper, n)) {
    int64_t fails = 0;
    for (ptrdiff_t j = 0; j < n; j++)
        fails |= !(x[j] + h[j] <= upper[j]) | !(x[j] - h[j] >= lower[j]);
    return !fails;
}

/* all((second == -h) & (h != 0)) */
FASTGD_STAGE(int, fastgd_all_central,
             (const double *restrict h, const double *restrict second, ptrdiff_t n),
             (h, second, n)) {
    int64_t others = 0;
    for (ptrdiff_t j = 0; j < n; j++)
        others |= (second[j] != -h[j]) | (h[j] == 0.0);
    return !others;
}

/* g = (first - second) / (2 * h); where h is a power of two by its exponent: a division takes as long as all the rest.
   Returns whether all are finite. */
FASTGD_STAGE(int, fastgd_quotients,
             (double given, double *restrict g, const double *restrict first,
              const double *restrict second, const double *restrict x, ptrdiff_t n),
             (given, g, first, second, x, n)) {
    double width = 2.0 * given;
    uint64_t nonfinite = 0;
    if (given > 0.0) {
        for (ptrdiff_t j = 0; j < n; j++) {
            g[j] = (first[j] - second[j]) / width;
            nonfinite |= fastgd_nonfinite(g[j]);
        }
        return !(nonfinite >> 63);
    }
    for (ptrdiff_t j = 0; j < n; j++) {
        double step = fastgd_usual_step(x[j]);
        double inverse = fastgd_from_bits(((uint64_t)2045 << 52) - fastgd_bits(step));
        g[j] = (first[j] - second[j]) * inverse;
        nonfinite |= fastgd_nonfinite(g[j]);
    }
    return !(nonfinite >> 63);
}

/* g = (first - second) / (2 * h) */
FASTGD_STAGE(int, fastgd_row_of_quotients,
             (double *restrict g, const double *restrict first, const double *restrict second, const double *restrict h,
              int are_powers_of_two, ptrdiff_t n),
             (g, first, second, h, are_powers_of_two, n)) {
    uint64_t nonfinite = 0;
    if (are_powers_of_two)
        for (ptrdiff_t j = 0; j < n; j++) {
            g[j] = (first[j] - second[j]) * fastgd_from_bits(((uint64_t)2045 << 52) - fastgd_bits(h[j]));
            nonfinite |= fastgd_nonfinite(g[j]);
        }
    else
        for (ptrdiff_t j = 0; j < n; j++) {
            g[j] = (first[j] - second[j]) / (2.0 * h[j]);
            nonfinite |= fastgd_nonfinite(g[j]);
        }
    return !(nonfinite >> 63);
}

/* g = g / (2 * h); returns whether all are finite. */
FASTGD_STAGE(int, fastgd_divide,
             (double *restrict g, const double *restrict h, int are_powers_of_two, ptrdiff_t n),
             (g, h, are_powers_of_two, n)) {
    uint64_t nonfinite = 0;
    if (are_powers_of_two)
        for (ptrdiff_t j = 0; j < n; j++) {
            g[j] = g[j] * fastgd_from_bits(((uint64_t)2045 << 52) - fastgd_bits(h[j]));
            nonfinite |= fastgd_nonfinite(g[j]);
        }
    else
        for (ptrdiff_t j = 0; j < n; j++) {
            g[j] = g[j] / (2.0 * h[j]);
            nonfinite |= fastgd_nonfinite(g[j]);
        }
    return !(nonfinite >> 63);
}
#endif
