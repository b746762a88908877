/* What all loops over lanes are made with. They are in C so that GCC can compile each for several instruction sets and
   choose at load time. The results do not depend on which: the build forbids the fusion of a * b + c
   (-ffp-contract=off). AVX2 (v3) takes a fifth off a run with a NumPy objective; AVX-512 (v4) another tenth off Adam's,
   and off one with a block kernel. */
#ifndef FASTGD_LOOPS_H
#define FASTGD_LOOPS_H
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

/* Functions that are to be compiled with the instruction set of the stage that calls them. */
#ifdef __GNUC__
#define FASTGD_INLINE static inline __attribute__((always_inline))
#else
#define FASTGD_INLINE static inline
#endif

/* Begins the definition of a stage: loops over n lanes. For one lane, as a function of one point has it, the loops stand
   where they are called: the call and what vector code prepares take several times as long as a single turn. */
#ifdef __GNUC__
#define FASTGD_STAGE(type, name, parameters, arguments) \
    FASTGD_INLINE type name##_loop parameters; \
    FASTGD_CLONES static type name##_of_many parameters { return name##_loop arguments; } \
    static inline type name parameters { return n == 1 ? name##_loop arguments : name##_of_many arguments; } \
    FASTGD_INLINE type name##_loop parameters
#else
#define FASTGD_STAGE(type, name, parameters, arguments) static type name parameters
#endif

/* Nothing that a loop writes is read in another of its iterations. */
#if defined(__GNUC__) && !defined(__clang__)
#define FASTGD_INDEPENDENT _Pragma("GCC ivdep")
#else
#define FASTGD_INDEPENDENT
#endif

#define FASTGD_EPSILON 0x1p-52
/* EPSILON^(1/3). The error of a central difference is about eps |f| / h + h^2 |f'''| / 6, least near this step times the
   scale of x (Press et al., Numerical Recipes, 3rd edition, section 5.7). */
#define FASTGD_RELATIVE_STEP 0x1.965fea53d6e42p-18

FASTGD_INLINE double fastgd_larger(double a, double b) {
    return b > a ? b : a;
}

FASTGD_INLINE double fastgd_smaller(double a, double b) {
    return b < a ? b : a;
}

FASTGD_INLINE uint64_t fastgd_bits(double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

FASTGD_INLINE double fastgd_from_bits(uint64_t bits) {
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* The sign bit is set for infinities and nans alone; in integers, because a loop with a comparison of doubles in it
   does not become SSE2 code. */
FASTGD_INLINE uint64_t fastgd_nonfinite(double value) {
    return (fastgd_bits(value) & 0x7FFFFFFFFFFFFFFFu) + 0x0010000000000000u;
}

/* row = value */
FASTGD_STAGE(void, fastgd_fill,
             (double *row, double value, ptrdiff_t n),
             (row, value, n)) {
    for (ptrdiff_t j = 0; j < n; j++)
        row[j] = value;
}

/* Whether all are finite. */
FASTGD_STAGE(int, fastgd_are_finite,
             (const double *restrict row, ptrdiff_t n),
             (row, n)) {
    uint64_t nonfinite = 0;
    for (ptrdiff_t j = 0; j < n; j++)
        nonfinite |= fastgd_nonfinite(row[j]);
    return !(nonfinite >> 63);
}

/* A nan that no computation returns: outputs are filled with it, and a compiled function must not leave it there. Who
   meets a number that is not finite asks whether it is this one; its sign may have been changed since. */
#define FASTGD_UNWRITTEN 0x7FF4DEADBEEF5EEDu

FASTGD_INLINE double fastgd_unwritten(void) {
    return fastgd_from_bits(FASTGD_UNWRITTEN);
}

FASTGD_STAGE(void, fastgd_mark_unwritten,
             (double *restrict row, ptrdiff_t n),
             (row, n)) {
    for (ptrdiff_t j = 0; j < n; j++)
        row[j] = fastgd_unwritten();
}

FASTGD_INLINE int fastgd_is_unwritten(double value) {
    return (fastgd_bits(value) & 0x7FFFFFFFFFFFFFFFu) == FASTGD_UNWRITTEN;
}
#endif
