/* One step of every method along one coordinate: y from x and the gradient g, and what the method remembers, for n
   lanes side by side. PyTorch's order of operations. */
#ifndef FASTGD_UPDATES_H
#define FASTGD_UPDATES_H
#include "rows.h"

/* mean = mean + weight * (g - mean), in the form in which a large share of the new g loses nothing where the mean is far
   larger: with weight 1 it is g itself. PyTorch's lerp. */
static inline double fastgd_blend(double mean, double g, double weight) {
    return weight < 0.5 ? mean + weight * (g - mean) : g - (1.0 - weight) * (g - mean);
}

/* y = x - rate * g */
FASTGD_ROWS(void, fastgd_descend,
            (double *restrict y, const double *restrict x, const double *restrict g, const double *restrict rate,
             ptrdiff_t n),
            (y, x, g, rate, n)) {
    for (ptrdiff_t j = 0; j < n; j++)
        y[j] = x[j] - rate[j] * g[j];
}

/* v = momentum * v + g; y = x - rate * v */
FASTGD_ROWS(void, fastgd_momentum,
            (double *restrict y, const double *restrict x, const double *restrict g, const double *restrict rate,
             double *restrict v, double momentum, ptrdiff_t n),
            (y, x, g, rate, v, momentum, n)) {
    for (ptrdiff_t j = 0; j < n; j++) {
        v[j] = momentum * v[j] + g[j];
        y[j] = x[j] - rate[j] * v[j];
    }
}

/* v = momentum * v + g; y = x - rate * (g + momentum * v) */
FASTGD_ROWS(void, fastgd_nesterov,
            (double *restrict y, const double *restrict x, const double *restrict g, const double *restrict rate,
             double *restrict v, double momentum, ptrdiff_t n),
            (y, x, g, rate, v, momentum, n)) {
    for (ptrdiff_t j = 0; j < n; j++) {
        v[j] = momentum * v[j] + g[j];
        y[j] = x[j] - rate[j] * (g[j] + momentum * v[j]);
    }
}

/* sum = sum + g^2; y = x - rate * g / (sqrt(sum) + eps) */
FASTGD_ROWS(void, fastgd_adagrad,
            (double *restrict y, const double *restrict x, const double *restrict g, const double *restrict rate,
             double *restrict sum, double eps, ptrdiff_t n),
            (y, x, g, rate, sum, eps, n)) {
    for (ptrdiff_t j = 0; j < n; j++) {
        sum[j] = sum[j] + g[j] * g[j];
        y[j] = x[j] - rate[j] * g[j] / (sqrt(sum[j]) + eps);
    }
}

/* square = decay * square + (1 - decay) * g^2; scaled = g / (sqrt(square) + eps) */
FASTGD_ROWS(void, fastgd_scale_by_rms,
            (double *restrict scaled, const double *restrict g, double *restrict square, double decay, double eps,
             ptrdiff_t n),
            (scaled, g, square, decay, eps, n)) {
    double rest = 1.0 - decay;
    for (ptrdiff_t j = 0; j < n; j++) {
        square[j] = decay * square[j] + rest * (g[j] * g[j]);
        scaled[j] = g[j] / (sqrt(square[j]) + eps);
    }
}

/* The same, with the variance in place of the mean square: mean = mean + (1 - decay) * (g - mean);
   scaled = g / (sqrt(square - mean^2) + eps). Rounding can make a variance negative: it counts as 0. */
FASTGD_ROWS(void, fastgd_scale_by_deviation,
            (double *restrict scaled, const double *restrict g, double *restrict square, double *restrict mean,
             double decay, double eps, ptrdiff_t n),
            (scaled, g, square, mean, decay, eps, n)) {
    double rest = 1.0 - decay;
    for (ptrdiff_t j = 0; j < n; j++) {
        square[j] = decay * square[j] + rest * (g[j] * g[j]);
        mean[j] = fastgd_blend(mean[j], g[j], rest);
        double variance = square[j] - mean[j] * mean[j];
        scaled[j] = g[j] / (sqrt(variance > 0.0 ? variance : 0.0) + eps);
    }
}

