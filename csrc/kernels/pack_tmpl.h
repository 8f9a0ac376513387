/* pack_tmpl.h: copies runs of the input into a packed block and widens integers on the way. Words: CK_T, CK_TSUM, CK_SUM_OP.
 *
 *   for channel: for move:
 *     copy a run (stride 1: vectors; stride 2 and 4: loads and shuffles; else element by element), four (dealt), or zeros
 *
 * Whole vectors are written, over the end of a run if need be: see ck_pack. What a run may read beyond its end is checked
 * against src_end, so that nothing outside the caller's array is touched. */
#define CK_SUM_V CK_SUM_OP(ck_vector)
#define CK_SUM_LANES ((int)(CK_SIMD_BYTES / sizeof(CK_TSUM)))

CK_INLINE void CK_OP(copy_run)(const CK_T *src, const CK_T *src_end, ptrdiff_t stride, CK_TSUM *dst, int count) {
  int i = 0;
#if CK_KIND == CK_KIND_REAL
  if (stride == 1) {
    for (; i < count && src_end - src >= i + CK_LANES; i += CK_LANES) CK_OP(store)(dst + i, CK_OP(load)(src + i));
  } else if (stride == 2) {
    for (; i < count && src_end - src >= 2 * (i + CK_LANES); i += CK_LANES) {
      const CK_T *from = src + 2 * (ptrdiff_t)i;
      CK_OP(store)(dst + i, CK_OP(even)(CK_OP(load)(from), CK_OP(load)(from + CK_LANES)));
    }
  } else if (stride == 4) {
    for (; i < count && src_end - src >= 4 * (i + CK_LANES); i += CK_LANES) {
      const CK_T *from = src + 4 * (ptrdiff_t)i;
      const CK_V low = CK_OP(even)(CK_OP(load)(from), CK_OP(load)(from + CK_LANES));
      const CK_V high = CK_OP(even)(CK_OP(load)(from + 2 * CK_LANES), CK_OP(load)(from + 3 * CK_LANES));
      CK_OP(store)(dst + i, CK_OP(even)(low, high));
    }
  }
#else
  (void)src_end;
  if (stride == 1)
    for (; i < count; i++) dst[i] = (CK_TSUM)src[i];
#endif
  for (; i < count; i++) dst[i] = (CK_TSUM)src[i * stride];
}

#if CK_KIND == CK_KIND_REAL
/* Runs of the four phases of stride 4 together: every element is loaded once, and takes half as many shuffles as run by run. */
CK_INLINE void CK_OP(deal_run)(const CK_T *src, const CK_T *src_end, CK_T *dst, ptrdiff_t apart, int count) {
  int i = 0;
  for (; i < count && src_end - src >= CK_DEALT * (i + CK_LANES); i += CK_LANES) {
    const CK_T *from = src + CK_DEALT * (ptrdiff_t)i;
    CK_T *to = dst + i;
    const CK_V a = CK_OP(load)(from), b = CK_OP(load)(from + CK_LANES);
    const CK_V c = CK_OP(load)(from + 2 * CK_LANES), d = CK_OP(load)(from + 3 * CK_LANES);
    const CK_V even_low = CK_OP(even)(a, b), even_high = CK_OP(even)(c, d);
    const CK_V odd_low = CK_OP(odd)(a, b), odd_high = CK_OP(odd)(c, d);
    CK_OP(store)(to, CK_OP(even)(even_low, even_high));
    CK_OP(store)(to + apart, CK_OP(even)(odd_low, odd_high));
    CK_OP(store)(to + 2 * apart, CK_OP(odd)(even_low, even_high));
    CK_OP(store)(to + 3 * apart, CK_OP(odd)(odd_low, odd_high));
  }
  for (; i < count; i++)
    for (ptrdiff_t j = 0; j < CK_DEALT; j++) dst[j * apart + i] = src[i * CK_DEALT + j];
}
#endif

static void CK_OP(pack)(const ck_pack *p) {
  const CK_T *src = p->src, *const src_end = p->src_end;
  CK_TSUM *const dst = p->dst;
  const ptrdiff_t stride = p->stride;
  for (int64_t channel = 0; channel < p->channels; channel++, src += p->src_step) {
    for (const ck_move *move = p->moves, *end = move + p->move_count; move < end; move++) {
      CK_TSUM *to = dst + move->dst + channel * move->step;
      if (move->src == CK_MOVE_ZERO) {
        for (int i = 0; i < move->count; i += CK_SUM_LANES) CK_SUM_OP(store)(to + i, (CK_SUM_V){0});
#if CK_KIND == CK_KIND_REAL
      } else if (move->dealt) {
        CK_OP(deal_run)(src + move->src, src_end, to, p->apart, move->count);
#endif
      } else {
        CK_OP(copy_run)(src + move->src, src_end, stride, to, move->count);
      }
    }
  }
}

#undef CK_SUM_V
#undef CK_SUM_LANES
