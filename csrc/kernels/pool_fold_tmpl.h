/* pool_fold_tmpl.h: lays rows on one another and keeps their maximum, sum or sum of powers. Words: CK_T, CK_V, CK_LANES,
 * CK_OP, CK_KIND.
 *
 *   for a block of 4 vectors (then of 1, then of less): for tap in row-major order: block = combine(block, row of the tap)
 *
 * A block stays in 4 registers while the taps pass, so that four chains hide the latency of a combination. Where a "row"
 * comes from is the caller's business: rows of an image (channels first), pixels (channels last), pieces of one long row
 * (global pooling). Sums are taken tap after tap for each element: the same bits for every width of vector. */
#include <math.h>

#define CK_FOLD_VECTORS 4

/* Runs block(a, first element, vectors, lanes) over a->count elements; the last block may be a part of a vector. */
#define CK_FOLD_BLOCKS(block, a, width)                                                                                        \
  do {                                                                                                                         \
    int64_t i = 0;                                                                                                             \
    for (; i + CK_FOLD_VECTORS * (width) <= (a)->count; i += CK_FOLD_VECTORS * (width)) block(a, i, CK_FOLD_VECTORS, width);   \
    for (; i + 2 * (width) <= (a)->count; i += 2 * (width)) block(a, i, 2, width);                                             \
    for (; i + (width) <= (a)->count; i += (width)) block(a, i, 1, width);                                                     \
    if (i < (a)->count) block(a, i, 1, (int)((a)->count - i));                                                                 \
  } while (0)

/* ---- Maximum */

CK_INLINE void CK_OP(fold_max_block)(const ck_fold *a, ptrdiff_t at, const int vectors, const int lanes) {
  const CK_T *const src = (const CK_T *)a->src + at;
  CK_T *const dst = (CK_T *)a->dst + at;
  CK_V best[CK_FOLD_VECTORS];
  CK_UNROLL(4)
  for (int v = 0; v < vectors; v++) best[v] = CK_OP(load_first)((a->resume ? dst : src) + v * CK_LANES, lanes);
  int64_t t2 = a->resume ? 0 : 1;
  for (int64_t t0 = 0; t0 < a->taps[0]; t0++) {
    for (int64_t t1 = 0; t1 < a->taps[1]; t1++) {
      const CK_T *const row = src + t0 * a->strides[0] + t1 * a->strides[1];
      for (; t2 < a->taps[2]; t2++) {
        CK_UNROLL(4)
        for (int v = 0; v < vectors; v++)
          best[v] = CK_OP(larger)(best[v], CK_OP(load_first)(row + t2 * a->strides[2] + v * CK_LANES, lanes));
      }
      t2 = 0;
    }
  }
  CK_UNROLL(4)
  for (int v = 0; v < vectors; v++) CK_OP(store_first)(dst + v * CK_LANES, best[v], lanes);
}

static void CK_OP(fold_max)(const ck_fold *a) { CK_FOLD_BLOCKS(CK_OP(fold_max_block), a, CK_LANES); }

/* ---- Sum: of reals in their own type, of integers in double */

#if CK_KIND == CK_KIND_REAL
#define CK_WIDE_OP(verb) CK_OP(verb)
#define CK_TWIDE CK_T
CK_INLINE CK_V CK_OP(widen)(const CK_T *p, int n) { return CK_OP(load_first)(p, n); }
#else
#define CK_WIDE_OP(verb) CK_CAT4(verb, _, f64, )
#define CK_TWIDE double
CK_INLINE ck_vector_f64 CK_OP(widen)(const CK_T *p, int n) {
  typedef CK_T narrow __attribute__((vector_size(CK_SIMD_BYTES / sizeof(double) * sizeof(CK_T))));
  narrow v = {0};
  memcpy(&v, p, (size_t)n * sizeof(CK_T));
  return __builtin_convertvector(v, ck_vector_f64);
}
#endif
#define CK_WIDE_V CK_WIDE_OP(ck_vector)
#define CK_WIDE_COUNT ((int)(CK_SIMD_BYTES / sizeof(CK_TWIDE)))

CK_INLINE void CK_OP(fold_sum_block)(const ck_fold *a, ptrdiff_t at, const int vectors, const int lanes) {
  const CK_T *const src = (const CK_T *)a->src + at;
  CK_TWIDE *const dst = (CK_TWIDE *)a->dst + at;
  CK_WIDE_V sums[CK_FOLD_VECTORS];
  CK_UNROLL(4)
  for (int v = 0; v < vectors; v++)
    sums[v] = a->resume ? CK_WIDE_OP(load_first)(dst + v * CK_WIDE_COUNT, lanes) : (CK_WIDE_V){0};
  for (int64_t t0 = 0; t0 < a->taps[0]; t0++) {
    for (int64_t t1 = 0; t1 < a->taps[1]; t1++) {
      const CK_T *row = src + t0 * a->strides[0] + t1 * a->strides[1];
      for (int64_t t2 = 0; t2 < a->taps[2]; t2++, row += a->strides[2]) {
        CK_UNROLL(4)
        for (int v = 0; v < vectors; v++) sums[v] += CK_OP(widen)(row + v * CK_WIDE_COUNT, lanes);
      }
    }
  }
  if (a->divisor != 1) {
    const CK_WIDE_V divisor = CK_WIDE_OP(splat)((CK_TWIDE)a->divisor);
    CK_UNROLL(4)
    for (int v = 0; v < vectors; v++) sums[v] /= divisor;
  }
  CK_UNROLL(4)
  for (int v = 0; v < vectors; v++) CK_WIDE_OP(store_first)(dst + v * CK_WIDE_COUNT, sums[v], lanes);
}

