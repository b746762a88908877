/* The loops over rows of lanes, in C so that GCC can compile each for several instruction sets and choose at load time.
   The results do not depend on which: the build forbids the fusion of a * b + c (-ffp-contract=off). AVX2 (v3) takes a
   fifth off a run with a NumPy objective; AVX-512 (v4) another tenth off Adam's, and off one with a block kernel. */
#ifndef FASTGD_ROWS_H
#define FASTGD_ROWS_H
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef _MSC_VER
#define restrict __restrict
#endif

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && __GNUC__ >= 12 && !defined(__clang__) \
    && !defined(__SANITIZE_ADDRESS__)
#define FASTGD_CLONES __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4"), unused))
#else
#define FASTGD_CLONES
#endif

/* Begins the definition of a loop over n lanes. For one lane, as a function of one point has it, the loop stands where
   it is called: the call and what vector code prepares take several times as long as a single turn. */
#ifdef __GNUC__
#define FASTGD_ROWS(type, name, parameters, arguments) \
    static inline __attribute__((always_inline)) type name##_loop parameters; \
    FASTGD_CLONES static type name##_of_many parameters { return name##_loop arguments; } \
    static inline type name parameters { return n == 1 ? name##_loop arguments : name##_of_many arguments; } \
    static inline __attribute__((always_inline)) type name##_loop parameters
#else
#define FASTGD_ROWS(type, name, parameters, arguments) static type name parameters
#endif

static inline uint64_t fastgd_bits(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline double fastgd_from_bits(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The sign bit is set for infinities and nans alone; in integers, because a loop with a comparison of doubles in it
   does not become SSE2 code. */
static inline uint64_t fastgd_nonfinite(double value) {
    return (fastgd_bits(value) & 0x7FFFFFFFFFFFFFFFu) + 0x0010000000000000u;
}

/* row = value */
FASTGD_ROWS(void, fastgd_fill,
            (double *row, double value, ptrdiff_t n),
            (row, value, n)) {
    for (ptrdiff_t j = 0; j < n; j++)
        row[j] = value;
}

/* marks = 0 */
FASTGD_ROWS(void, fastgd_unmark,
            (ptrdiff_t *marks, ptrdiff_t n),
            (marks, n)) {
    for (ptrdiff_t j = 0; j < n; j++)
        marks[j] = 0;
}

/* out = a + b */
FASTGD_ROWS(void, fastgd_add,
            (double *restrict out, const double *restrict a, const double *restrict b, ptrdiff_t n),
            (out, a, b, n)) {
    for (ptrdiff_t j = 0; j < n; j++)
        out[j] = a[j] + b[j];
}

/* row = value where marked */
FASTGD_ROWS(void, fastgd_set_marked,
            (ptrdiff_t *restrict row, const ptrdiff_t *restrict marks, ptrdiff_t value, ptrdiff_t n),
            (row, marks, value, n)) {
    for (ptrdiff_t j = 0; j < n; j++)
        row[j] = marks[j] ? value : row[j];
}

/* nit += 1 where phase is 0; returns in how many lanes. */
FASTGD_ROWS(ptrdiff_t, fastgd_count_iterations,
            (ptrdiff_t *restrict nit, const ptrdiff_t *restrict phase, ptrdiff_t n),
            (nit, phase, n)) {
    ptrdiff_t count = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        count += phase[j] == 0;
        nit[j] += phase[j] == 0;
    }
    return count;
}

/* Exchanges a and b where `stays` is 0. */
FASTGD_ROWS(void, fastgd_exchange,
            (double *restrict a, double *restrict b, const ptrdiff_t *restrict stays, ptrdiff_t n),
            (a, b, stays, n)) {
    for (ptrdiff_t j = 0; j < n; j++) {
        double kept = a[j];
        a[j] = stays[j] ? kept : b[j];
        b[j] = stays[j] ? b[j] : kept;
    }
}

enum { FASTGD_NORMS_STRIP = 32 };

/* norm = max(|g|, axis=0), nan ignored, of a strip of lanes; returns whether any(norm <= gtol) of the first n. A loop of
   constant length becomes vector code without a rest, and the maxima stay in registers while the rows pass by. */
static inline int64_t fastgd_norms_of_strip(double *restrict norm, const double *restrict g,
                                            const double *restrict gtol, ptrdiff_t stride, ptrdiff_t n_dim,
                                            ptrdiff_t n) {
    int64_t small = 0;
    for (int j = 0; j < FASTGD_NORMS_STRIP; j++)
        norm[j] = 0.0;
    for (ptrdiff_t i = 0; i < n_dim; i++)
        for (int j = 0; j < FASTGD_NORMS_STRIP; j++) {
            double size = fabs(g[i * stride + j]);
            norm[j] = size > norm[j] ? size : norm[j];
        }
    for (int j = 0; j < n; j++)
        small |= norm[j] <= gtol[j];
    return small;
}

/* The same of all lanes. The last strip has some of them for the second time, or has columns without a problem behind
   them, whose norms are of whatever stands there: nobody reads them. */
FASTGD_ROWS(int, fastgd_norms,
            (double *restrict norm, const double *restrict g, const double *restrict gtol, ptrdiff_t stride,
             ptrdiff_t n_dim, ptrdiff_t n),
            (norm, g, gtol, stride, n_dim, n)) {
    int64_t small = 0;
    ptrdiff_t j = 0;
    for (; j + FASTGD_NORMS_STRIP <= n; j += FASTGD_NORMS_STRIP)
        small |= fastgd_norms_of_strip(norm + j, g + j, gtol + j, stride, n_dim, FASTGD_NORMS_STRIP);
    if (j < n && stride >= FASTGD_NORMS_STRIP) {
        ptrdiff_t first = n > FASTGD_NORMS_STRIP ? n - FASTGD_NORMS_STRIP : 0;
        small |= fastgd_norms_of_strip(norm + first, g + first, gtol + first, stride, n_dim, n - first);
        return small != 0;
    }
    for (; j < n; j++) {
        double most = 0.0;
        for (ptrdiff_t i = 0; i < n_dim; i++) {
            double size = fabs(g[i * stride + j]);
            most = size > most ? size : most;
        }
        norm[j] = most;
        small |= most <= gtol[j];
    }
    return small != 0;
}

/* Lists the lanes whose norm <= gtol; without a branch, which would be mispredicted in every lane that ends. */
static inline ptrdiff_t fastgd_list_small(ptrdiff_t *restrict lanes, const double *restrict norm,
                                          const double *restrict gtol, ptrdiff_t n) {
    ptrdiff_t count = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        lanes[count] = j;
        count += norm[j] <= gtol[j];
    }
    return count;
}

/* The same as fastgd_norms of projected gradients, in which a slope that leads outside from a bound counts as 0. */
FASTGD_ROWS(int, fastgd_norms_inside,
            (double *restrict norm, const double *restrict g, const double *restrict x, const double *restrict lower,
             const double *restrict upper, const double *restrict gtol, ptrdiff_t stride, ptrdiff_t n_dim, ptrdiff_t n),
            (norm, g, x, lower, upper, gtol, stride, n_dim, n)) {
    int64_t small = 0;
    for (ptrdiff_t j = 0; j < n; j++)
        norm[j] = 0.0;
    for (ptrdiff_t at = 0; at < n_dim * stride; at += stride)
        for (ptrdiff_t j = 0; j < n; j++) {
            double bound = g[at + j] > 0.0 ? lower[at + j] : upper[at + j];
            double size = x[at + j] != bound ? fabs(g[at + j]) : 0.0;
            norm[j] = size > norm[j] ? size : norm[j];
        }
    for (ptrdiff_t j = 0; j < n; j++)
        small |= norm[j] <= gtol[j];
    return small != 0;
}

/* y = clip(y, lower, upper); returns whether one is a nan, which stays. */
FASTGD_ROWS(int, fastgd_clip,
            (double *restrict y, const double *restrict lower, const double *restrict upper, ptrdiff_t n),
            (y, lower, upper, n)) {
    int64_t any_nan = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        double lifted = lower[j] > y[j] ? lower[j] : y[j];
        any_nan |= y[j] != y[j];
        y[j] = upper[j] < lifted ? upper[j] : lifted;
    }
    return any_nan != 0;
}

