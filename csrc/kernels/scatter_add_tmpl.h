/* scatter_add_tmpl.h: adds a run of elements to every stride-th element of a row. Words: CK_T, CK_LANES, CK_OP, CK_KIND.
 *
 *   for i: dst[i * stride] += src[i]          stride 1: vectors
 *
 * Integers are added as unsigned numbers, which wrap. */
CK_INLINE CK_T CK_OP(wrapping_add)(CK_T a, CK_T b) {
#if CK_KIND == CK_KIND_REAL
  return a + b;
#else
  return (CK_T)((uint64_t)a + (uint64_t)b);
#endif
}

static void CK_OP(scatter_add)(const ck_scatter_add *a) {
  const CK_T *const src = a->src;
  CK_T *const dst = a->dst;
  int64_t i = 0;
  if (a->stride == 1)
    for (; i + CK_LANES <= a->count; i += CK_LANES) CK_OP(store)(dst + i, CK_OP(load)(dst + i) + CK_OP(load)(src + i));
  for (; i < a->count; i++) dst[i * a->stride] = CK_OP(wrapping_add)(dst[i * a->stride], src[i]);
}
