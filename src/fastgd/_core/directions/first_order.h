/* One step of every method of first order: y from x and the gradient g, and what the method remembers, for n lanes side
   by side. PyTorch's order of operations. */
#ifndef FASTGD_FIRST_ORDER_H
#define FASTGD_FIRST_ORDER_H
#include "memory/lanes.h"

/* mean = mean + weight * (g - mean), in the form in which a large share of the new g loses nothing where the mean is far
   larger: with weight 1 it is g itself. PyTorch's lerp. */
FASTGD_INLINE double fastgd_blend(double mean, double g, double weight) {
    return weight < 0.5 ? mean + weight * (g - mean) : g - (1.0 - weight) * (g - mean);
}

/* y = x - rate * g */
FASTGD_INLINE void fastgd_descend_row(double *restrict y, const double *restrict x, const double *restrict g,
                                      const double *restrict rate, ptrdiff_t n) {
    for (ptrdiff_t j = 0; j < n; j++)
        y[j] = x[j] - rate[j] * g[j];
}

/* v = momentum * v + g; y = x - rate * v */
FASTGD_INLINE void fastgd_momentum_row(double *restrict y, const double *restrict x, const double *restrict g,
                                       const double *restrict rate, double *restrict v, double momentum, ptrdiff_t n) {
    for (ptrdiff_t j = 0; j < n; j++) {
        v[j] = momentum * v[j] + g[j];
        y[j] = x[j] - rate[j] * v[j];
    }
}

/* v = momentum * v + g; y = x - rate * (g + momentum * v) */
FASTGD_INLINE void fastgd_nesterov_row(double *restrict y, const double *restrict x, const double *restrict g,
                                       const double *restrict rate, double *restrict v, double momentum, ptrdiff_t n) {
    for (ptrdiff_t j = 0; j < n; j++) {
        v[j] = momentum * v[j] + g[j];
        y[j] = x[j] - rate[j] * (g[j] + momentum * v[j]);
    }
}

/* sum = sum + g^2; y = x - rate * g / (sqrt(sum) + eps) */
FASTGD_INLINE void fastgd_adagrad_row(double *restrict y, const double *restrict x, const double *restrict g,
                                      const double *restrict rate, double *restrict sum, double eps, ptrdiff_t n) {
    for (ptrdiff_t j = 0; j < n; j++) {
        sum[j] = sum[j] + g[j] * g[j];
        y[j] = x[j] - rate[j] * g[j] / (sqrt(sum[j]) + eps);
    }
}

/* square = decay * square + (1 - decay) * g^2; scaled = g / (sqrt(square) + eps) */
FASTGD_INLINE void fastgd_scale_by_rms_row(double *restrict scaled, const double *restrict g, double *restrict square,
                                           double decay, double eps, ptrdiff_t n) {
    double rest = 1.0 - decay;
    for (ptrdiff_t j = 0; j < n; j++) {
        square[j] = decay * square[j] + rest * (g[j] * g[j]);
        scaled[j] = g[j] / (sqrt(square[j]) + eps);
    }
}

/* The same, with the variance in place of the mean square: mean = mean + (1 - decay) * (g - mean);
   scaled = g / (sqrt(square - mean^2) + eps). Rounding can make a variance negative: it counts as 0. */