/* all(numbers == number) */
FASTGD_ROWS(int, fastgd_all_are,
            (const ptrdiff_t *restrict numbers, ptrdiff_t number, ptrdiff_t n),
            (numbers, number, n)) {
    ptrdiff_t others = 0;
    for (ptrdiff_t j = 0; j < n; j++)
        others |= numbers[j] ^ number;
    return !others;
}

/* min(limits - (counts + of_all)) */
FASTGD_ROWS(ptrdiff_t, fastgd_least_rest,
            (const ptrdiff_t *restrict limits, const ptrdiff_t *restrict counts, ptrdiff_t of_all, ptrdiff_t n),
            (limits, counts, of_all, n)) {
    ptrdiff_t least = PTRDIFF_MAX;
    for (ptrdiff_t j = 0; j < n; j++) {
        ptrdiff_t rest = limits[j] - (counts[j] + of_all);
        least = rest < least ? rest : least;
    }
    return least;
}

/* Whether all are finite. */
FASTGD_ROWS(int, fastgd_are_finite,
            (const double *restrict row, ptrdiff_t n),
            (row, n)) {
    uint64_t nonfinite = 0;
    for (ptrdiff_t j = 0; j < n; j++)
        nonfinite |= fastgd_nonfinite(row[j]);
    return !(nonfinite >> 63);
}

