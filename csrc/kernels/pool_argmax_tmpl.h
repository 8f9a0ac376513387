/* pool_argmax_tmpl.h: maxima with the places they came from. Words: CK_T, CK_V, CK_VI, CK_LANES, CK_OP, CK_KIND; slide_load,
 * is_nan.
 *
 *   for a vector of lanes: for tap in row-major order: (value, place) = the tap's if it is larger, or a NaN after none
 *
 * Lanes are the outputs of a row (channels first) or channels (channels last). A place is kept as an integer as wide as the
 * element: its distance from the lane's first tap. Where that may not fit (8 and 16 bits, or a huge plane), and for strides
 * without a vector load, lanes go one by one. */
CK_INLINE void CK_OP(argmax_lane)(const ck_argmax *a, int64_t lane) {
  const CK_T *const first = (const CK_T *)a->src + lane * a->lane_stride;
  CK_T best = *first;
  int64_t place = 0;
  for (int64_t t0 = 0; t0 < a->taps[0]; t0++) {
    for (int64_t t1 = 0; t1 < a->taps[1]; t1++) {
      for (int64_t t2 = 0; t2 < a->taps[2]; t2++) {
        const CK_T x = first[t0 * a->strides[0] + t1 * a->strides[1] + t2 * a->strides[2]];
        if (x > best || (CK_OP(is_nan)(x) && !CK_OP(is_nan)(best))) {
          best = x;
          place = t0 * a->places[0] + t1 * a->places[1] + t2 * a->places[2];
        }
      }
    }
  }
  ((CK_T *)a->dst)[lane] = best;
  a->indices[lane] = a->index + lane * a->lane_index + place;
}

#if CK_BITS >= 32
CK_INLINE void CK_OP(argmax_vector)(const ck_argmax *a, int64_t lane, int lanes) {
  const CK_T *const first = (const CK_T *)a->src + lane * a->lane_stride;
  CK_V best = CK_OP(slide_load)(first, a->lane_stride);
  CK_VI place = {0};
  for (int64_t t0 = 0; t0 < a->taps[0]; t0++) {
    for (int64_t t1 = 0; t1 < a->taps[1]; t1++) {
      const CK_T *tap = first + t0 * a->strides[0] + t1 * a->strides[1];
      CK_TI at = (CK_TI)(t0 * a->places[0] + t1 * a->places[1]);
      for (int64_t t2 = 0; t2 < a->taps[2]; t2++, tap += a->strides[2], at = (CK_TI)(at + a->places[2])) {
        const CK_V x = CK_OP(slide_load)(tap, a->lane_stride);
#if CK_KIND == CK_KIND_REAL
        const CK_VI better = (CK_VI)(x > best) | ((CK_VI)(x != x) & (CK_VI)(best == best));
#else
        const CK_VI better = (CK_VI)(x > best);
#endif
        best = CK_OP(select)(better, x, best);
        place = (better & (at - (CK_VI){0})) | (~better & place);
      }
    }
  }
  CK_OP(store_first)((CK_T *)a->dst + lane, best, lanes);
  for (int i = 0; i < lanes; i++) a->indices[lane + i] = a->index + (lane + i) * a->lane_index + place[i];
}
#endif

static void CK_OP(argmax)(const ck_argmax *a) {
  int64_t lane = 0;
#if CK_BITS >= 32
  int64_t reach = 0, farthest = 0;
  for (int axis = 0; axis < 3; axis++) {
    reach += (a->taps[axis] - 1) * a->strides[axis];
    farthest += (a->taps[axis] - 1) * a->places[axis];
  }
  const int64_t extent = CK_OP(slide_extent)(a->lane_stride);
  if (farthest <= INT32_MAX && a->count > 1) {
    for (; lane < a->count && a->readable - lane * a->lane_stride - reach >= extent; lane += CK_LANES)
      CK_OP(argmax_vector)(a, lane, (int)ck_min(CK_LANES, a->count - lane));
  }
#endif
  for (; lane < a->count; lane++) CK_OP(argmax_lane)(a, lane);
}
