/* transpose_tmpl.h: out-of-place transposition. Words: CK_T, CK_V, CK_LANES, CK_OP.
 *
 *   for a block of CK_LANES rows: for a block of CK_LANES columns:
 *     load a vector from each row, log2(lanes) rounds of zips (the perfect shuffle), store a vector for each column
 *
 * Serves the channels-first store of channel lanes, the packing of weights, and the strips of Winograd tiles. */

/* The columns of a block at src as vectors, of which `columns` are there: `high` vectors of CK_LANES / high columns each, of
 * `high` rows each. Rows from `rows` on are any of the others. `high` is a power of two. */
CK_INLINE void CK_OP(transpose_block)(const CK_T *src, const ptrdiff_t src_stride, const int rows, const int columns,
                                      const int high, CK_V *x) {
  CK_V y[CK_LANES];
  CK_UNROLL(16)
  for (int r = 0; r < high; r++) x[r] = CK_OP(load_first)(src + (r < rows ? r : 0) * src_stride, columns);
  CK_UNROLL(4)
  for (int round = 1; round < high; round *= 2) {
    CK_UNROLL(8)
    for (int r = 0; r < high / 2; r++) {
      y[2 * r] = CK_OP(zip_low)(x[r], x[r + high / 2]);
      y[2 * r + 1] = CK_OP(zip_high)(x[r], x[r + high / 2]);
    }
    CK_UNROLL(16)
    for (int r = 0; r < high; r++) x[r] = y[r];
  }
}

CK_INLINE CK_V CK_OP(add_zero_times)(CK_V seen, const CK_V *x, const int count) {
  CK_UNROLL(16)
  for (int r = 0; r < CK_LANES; r++)
    if (r < count) seen += x[r] * 0;
  return seen;
}

/* Rows [i, i + rows) of src, from column j up to the block of columns that begins at `last` or just before: CK_LANES lanes, at
 * least `rows`, to each row of dst. Returns the first column that is left. */
CK_INLINE int64_t CK_OP(transpose_whole)(const ck_transpose *t, const int64_t i, const int rows, int64_t j, const int64_t last,
                                         CK_V *seen) {
  const CK_T *src = (const CK_T *)t->src + i * t->src_stride;
  const ptrdiff_t src_stride = t->src_stride, dst_stride = t->dst_stride;
  for (; j <= last; j += CK_LANES) {
    CK_V x[CK_LANES];
    CK_OP(transpose_block)(src + j, src_stride, rows, CK_LANES, CK_LANES, x);
    if (t->finite) *seen = CK_OP(add_zero_times)(*seen, x, CK_LANES);
    CK_T *to = (CK_T *)t->dst + j * dst_stride + i;
    CK_UNROLL(16)
    for (int c = 0; c < CK_LANES; c++, to += dst_stride) CK_OP(store)(to, x[c]);
  }
  return j;
}

/* The columns from src on, CK_LANES at most, of so many rows, each to where `to` says. */
CK_INLINE void CK_OP(transpose_columns)(const ck_transpose *t, const CK_T *src, const int rows, const int columns,
                                        const int stored, CK_T *dst, const ptrdiff_t *to, CK_V *seen) {
  CK_V x[CK_LANES];
  CK_OP(transpose_block)(src, t->src_stride, rows, columns, CK_LANES, x);
  if (t->finite) *seen = CK_OP(add_zero_times)(*seen, x, columns);
  CK_UNROLL(16)
  for (int c = 0; c < CK_LANES; c++) {
    if (c >= columns) break;
    CK_OP(store_first)(dst + to[c], x[c], stored);
  }
}

/* Columns before the first that begins a vector, where all rows have it at one place: rows that lie in one set of L1 would push
 * a line out between its first and second half. */
CK_INLINE int CK_OP(transpose_head)(const ck_transpose *t) {
  const size_t late = (uintptr_t)t->src % CK_SIMD_BYTES;
  const bool together = t->src_stride % CK_LANES == 0 && late % sizeof(CK_T) == 0;
  const size_t head = late && together ? (CK_SIMD_BYTES - late) / sizeof(CK_T) : 0;
  return (int64_t)head < t->columns ? (int)head : 0;
}

