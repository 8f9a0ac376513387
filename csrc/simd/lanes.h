/* lanes.h: the vector operations of one dtype, for the current row of dtypes.def. Contract: simd.h. No guard: included once a
 * row. */
typedef CK_T CK_OP(ck_vector) __attribute__((vector_size(CK_SIMD_BYTES)));
typedef CK_TI CK_OP(ck_mask) __attribute__((vector_size(CK_SIMD_BYTES)));
typedef CK_T CK_OP(ck_unaligned) __attribute__((vector_size(CK_SIMD_BYTES), aligned(sizeof(CK_T)), may_alias));

CK_INLINE CK_OP(ck_vector) CK_OP(load)(const CK_T *p) { return *(const CK_OP(ck_unaligned) *)p; }
CK_INLINE void CK_OP(store)(CK_T *p, CK_OP(ck_vector) v) { *(CK_OP(ck_unaligned) *)p = v; }

CK_INLINE CK_OP(ck_vector) CK_OP(splat)(CK_T s) { return s - (CK_OP(ck_vector)){0}; }

CK_INLINE CK_OP(ck_vector) CK_OP(select)(CK_OP(ck_mask) mask, CK_OP(ck_vector) a, CK_OP(ck_vector) b) {
  return (CK_OP(ck_vector))((mask & (CK_OP(ck_mask))a) | (~mask & (CK_OP(ck_mask))b));
}

/* Not larger is either smaller or unordered: b != b keeps a NaN of b, and a NaN of a stays because no comparison with it
 * holds. */
CK_INLINE CK_OP(ck_vector) CK_OP(larger)(CK_OP(ck_vector) a, CK_OP(ck_vector) b) {
#if CK_KIND == CK_KIND_REAL
  return CK_OP(select)((CK_OP(ck_mask))((b > a) | (b != b)), b, a);
#else
  return CK_OP(select)((CK_OP(ck_mask))(b > a), b, a);
#endif
}

#if CK_BITS >= 32
#define CK_BITS_OP(name) CK_CAT(name##_bits_, CK_BITS)
CK_INLINE CK_OP(ck_vector) CK_OP(load_between)(const CK_T *p, int from, int to) {
  if (to - from == (int)(CK_SIMD_BYTES / sizeof(CK_T))) return CK_OP(load)(p);
  return (CK_OP(ck_vector))CK_BITS_OP(load)(p, from, to);
}
CK_INLINE void CK_OP(store_between)(CK_T *p, CK_OP(ck_vector) v, int from, int to) {
  if (to - from == (int)(CK_SIMD_BYTES / sizeof(CK_T)))
    CK_OP(store)(p, v);
  else
    CK_BITS_OP(store)(p, (ck_bits)v, from, to);
}
#undef CK_BITS_OP
#else
CK_INLINE CK_OP(ck_vector) CK_OP(load_between)(const CK_T *p, int from, int to) {
  CK_OP(ck_vector) v = {0};
  memcpy((CK_T *)&v + from, p + from, (size_t)(to - from) * sizeof(CK_T));
  return v;
}
CK_INLINE void CK_OP(store_between)(CK_T *p, CK_OP(ck_vector) v, int from, int to) {
  memcpy(p + from, (const CK_T *)&v + from, (size_t)(to - from) * sizeof(CK_T));
}
#endif

CK_INLINE CK_OP(ck_vector) CK_OP(load_first)(const CK_T *p, int n) {
  const int lanes = CK_SIMD_BYTES / sizeof(CK_T);
  return n > 0 ? CK_OP(load_between)(p, 0, n < lanes ? n : lanes) : (CK_OP(ck_vector)){0};
}
CK_INLINE void CK_OP(store_first)(CK_T *p, CK_OP(ck_vector) v, int n) {
  const int lanes = CK_SIMD_BYTES / sizeof(CK_T);
  if (n > 0) CK_OP(store_between)(p, v, 0, n < lanes ? n : lanes);
}

#if CK_BITS >= 32
#define CK_SHUFFLE_BY(a, b, ...) __builtin_shufflevector(a, b, __VA_ARGS__)
CK_INLINE CK_OP(ck_vector) CK_OP(even)(CK_OP(ck_vector) a, CK_OP(ck_vector) b) {
  return CK_SHUFFLE_BY(a, b, CK_CAT(CK_EVEN_, CK_WIDE_LANES));
}
CK_INLINE CK_OP(ck_vector) CK_OP(odd)(CK_OP(ck_vector) a, CK_OP(ck_vector) b) {
  return CK_SHUFFLE_BY(a, b, CK_CAT(CK_ODD_, CK_WIDE_LANES));
}
CK_INLINE CK_OP(ck_vector) CK_OP(three_of_four)(CK_OP(ck_vector) a) {
  return CK_SHUFFLE_BY(a, a, CK_CAT(CK_THREE_OF_FOUR_, CK_WIDE_LANES));
}
CK_INLINE CK_OP(ck_vector) CK_OP(zip_low)(CK_OP(ck_vector) a, CK_OP(ck_vector) b) {
  return CK_SHUFFLE_BY(a, b, CK_CAT(CK_ZIP_LOW_, CK_WIDE_LANES));
}
CK_INLINE CK_OP(ck_vector) CK_OP(zip_high)(CK_OP(ck_vector) a, CK_OP(ck_vector) b) {
  return CK_SHUFFLE_BY(a, b, CK_CAT(CK_ZIP_HIGH_, CK_WIDE_LANES));
}
#undef CK_SHUFFLE_BY
#endif
#undef CK_DTYPE_ROW