static void CK_OP(fold_sum)(const ck_fold *a) { CK_FOLD_BLOCKS(CK_OP(fold_sum_block), a, CK_WIDE_COUNT); }

/* ---- Sum of float in double: chains of at most CK_FOLD_CHAIN elements in float, which dst adds up */

#if CK_KIND == CK_KIND_REAL && CK_BITS == 32
CK_INLINE void CK_OP(fold_wide_flush)(double *dst, CK_V sums[CK_FOLD_VECTORS], const int vectors, const int lanes) {
  CK_T chains[CK_FOLD_VECTORS * CK_LANES];
  CK_UNROLL(4)
  for (int v = 0; v < vectors; v++) CK_OP(store)(chains + v * CK_LANES, sums[v]);
  for (int i = 0; i < (vectors - 1) * CK_LANES + lanes; i++) dst[i] += (double)chains[i];
  CK_UNROLL(4)
  for (int v = 0; v < vectors; v++) sums[v] = (CK_V){0};
}

CK_INLINE void CK_OP(fold_wide_block)(const ck_fold *a, ptrdiff_t at, const int vectors, const int lanes) {
  const CK_T *const src = (const CK_T *)a->src + at;
  double *const dst = (double *)a->dst + at;
  const int count = (vectors - 1) * CK_LANES + lanes;
  CK_V sums[CK_FOLD_VECTORS] = {{0}};
  int64_t room = CK_FOLD_CHAIN;
  for (int i = 0; i < count && !a->resume; i++) dst[i] = 0;
  for (int64_t t0 = 0; t0 < a->taps[0]; t0++) {
    for (int64_t t1 = 0; t1 < a->taps[1]; t1++) {
      const CK_T *row = src + t0 * a->strides[0] + t1 * a->strides[1];
      for (int64_t left = a->taps[2]; left > 0;) {
        const int64_t chain = ck_min(left, room);
        for (int64_t t2 = 0; t2 < chain; t2++, row += a->strides[2]) {
          CK_UNROLL(4)
          for (int v = 0; v < vectors; v++) sums[v] += CK_OP(load_first)(row + v * CK_LANES, lanes);
        }
        left -= chain;
        room -= chain;
        if (room > 0) continue;
        CK_OP(fold_wide_flush)(dst, sums, vectors, lanes);
        room = CK_FOLD_CHAIN;
      }
    }
  }
  CK_OP(fold_wide_flush)(dst, sums, vectors, lanes);
  for (int i = 0; i < count; i++) dst[i] /= a->divisor;
}

static void CK_OP(fold_wide)(const ck_fold *a) { CK_FOLD_BLOCKS(CK_OP(fold_wide_block), a, CK_LANES); }
#endif

/* ---- Sum of powers, in double */

#define CK_POWER_BLOCK 8

/* power: 1, 2, or 0 for any other, which only libm can do. */
CK_INLINE void CK_OP(fold_power_block)(const ck_fold *a, ptrdiff_t at, const int count, const int power) {
  const CK_T *const src = (const CK_T *)a->src + at;
  double *const dst = (double *)a->dst + at;
  double sums[CK_POWER_BLOCK] = {0};
  for (int i = 0; i < count && a->resume; i++) sums[i] = dst[i];
  for (int64_t t0 = 0; t0 < a->taps[0]; t0++) {
    for (int64_t t1 = 0; t1 < a->taps[1]; t1++) {
      const CK_T *row = src + t0 * a->strides[0] + t1 * a->strides[1];
      for (int64_t t2 = 0; t2 < a->taps[2]; t2++, row += a->strides[2]) {
        for (int i = 0; i < count; i++) {
          const double x = fabs((double)row[i]);
          sums[i] += power == 1 ? x : power == 2 ? x * x : pow(x, a->power);
        }
      }
    }
  }
  for (int i = 0; i < count; i++) dst[i] = sums[i];
}

CK_INLINE void CK_OP(fold_power_all)(const ck_fold *a, const int power) {
  int64_t i = 0;
  for (; i + CK_POWER_BLOCK <= a->count; i += CK_POWER_BLOCK) CK_OP(fold_power_block)(a, i, CK_POWER_BLOCK, power);
  if (i < a->count) CK_OP(fold_power_block)(a, i, (int)(a->count - i), power);
}

static void CK_OP(fold_power)(const ck_fold *a) {
  if (a->power == 1)
    CK_OP(fold_power_all)(a, 1);
  else if (a->power == 2)
    CK_OP(fold_power_all)(a, 2);
  else
    CK_OP(fold_power_all)(a, 0);
}

#undef CK_FOLD_VECTORS
#undef CK_FOLD_BLOCKS
#undef CK_WIDE_OP
#undef CK_TWIDE
#undef CK_WIDE_V
#undef CK_WIDE_COUNT
#undef CK_POWER_BLOCK
