/* common.h: the few words of C that every layer uses. No state, no functions with a body worth testing. */
#ifndef CK_BASE_COMMON_H
#define CK_BASE_COMMON_H

#include <stddef.h>
#include <stdint.h>

#define CK_INLINE static inline __attribute__((always_inline, unused))
#define CK_NOINLINE __attribute__((noinline))
#define CK_LIKELY(x) __builtin_expect(!!(x), 1)
#define CK_UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Before a loop whose turns, at most so many, are a constant after inlining: none must be left, so that the arrays which it
 * indexes can live in registers. Clang does not know GCC's pragma, and where it is given a count, unrolls too late for that. */
#define CK_PRAGMA_(words) _Pragma(#words)
#ifdef __clang__
#define CK_UNROLL(most) CK_PRAGMA_(clang loop unroll(full))
#else
#define CK_UNROLL(most) CK_PRAGMA_(GCC unroll most)
#endif

#define CK_CAT_(a, b) a##b
#define CK_CAT(a, b) CK_CAT_(a, b)
#define CK_CAT4_(a, b, c, d) a##b##c##d
#define CK_CAT4(a, b, c, d) CK_CAT4_(a, b, c, d)
#define CK_STRING_(a) #a
#define CK_STRING(a) CK_STRING_(a)

/* Every buffer that the library lays out starts on a cache line, which is also the widest vector. */
#define CK_ALIGNMENT 64

CK_INLINE int64_t ck_min(int64_t a, int64_t b) { return a < b ? a : b; }
CK_INLINE int64_t ck_max(int64_t a, int64_t b) { return a > b ? a : b; }
CK_INLINE int64_t ck_clamp(int64_t x, int64_t low, int64_t high) { return ck_min(ck_max(x, low), high); }
/* For a >= 0, b >= 1. */
CK_INLINE int64_t ck_ceil_div(int64_t a, int64_t b) { return a / b + (a % b != 0); }
CK_INLINE int64_t ck_round_up(int64_t a, int64_t b) { return ck_ceil_div(a, b) * b; }

/* The first index of part `i` when `total` items are split into `parts` shares that differ by at most one. */
CK_INLINE int64_t ck_share(int64_t total, int64_t parts, int64_t i) { return (total / parts) * i + ck_min(i, total % parts); }

/* How many shares from `i` on are as large as that one: the larger ones come first. */
CK_INLINE int64_t ck_shares_alike(int64_t total, int64_t parts, int64_t i) {
  return (i < total % parts ? total % parts : parts) - i;
}

#endif