/* The power of two nearest to factor * max(x_scale, |x|), by rounding the significand to 1 or 2. */
static inline double fastgd_rounded_step(double x, double factor, double x_scale) {
    double size = fabs(x);
    double step = factor * (size > x_scale ? size : x_scale);
    return fastgd_from_bits((fastgd_bits(step) + 0x0008000000000000u) & 0x7FF0000000000000u);
}

/* h = rounded_step(x); returns whether x + h and x - h are finite. */
FASTGD_ROWS(int, fastgd_rounded_steps,
            (double *restrict h, const double *restrict x, double factor, double x_scale, ptrdiff_t n),
            (h, x, factor, x_scale, n)) {
    uint64_t nonfinite = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        h[j] = fastgd_rounded_step(x[j], factor, x_scale);
        nonfinite |= fastgd_nonfinite(fabs(x[j]) + h[j]);
    }
    return !(nonfinite >> 63);
}

/* Central pairs: h = step, or rounded_step(x) if that is 0; second = -h. Returns whether in all lanes x + h and x - h lie
   inside the bounds and differ from x, which is finite. */
FASTGD_ROWS(int, fastgd_central_pairs,
            (double *restrict h, double *restrict second, const double *restrict x, const double *restrict lower,
             const double *restrict upper, double step, double factor, double x_scale, ptrdiff_t n),
            (h, second, x, lower, upper, step, factor, x_scale, n)) {
    int64_t fails = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        double rounded = fastgd_rounded_step(x[j], factor, x_scale);
        h[j] = step > 0.0 ? step : rounded;
        second[j] = -h[j];
        double above = x[j] + h[j], below = x[j] - h[j];
        fails |= !(above <= upper[j]) | !(below >= lower[j]) | !(below < x[j]) | !(x[j] < above) | !(above < INFINITY);
    }
    return !fails;
}

/* all((second == -h) & (h != 0)) */
FASTGD_ROWS(int, fastgd_all_central,
            (const double *restrict h, const double *restrict second, ptrdiff_t n),
            (h, second, n)) {
    int64_t others = 0;
    for (ptrdiff_t j = 0; j < n; j++)
        others |= (second[j] != -h[j]) | (h[j] == 0.0);
    return !others;
}

/* h = step; returns whether x + h and x - h differ from x. */
FASTGD_ROWS(int, fastgd_steps,
            (double *restrict h, const double *restrict x, double step, ptrdiff_t n),
            (h, x, step, n)) {
    int64_t stays = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        h[j] = step;
        stays |= (x[j] + step == x[j]) | (x[j] - step == x[j]) | (x[j] != x[j]);
    }
    return !stays;
}

/* g = g / (2 * h), for steps h that are powers of two; returns whether all are finite. */
FASTGD_ROWS(int, fastgd_divide_by_rounded,
            (double *restrict g, const double *restrict h, ptrdiff_t n),
            (g, h, n)) {
    uint64_t nonfinite = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        g[j] = g[j] * fastgd_from_bits(((uint64_t)2045 << 52) - fastgd_bits(h[j]));
        nonfinite |= fastgd_nonfinite(g[j]);
    }
    return !(nonfinite >> 63);
}

