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

/* ---- Maximum */

CK_INLINE void CK_OP(fold_max_block)(const ck_fold *a, ptrdiff_t at, const int vectors, const int lanes) {
  const CK_T *const src = (const CK_T *)a->src + at;
  CK_T *const dst = (CK_T *)a->dst + at;
  CK_V best[CK_FOLD_VECTORS];
#pragma GCC unroll 4
  for (int v = 0; v < vectors; v++) best[v] = CK_OP(load_first)((a->resume ? dst : src) + v * CK_LANES, lanes);
  int64_t t2 = a->resume ? 0 : 1;
  for (int64_t t0 = 0; t0 < a->taps[0]; t0++) {
    for (int64_t t1 = 0; t1 < a->taps[1]; t1++) {
      const CK_T *const row = src + t0 * a->strides[0] + t1 * a->strides[1];
      for (; t2 < a->taps[2]; t2++) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++)
          best[v] = CK_OP(larger)(best[v], CK_OP(load_first)(row + t2 * a->strides[2] + v * CK_LANES, lanes));
      }
      t2 = 0;
    }
  }
#pragma GCC unroll 4
  for (int v = 0; v < vectors; v++) CK_OP(store_first)(dst + v * CK_LANES, best[v], lanes);
}

static void CK_OP(fold_max)(const ck_fold *a) {
  int64_t i = 0;
  for (; i + CK_FOLD_VECTORS * CK_LANES <= a->count; i += CK_FOLD_VECTORS * CK_LANES)
    CK_OP(fold_max_block)(a, i, CK_FOLD_VECTORS, CK_LANES);
  for (; i + CK_LANES <= a->count; i += CK_LANES) CK_OP(fold_max_block)(a, i, 1, CK_LANES);
  if (i < a->count) CK_OP(fold_max_block)(a, i, 1, (int)(a->count - i));
}

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
#pragma GCC unroll 4
  for (int v = 0; v < vectors; v++)
    sums[v] = a->resume ? CK_WIDE_OP(load_first)(dst + v * CK_WIDE_COUNT, lanes) : (CK_WIDE_V){0};
  for (int64_t t0 = 0; t0 < a->taps[0]; t0++) {
    for (int64_t t1 = 0; t1 < a->taps[1]; t1++) {
      const CK_T *row = src + t0 * a->strides[0] + t1 * a->strides[1];
      for (int64_t t2 = 0; t2 < a->taps[2]; t2++, row += a->strides[2]) {
#pragma GCC unroll 4
        for (int v = 0; v < vectors; v++) sums[v] += CK_OP(widen)(row + v * CK_WIDE_COUNT, lanes);
      }
    }
  }
  if (a->divisor != 1) {
    const CK_WIDE_V divisor = CK_WIDE_OP(splat)((CK_TWIDE)a->divisor);
#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) sums[v] /= divisor;
  }
#pragma GCC unroll 4
  for (int v = 0; v < vectors; v++) CK_WIDE_OP(store_first)(dst + v * CK_WIDE_COUNT, sums[v], lanes);
}

static void CK_OP(fold_sum)(const ck_fold *a) {
  int64_t i = 0;
  for (; i + CK_FOLD_VECTORS * CK_WIDE_COUNT <= a->count; i += CK_FOLD_VECTORS * CK_WIDE_COUNT)
    CK_OP(fold_sum_block)(a, i, CK_FOLD_VECTORS, CK_WIDE_COUNT);
  for (; i + CK_WIDE_COUNT <= a->count; i += CK_WIDE_COUNT) CK_OP(fold_sum_block)(a, i, 1, CK_WIDE_COUNT);
  if (i < a->count) CK_OP(fold_sum_block)(a, i, 1, (int)(a->count - i));
}

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
#undef CK_WIDE_OP
#undef CK_TWIDE
#undef CK_WIDE_V
#undef CK_WIDE_COUNT
#undef CK_POWER_BLOCK