/* What Adam's steps in all coordinates have in common: power1 = beta1^(k + 1); power2 = beta2^(k + 1);
   keep = 1 - rate * weight_decay; step = rate / (1 - power1); correction = 1 / sqrt(1 - power2), by which the
   coordinates multiply: a second division for each takes a quarter of the whole step */
FASTGD_ROWS(void, fastgd_prepare_adam,
            (double *restrict power1, double *restrict power2, double *restrict keep, double *restrict step,
             double *restrict correction, const double *restrict rate, double beta1, double beta2, double weight_decay,
             ptrdiff_t n),
            (power1, power2, keep, step, correction, rate, beta1, beta2, weight_decay, n)) {
    for (ptrdiff_t j = 0; j < n; j++) {
        power1[j] *= beta1;
        power2[j] *= beta2;
        keep[j] = 1.0 - rate[j] * weight_decay;
        step[j] = rate[j] / (1.0 - power1[j]);
        correction[j] = 1.0 / sqrt(1.0 - power2[j]);
    }
}

/* m = m + (1 - beta1) * (g - m); v = beta2 * v + (1 - beta2) * g^2; y = keep * x - step * m / (sqrt(v) * correction + eps) */
FASTGD_ROWS(void, fastgd_adam,
            (double *restrict y, const double *restrict x, const double *restrict g, const double *restrict keep,
             const double *restrict step, const double *restrict correction, double *restrict m, double *restrict v,
             double beta1, double beta2, double eps, ptrdiff_t n),
            (y, x, g, keep, step, correction, m, v, beta1, beta2, eps, n)) {
    double rest1 = 1.0 - beta1, rest2 = 1.0 - beta2;
    for (ptrdiff_t j = 0; j < n; j++) {
        m[j] = fastgd_blend(m[j], g[j], rest1);
        v[j] = beta2 * v[j] + rest2 * (g[j] * g[j]);
        y[j] = keep[j] * x[j] - step[j] * m[j] / (sqrt(v[j]) * correction[j] + eps);
    }
}

/* The same with the largest v so far in the place of v. */
FASTGD_ROWS(void, fastgd_amsgrad,
            (double *restrict y, const double *restrict x, const double *restrict g, const double *restrict keep,
             const double *restrict step, const double *restrict correction, double *restrict m, double *restrict v,
             double *restrict largest, double beta1, double beta2, double eps, ptrdiff_t n),
            (y, x, g, keep, step, correction, m, v, largest, beta1, beta2, eps, n)) {
    double rest1 = 1.0 - beta1, rest2 = 1.0 - beta2;
    for (ptrdiff_t j = 0; j < n; j++) {
        m[j] = fastgd_blend(m[j], g[j], rest1);
        v[j] = beta2 * v[j] + rest2 * (g[j] * g[j]);
        largest[j] = v[j] > largest[j] ? v[j] : largest[j];
        y[j] = keep[j] * x[j] - step[j] * m[j] / (sqrt(largest[j]) * correction[j] + eps);
    }
}

/* m and v as for Adam; y = x - (step_g * g + step_m * m) / (sqrt(v / correction) + eps) */
FASTGD_ROWS(void, fastgd_nadam,
            (double *restrict y, const double *restrict x, const double *restrict g, const double *restrict step_g,
             const double *restrict step_m, const double *restrict correction, double *restrict m, double *restrict v,
             double beta1, double beta2, double eps, ptrdiff_t n),
            (y, x, g, step_g, step_m, correction, m, v, beta1, beta2, eps, n)) {
    double rest1 = 1.0 - beta1, rest2 = 1.0 - beta2;
    for (ptrdiff_t j = 0; j < n; j++) {
        m[j] = fastgd_blend(m[j], g[j], rest1);
        v[j] = beta2 * v[j] + rest2 * (g[j] * g[j]);
        double scale = sqrt(v[j] / correction[j]) + eps;
        y[j] = x[j] - step_g[j] * g[j] / scale - step_m[j] * m[j] / scale;
    }
}
#endif