/* Few rows that follow each other without a gap in dst: whole vectors of them. Returns the first column that is left. */
CK_INLINE int64_t CK_OP(transpose_few)(const ck_transpose *t, const int rows, CK_V *seen) {
  const CK_T *src = t->src;
  CK_T *to = t->dst;
  const int high = rows == 3 ? 4 : rows;                                               /* lanes of a column in a vector */
  const int64_t last = t->columns - (high == rows ? CK_LANES : 2 * (int64_t)CK_LANES); /* a vector may hang over */
  int64_t j = 0;
  for (; j <= last; j += CK_LANES) {
    CK_V x[CK_LANES];
    CK_OP(transpose_block)(src + j, t->src_stride, rows, CK_LANES, high, x);
    if (t->finite) *seen = CK_OP(add_zero_times)(*seen, x, high);
    CK_UNROLL(4)
    for (int v = 0; v < high; v++, to += CK_LANES / high * rows)
      CK_OP(store)(to, high == rows ? x[v] : CK_OP(three_of_four)(x[v]));
  }
  return j;
}

static void CK_OP(transpose)(const ck_transpose *t) {
  const CK_T *src = t->src;
  CK_T *dst = t->dst;
  const int64_t turns = t->turns > 1 ? t->turns : 1;
  const ptrdiff_t dst_stride = t->dst_stride, step = t->columns / turns * dst_stride, gap = t->gap; /* step: of turns */
  /* Where the columns from one of turn 0 on go: looked up, since to count turns from store to store would take longer than the
   * stores. */
  ptrdiff_t to[CK_TURNS_MOST + CK_LANES];
  for (int64_t c = 0, turn = 0, row = 0; c < turns + CK_LANES; c++) {
    to[c] = turn * step + row * dst_stride + (gap ? turn / t->turns_together * gap : 0);
    if (++turn == turns) turn = 0, row++;
  }
  CK_V seen = {0}; /* zero times every element: NaN stays */
  const int head = CK_OP(transpose_head)(t);
  for (int64_t i = 0; i < t->rows; i += CK_LANES) {
    const int rows = (int)ck_min(CK_LANES, t->rows - i);
    const int stored = t->fill ? CK_LANES : rows;
    int64_t j = 0;
    if (turns == 1 && rows == CK_LANES) {
      if (head) CK_OP(transpose_columns)(t, src + i * t->src_stride, rows, head, stored, dst + i, to, &seen);
      j = CK_OP(transpose_whole)(t, i, CK_LANES, head, t->columns - CK_LANES, &seen);
    } else if (turns == 1 && t->dst_stride == rows) { /* photographs have up to four channels */
      if (rows == 1) j = CK_OP(transpose_few)(t, 1, &seen);
      if (rows == 2) j = CK_OP(transpose_few)(t, 2, &seen);
      if (rows == 3 && CK_LANES >= 4) j = CK_OP(transpose_few)(t, 3, &seen);
      if (rows == 4 && CK_LANES >= 4) j = CK_OP(transpose_few)(t, 4, &seen);
      /* A vector hangs over into rows of dst that are written after it; over the last ones it must not. */
      if (rows > 4) j = CK_OP(transpose_whole)(t, i, rows, 0, t->columns - 2 * (int64_t)CK_LANES, &seen);
    }
    int64_t turn = 0;
    ptrdiff_t row = j * dst_stride + i; /* of turn 0; j is 0 with several turns */
    for (int columns; j < t->columns; j += columns) {
      columns = (int)ck_min(j == 0 && head ? head : CK_LANES, t->columns - j);
      const CK_T *const from = src + i * t->src_stride + j;
      if (columns == CK_LANES)
        CK_OP(transpose_columns)(t, from, rows, CK_LANES, stored, dst + row, to + turn, &seen);
      else
        CK_OP(transpose_columns)(t, from, rows, columns, stored, dst + row, to + turn, &seen);
      for (turn += columns; turn >= turns; turn -= turns) row += dst_stride;
    }
  }
  if (!t->finite) return;
  *t->finite = true;
  for (int lane = 0; lane < CK_LANES; lane++) *t->finite &= seen[lane] == 0;
}
