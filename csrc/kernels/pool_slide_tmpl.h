/* pool_slide_tmpl.h: moves a window along one row and keeps its maximum or sum; roots. Words: CK_T, CK_V, CK_LANES, CK_OP, CK_KIND.
 *
 *   for a vector of outputs: for tap: result = combine(result, the elements of that tap)
 *     stride 1: one load; stride 2: two loads and a shuffle; else one output at a time
 *
 * The row is a buffer in L1 or the input itself; the last vector reads past its own elements where `readable` allows, and stores masked.
 * Elements are combined tap after tap for each output: the same bits for every width of vector. */

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

CK_INLINE bool CK_OP(is_nan)(CK_T x) {
#if CK_KIND == CK_KIND_REAL
  return x != x;
#else
  (void)x;
  return false;
#endif
}

static void CK_OP(slide_max)(const ck_slide *a) {
  const CK_T *const src = a->src;
  CK_T *const dst = a->dst;
  const ptrdiff_t stride = a->stride, step = a->step;
  const int64_t reach = (a->taps - 1) * step, extent = CK_OP(slide_extent)(stride);
  for (int64_t o = 0; o < a->count; o += CK_LANES) {
    const int lanes = (int)ck_min(CK_LANES, a->count - o);
    const CK_T *const first = src + o * stride;
    if (lanes > 1 && a->readable - o * stride - reach >= extent) {
      CK_V best = CK_OP(slide_load)(first, stride);
      for (int64_t t = 1; t < a->taps; t++) best = CK_OP(larger)(best, CK_OP(slide_load)(first + t * step, stride));
      CK_OP(store_first)(dst + o, best, lanes);
      continue;
    }
    for (int i = 0; i < lanes; i++) {
      CK_T best = first[i * stride];
      for (int64_t t = 1; t < a->taps; t++) {
        const CK_T x = first[i * stride + t * step];
        if (x > best || CK_OP(is_nan)(x)) best = x;
      }
      dst[o + i] = best;
    }
  }
}

#if CK_KIND == CK_KIND_REAL
static void CK_OP(slide_sum)(const ck_slide *a) {
  const CK_T *const src = a->src, divisor = (CK_T)a->divisor;
  CK_T *const dst = a->dst;
  const ptrdiff_t stride = a->stride, step = a->step;
  const int64_t reach = (a->taps - 1) * step, extent = CK_OP(slide_extent)(stride);
  for (int64_t o = 0; o < a->count; o += CK_LANES) {
    const int lanes = (int)ck_min(CK_LANES, a->count - o);
    const CK_T *const first = src + o * stride;
    if (lanes > 1 && a->readable - o * stride - reach >= extent) {
      CK_V sum = CK_OP(slide_load)(first, stride);
      for (int64_t t = 1; t < a->taps; t++) sum += CK_OP(slide_load)(first + t * step, stride);
      if (divisor != 1) sum /= CK_OP(splat)(divisor);
      CK_OP(store_first)(dst + o, sum, lanes);
      continue;
    }
    for (int i = 0; i < lanes; i++) {
      CK_T sum = first[i * stride];
      for (int64_t t = 1; t < a->taps; t++) sum += first[i * stride + t * step];
      dst[o + i] = sum / divisor;
    }
  }
}

static void CK_OP(root)(const ck_root *a) {
  CK_T *const dst = a->dst;
  for (int64_t i = 0; i < a->count; i++)
    dst[i] = (CK_T)(a->power == 1 ? a->src[i] : a->power == 2 ? sqrt(a->src[i]) : pow(a->src[i], 1 / a->power));
}
#endif
