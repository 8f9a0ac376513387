/* scatter_add_tmpl.h: adds a run of elements to every stride-th element of a row. Words: CK_T, CK_V, CK_LANES, CK_OP,
 * CK_BITS, CK_KIND.
 *
 *   for i: dst[i * stride] += src[i]          stride 1: vectors
 *
 * Integers are added as unsigned numbers, which wrap. */
#if CK_KIND == CK_KIND_REAL
#define CK_ADDEND CK_T
#else
#define CK_ADDEND CK_CAT4(uint, CK_BITS, _t, )
#endif

static void CK_OP(scatter_add)(const ck_scatter_add *a) {
  typedef CK_ADDEND addends __attribute__((vector_size(CK_SIMD_BYTES)));
  const CK_T *const src = a->src;
  CK_T *const dst = a->dst;
  int64_t i = 0;
  if (a->stride == 1) {
    for (; i + CK_LANES <= a->count; i += CK_LANES)
      CK_OP(store)(dst + i, (CK_V)((addends)CK_OP(load)(dst + i) + (addends)CK_OP(load)(src + i)));
  }
  for (; i < a->count; i++) {
    CK_T *const to = dst + i * a->stride;
    *to = (CK_T)(CK_ADDEND)((CK_ADDEND)*to + (CK_ADDEND)src[i]);
  }
}

#undef CK_ADDEND
