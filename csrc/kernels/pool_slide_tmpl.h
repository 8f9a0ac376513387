/* pool_slide_tmpl.h: moves a window along one row and keeps its maximum or sum; roots. Words: CK_T, CK_V, CK_LANES, CK_OP,
 * CK_KIND.
 *
 *   for a vector of outputs: for tap: result = combine(result, the elements of that tap)
 *     stride 1: one load; stride 2: two loads and a shuffle; else one output at a time
 *
 * The row is a buffer in L1 or the input itself; the last vector reads past its own elements where `readable` allows, and
 * stores masked. Elements are combined tap after tap for each output: the same bits for every width of vector. */

#define CK_SLIDE_VECTORS 4 /* chains of combinations that run side by side */

/* Elements from a vector's first to the end of what it reads; beyond any row if no vector serves this stride. */
CK_INLINE int64_t CK_OP(slide_extent)(ptrdiff_t stride) {
  if (stride == 1) return CK_LANES;
#if CK_BITS >= 32
  if (stride == 2) return 2 * CK_LANES;
#endif
  return INT64_MAX / 2;
}

CK_INLINE CK_V CK_OP(slide_load)(const CK_T *p, ptrdiff_t stride) {
#if CK_BITS >= 32
  if (stride == 2) return CK_OP(even)(CK_OP(load)(p), CK_OP(load)(p + CK_LANES));
#endif
  (void)stride;
  return CK_OP(load)(p);
}

static void CK_OP(fill_lowest)(void *dst, int64_t count) {
#if CK_KIND == CK_KIND_REAL
  const CK_T lowest = -(CK_T)INFINITY;
#else
  const CK_T lowest = (CK_T)-1 > 0 ? 0 : (CK_T)((uint64_t)1 << (CK_BITS - 1));
#endif
  for (int64_t i = 0; i < count; i++) ((CK_T *)dst)[i] = lowest;
}

CK_INLINE bool CK_OP(is_nan)(CK_T x) {
#if CK_KIND == CK_KIND_REAL
  return x != x;
#else
  (void)x;
  return false;
#endif
}

CK_INLINE void CK_OP(slide_max_block)(const ck_slide *a, int64_t o, const ptrdiff_t stride, const int vectors, int lanes) {
  const CK_T *tap = (const CK_T *)a->src + o * stride;
  CK_V best[CK_SLIDE_VECTORS];
  CK_UNROLL(4)
  for (int v = 0; v < vectors; v++) best[v] = CK_OP(slide_load)(tap + v * stride * CK_LANES, stride);
  for (int64_t t = 1; t < a->taps; t++) {
    tap += a->step;
    CK_UNROLL(4)
    for (int v = 0; v < vectors; v++) best[v] = CK_OP(larger)(best[v], CK_OP(slide_load)(tap + v * stride * CK_LANES, stride));
  }
  CK_UNROLL(4)
  for (int v = 0; v < vectors; v++) CK_OP(store_first)((CK_T *)a->dst + o + v * CK_LANES, best[v], lanes);
}

/* As many outputs as whole loads can serve. */
CK_INLINE int64_t CK_OP(slide_max_vectors)(const ck_slide *a, const ptrdiff_t stride) {
  const int64_t room = a->readable - (a->taps - 1) * a->step; /* elements that the first tap may touch */
  int64_t o = 0;
  for (; o + CK_SLIDE_VECTORS * CK_LANES <= a->count && (o + CK_SLIDE_VECTORS * CK_LANES) * stride <= room;
       o += CK_SLIDE_VECTORS * CK_LANES)
    CK_OP(slide_max_block)(a, o, stride, CK_SLIDE_VECTORS, CK_LANES);
  for (; o < a->count && (o + CK_LANES) * stride <= room; o += CK_LANES)
    CK_OP(slide_max_block)(a, o, stride, 1, (int)ck_min(CK_LANES, a->count - o));
  return o;
}

static void CK_OP(slide_max)(const ck_slide *a) {
  int64_t o = 0;
  if (a->count > 1 && a->stride == 1) o = CK_OP(slide_max_vectors)(a, 1);
#if CK_BITS >= 32
  if (a->count > 1 && a->stride == 2) o = CK_OP(slide_max_vectors)(a, 2);
#endif
  for (; o < a->count; o++) {
    const CK_T *tap = (const CK_T *)a->src + o * a->stride;
    CK_T best = *tap;
    for (int64_t t = 1; t < a->taps; t++) {
      tap += a->step;
      if (*tap > best || CK_OP(is_nan)(*tap)) best = *tap;
    }
    ((CK_T *)a->dst)[o] = best;
  }
}

#if CK_KIND == CK_KIND_REAL
CK_INLINE void CK_OP(slide_sum_block)(const ck_slide *a, int64_t o, const ptrdiff_t stride, const int vectors, int lanes) {
  const CK_T *tap = (const CK_T *)a->src + o * stride;
  const CK_V divisor = CK_OP(splat)((CK_T)a->divisor);
  CK_V sums[CK_SLIDE_VECTORS];
  CK_UNROLL(4)
  for (int v = 0; v < vectors; v++) sums[v] = CK_OP(slide_load)(tap + v * stride * CK_LANES, stride);
  for (int64_t t = 1; t < a->taps; t++) {
    tap += a->step;
    CK_UNROLL(4)
    for (int v = 0; v < vectors; v++) sums[v] += CK_OP(slide_load)(tap + v * stride * CK_LANES, stride);
  }
  CK_UNROLL(4)
  for (int v = 0; v < vectors; v++) CK_OP(store_first)((CK_T *)a->dst + o + v * CK_LANES, sums[v] / divisor, lanes);
}

CK_INLINE int64_t CK_OP(slide_sum_vectors)(const ck_slide *a, const ptrdiff_t stride) {
  const int64_t room = a->readable - (a->taps - 1) * a->step;
  int64_t o = 0;
  for (; o + CK_SLIDE_VECTORS * CK_LANES <= a->count && (o + CK_SLIDE_VECTORS * CK_LANES) * stride <= room;
       o += CK_SLIDE_VECTORS * CK_LANES)
    CK_OP(slide_sum_block)(a, o, stride, CK_SLIDE_VECTORS, CK_LANES);
  for (; o < a->count && (o + CK_LANES) * stride <= room; o += CK_LANES)
    CK_OP(slide_sum_block)(a, o, stride, 1, (int)ck_min(CK_LANES, a->count - o));
  return o;
}

static void CK_OP(slide_sum)(const ck_slide *a) {
  int64_t o = 0;
  if (a->count > 1 && a->stride == 1) o = CK_OP(slide_sum_vectors)(a, 1);
  if (a->count > 1 && a->stride == 2) o = CK_OP(slide_sum_vectors)(a, 2);
  for (; o < a->count; o++) {
    const CK_T *tap = (const CK_T *)a->src + o * a->stride;
    CK_T sum = *tap;
    for (int64_t t = 1; t < a->taps; t++) sum += *(tap += a->step);
    ((CK_T *)a->dst)[o] = sum / (CK_T)a->divisor;
  }
}

static void CK_OP(root)(const ck_root *a) {
  CK_T *const dst = a->dst;
  for (int64_t i = 0; i < a->count; i++)
    dst[i] = (CK_T)(a->power == 1 ? a->src[i] : a->power == 2 ? sqrt(a->src[i]) : pow(a->src[i], 1 / a->power));
}
#endif

#undef CK_SLIDE_VECTORS
