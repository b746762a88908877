/* Seconds on a clock that never goes back, readable without the GIL. */
#ifndef FASTGD_CLOCK_H
#define FASTGD_CLOCK_H
#ifdef _WIN32
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
static inline double fastgd_seconds(void) {
    LARGE_INTEGER count, frequency;
    QueryPerformanceCounter(&count);
    QueryPerformanceFrequency(&frequency);
    return (double)count.QuadPart / (double)frequency.QuadPart;
}
#else
#include <time.h>
static inline double fastgd_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
#endif
#endif