FASTGD_INLINE void fastgd_scale_by_deviation_row(double *restrict scaled, const double *restrict g,
                                                 double *restrict square, double *restrict mean, double decay,
                                                 double eps, ptrdiff_t n) {
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
FASTGD_INLINE void fastgd_prepare_adam_row(double *restrict power1, double *restrict power2, double *restrict keep,
                                           double *restrict step, double *restrict correction,
                                           const double *restrict rate, double beta1, double beta2,
                                           double weight_decay, ptrdiff_t n) {
    for (ptrdiff_t j = 0; j < n; j++) {
        power1[j] *= beta1;
        power2[j] *= beta2;
        keep[j] = 1.0 - rate[j] * weight_decay;
        step[j] = rate[j] / (1.0 - power1[j]);
        correction[j] = 1.0 / sqrt(1.0 - power2[j]);
    }
}

/* m = m + (1 - beta1) * (g - m); v = beta2 * v + (1 - beta2) * g^2; y = keep * x - step * m / (sqrt(v) * correction + eps) */
FASTGD_INLINE void fastgd_adam_row(double *restrict y, const double *restrict x, const double *restrict g,
                                   const double *restrict keep, const double *restrict step,
                                   const double *restrict correction, double *restrict m, double *restrict v,
                                   double beta1, double beta2, double eps, ptrdiff_t n) {
    double rest1 = 1.0 - beta1, rest2 = 1.0 - beta2;
    for (ptrdiff_t j = 0; j < n; j++) {
        m[j] = fastgd_blend(m[j], g[j], rest1);
        v[j] = beta2 * v[j] + rest2 * (g[j] * g[j]);
        y[j] = keep[j] * x[j] - step[j] * m[j] / (sqrt(v[j]) * correction[j] + eps);
    }
}

/* The same with the largest v so far in the place of v. */
FASTGD_INLINE void fastgd_amsgrad_row(double *restrict y, const double *restrict x, const double *restrict g,
                                      const double *restrict keep, const double *restrict step,
                                      const double *restrict correction, double *restrict m, double *restrict v,
                                      double *restrict largest, double beta1, double beta2, double eps, ptrdiff_t n) {
    double rest1 = 1.0 - beta1, rest2 = 1.0 - beta2;
    for (ptrdiff_t j = 0; j < n; j++) {
        m[j] = fastgd_blend(m[j], g[j], rest1);
        v[j] = beta2 * v[j] + rest2 * (g[j] * g[j]);
        largest[j] = v[j] > largest[j] ? v[j] : largest[j];
        y[j] = keep[j] * x[j] - step[j] * m[j] / (sqrt(largest[j]) * correction[j] + eps);
    }
}

/* m and v as for Adam; y = x - (step_g * g + step_m * m) / (sqrt(v / correction) + eps) */
FASTGD_INLINE void fastgd_nadam_row(double *restrict y, const double *restrict x, const double *restrict g,
                                    const double *restrict step_g, const double *restrict step_m,
                                    const double *restrict correction, double *restrict m, double *restrict v,
                                    double beta1, double beta2, double eps, ptrdiff_t n) {
    double rest1 = 1.0 - beta1, rest2 = 1.0 - beta2;
    for (ptrdiff_t j = 0; j < n; j++) {
        m[j] = fastgd_blend(m[j], g[j], rest1);
        v[j] = beta2 * v[j] + rest2 * (g[j] * g[j]);
        double scale = sqrt(v[j] / correction[j]) + eps;
        y[j] = x[j] - step_g[j] * g[j] / scale - step_m[j] * m[j] / scale;
    }
}

/* Whole steps, of all coordinates. Their state begins with rows that have a number for every lane. */

FASTGD_STAGE(void, fastgd_descend,
             (fastgd_lanes *lanes, double *state, double momentum, int nesterov, ptrdiff_t n),
             (lanes, state, momentum, nesterov, n)) {
    const double *rate = fastgd_limit(lanes, FASTGD_LEARNING_RATE), *x = lanes->here.x, *g = lanes->slopes;
    double *y = lanes->trial.x;
    ptrdiff_t stride = lanes->capacity, end = lanes->n_dim * stride;
    if (momentum == 0.0)
        for (ptrdiff_t at = 0; at < end; at += stride)
            fastgd_descend_row(y + at, x + at, g + at, rate, n);
    else if (nesterov)
        for (ptrdiff_t at = 0; at < end; at += stride)
            fastgd_nesterov_row(y + at, x + at, g + at, rate, state + at, momentum, n);
    else
        for (ptrdiff_t at = 0; at < end; at += stride)
            fastgd_momentum_row(y + at, x + at, g + at, rate, state + at, momentum, n);
}

FASTGD_STAGE(void, fastgd_adagrad,
             (fastgd_lanes *lanes, double *state, double eps, ptrdiff_t n),
             (lanes, state, eps, n)) {
    const double *rate = fastgd_limit(lanes, FASTGD_LEARNING_RATE), *x = lanes->here.x, *g = lanes->slopes;
    double *y = lanes->trial.x;
    ptrdiff_t stride = lanes->capacity, end = lanes->n_dim * stride;
    for (ptrdiff_t at = 0; at < end; at += stride)
        fastgd_adagrad_row(y + at, x + at, g + at, rate, state + at, eps, n);
}

/* State: the scaled gradient of a coordinate, squares, means if `centered`, and the momentum's. */
FASTGD_STAGE(void, fastgd_rmsprop,
             (fastgd_lanes *lanes, double *state, double decay, double eps, double momentum, int centered, ptrdiff_t n),
             (lanes, state, decay, eps, momentum, centered, n)) {
    const double *rate = fastgd_limit(lanes, FASTGD_LEARNING_RATE), *x = lanes->here.x, *g = lanes->slopes;
    ptrdiff_t stride = lanes->capacity, end = lanes->n_dim * stride;
    double *y = lanes->trial.x, *scaled = state, *square = state + stride, *mean = square + end;
    double *v = centered ? mean + end : mean;
    for (ptrdiff_t at = 0; at < end; at += stride) {
        if (centered)
            fastgd_scale_by_deviation_row(scaled, g + at, square + at, mean + at, decay, eps, n);
        else
            fastgd_scale_by_rms_row(scaled, g + at, square + at, decay, eps, n);
        if (momentum > 0.0)
            fastgd_momentum_row(y + at, x + at, scaled, rate, v + at, momentum, n);
        else
            fastgd_descend_row(y + at, x + at, scaled, rate, n);
    }
}

/* State: what `fastgd_prepare_adam_row` sets, m, v and the largest v if `amsgrad`. */
FASTGD_STAGE(void, fastgd_adam,
             (fastgd_lanes *lanes, double *state, double beta1, double beta2, double eps, double weight_decay,
              int amsgrad, ptrdiff_t n),
             (lanes, state, beta1, beta2, eps, weight_decay, amsgrad, n)) {
    const double *rate = fastgd_limit(lanes, FASTGD_LEARNING_RATE), *x = lanes->here.x, *g = lanes->slopes;
    ptrdiff_t stride = lanes->capacity, end = lanes->n_dim * stride;
    double *power1 = state, *power2 = power1 + stride, *keep = power2 + stride, *step = keep + stride;
    double *correction = step + stride, *m = correction + stride, *v = m + end, *largest = v + end;
    double *y = lanes->trial.x;
    fastgd_prepare_adam_row(power1, power2, keep, step, correction, rate, beta1, beta2, weight_decay, n);
    if (amsgrad)
        for (ptrdiff_t at = 0; at < end; at += stride)
            fastgd_amsgrad_row(y + at, x + at, g + at, keep, step, correction, m + at, v + at, largest + at, beta1, beta2,
                               eps, n);
    else
        for (ptrdiff_t at = 0; at < end; at += stride)
            fastgd_adam_row(y + at, x + at, g + at, keep, step, correction, m + at, v + at, beta1, beta2, eps, n);
}

/* State: what `NAdam.step` sets, step_g, step_m and correction among it, m and v. */
FASTGD_STAGE(void, fastgd_nadam,
             (fastgd_lanes *lanes, double *state, double beta1, double beta2, double eps, ptrdiff_t n),
             (lanes, state, beta1, beta2, eps, n)) {
    const double *x = lanes->here.x, *g = lanes->slopes;
    ptrdiff_t stride = lanes->capacity, end = lanes->n_dim * stride;
    double *step_g = state + 3 * stride, *step_m = step_g + stride, *correction = step_m + stride;
    double *m = correction + stride, *v = m + end, *y = lanes->trial.x;
    for (ptrdiff_t at = 0; at < end; at += stride)
        fastgd_nadam_row(y + at, x + at, g + at, step_g, step_m, correction, m + at, v + at, beta1, beta2, eps, n);
}
#endif