/* g = g / (2 * h); returns whether all are finite. */
FASTGD_ROWS(int, fastgd_divide,
            (double *restrict g, const double *restrict h, ptrdiff_t n),
            (g, h, n)) {
    uint64_t nonfinite = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        g[j] = g[j] / (2.0 * h[j]);
        nonfinite |= fastgd_nonfinite(g[j]);
    }
    return !(nonfinite >> 63);
}

/* out = x + sign * rounded_step(x): the steps are not kept, because memory is slower than two operations.
   Returns whether all are finite. */
FASTGD_ROWS(int, fastgd_shift_rounded,
            (double *restrict out, const double *restrict x, double factor, double x_scale, double sign, ptrdiff_t n),
            (out, x, factor, x_scale, sign, n)) {
    uint64_t nonfinite = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        out[j] = x[j] + sign * fastgd_rounded_step(x[j], factor, x_scale);
        nonfinite |= fastgd_nonfinite(out[j]);
    }
    return !(nonfinite >> 63);
}

/* out = x + step; returns whether all have moved, which a nan has not */
FASTGD_ROWS(int, fastgd_shift,
            (double *restrict out, const double *restrict x, double step, ptrdiff_t n),
            (out, x, step, n)) {
    int64_t stays = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        out[j] = x[j] + step;
        stays |= (out[j] == x[j]) | (out[j] != out[j]);
    }
    return !stays;
}

/* Both points of a pair in one pass: above = x + rounded_step(x); below = x - rounded_step(x). Returns whether all are
   finite. */
FASTGD_ROWS(int, fastgd_pairs_rounded,
            (double *restrict above, double *restrict below, const double *restrict x, double factor, double x_scale,
             ptrdiff_t n),
            (above, below, x, factor, x_scale, n)) {
    uint64_t nonfinite = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        double step = fastgd_rounded_step(x[j], factor, x_scale);
        nonfinite |= fastgd_nonfinite(fabs(x[j]) + step);
        above[j] = x[j] + step;
        below[j] = x[j] - step;
    }
    return !(nonfinite >> 63);
}

/* g = (first - second) / (2 * rounded_step(x)), by the exponent of the step: a division takes as long as all the rest.
   Returns whether all are finite. */
FASTGD_ROWS(int, fastgd_rounded_quotients,
            (double *restrict g, const double *restrict first, const double *restrict second, const double *restrict x,
             double factor, double x_scale, ptrdiff_t n),
            (g, first, second, x, factor, x_scale, n)) {
    uint64_t nonfinite = 0;
    for (ptrdiff_t j = 0; j < n; j++) {
        double step = fastgd_rounded_step(x[j], factor, x_scale);
        double inverse = fastgd_from_bits(((uint64_t)2045 << 52) - fastgd_bits(step));
        g[j] = (first[j] - second[j]) * inverse;
        nonfinite |= fastgd_nonfinite(g[j]);
    }
    return !(nonfinite >> 63);
}

/* g = (first - second) / (2 * step); returns whether all are finite. */
FASTGD_ROWS(int, fastgd_quotients,
            (double *restrict g, const double *restrict first, const double *restrict second, double step, ptrdiff_t n),
            (g, first, second, step, n)) {
    uint64_t nonfinite = 0;
    double width = 2.0 * step;
    for (ptrdiff_t j = 0; j < n; j++) {
        g[j] = (first[j] - second[j]) / width;
        nonfinite |= fastgd_nonfinite(g[j]);
    }
    return !(nonfinite >> 63);
}

/* A nan that no computation returns: outputs are filled with it, and a compiled function must not leave it there. Who
   meets a number that is not finite asks whether it is this one; its sign may have been changed since. */
#define FASTGD_UNWRITTEN 0x7FF4DEADBEEF5EEDu

static inline double fastgd_unwritten(void) {
    return fastgd_from_bits(FASTGD_UNWRITTEN);
}

FASTGD_ROWS(void, fastgd_mark_unwritten,
            (double *restrict row, ptrdiff_t n),
            (row, n)) {
    for (ptrdiff_t j = 0; j < n; j++)
        row[j] = fastgd_unwritten();
}

static inline int fastgd_is_unwritten(double value) {
    return (fastgd_bits(value) & 0x7FFFFFFFFFFFFFFFu) == FASTGD_UNWRITTEN;
}
#endif
