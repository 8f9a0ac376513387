/* dot_tmpl.h: dot products of many rows with one vector. Words: CK_T, CK_V, CK_LANES, CK_OP.
 *
 *   for CK_DOT_ROWS rows: for k in steps of CK_DOT_SUMS: sums[row][k % CK_DOT_SUMS] += row[k] * x[k]
 *   fold the sums of a row by halves, add the bias, store
 *
 * The number of sums of a row is the same for every instruction set, and so is the order in which they are folded: the bits are
 * the same wherever a multiply-add rounds once. Rows are read where they are; eight vectors of sums hide the latency of the
 * multiply-adds. */
#define CK_DOT_VECTORS (CK_DOT_SUMS / CK_LANES)
#define CK_DOT_ROWS (CK_DOT_VECTORS < 8 ? 8 / CK_DOT_VECTORS : 1)

/* The next CK_DOT_SUMS products of each row. */
CK_INLINE void CK_OP(dot_step)(CK_V sums[][CK_DOT_VECTORS], const CK_T *a, const ptrdiff_t a_stride, const CK_T *x,
                               const int rows) {
  CK_UNROLL(8)
  for (int j = 0; j < CK_DOT_VECTORS; j++) {
    const CK_V at = CK_OP(load)(x + j * CK_LANES);
    CK_UNROLL(8)
    for (int i = 0; i < rows; i++) sums[i][j] += CK_OP(load)(a + i * a_stride + j * CK_LANES) * at;
  }
}

CK_INLINE void CK_OP(dot_rows)(const ck_dot *d, const int64_t first, const int rows) {
  CK_V sums[CK_DOT_ROWS][CK_DOT_VECTORS];
  const CK_T *a = (const CK_T *)d->a + first * d->a_stride, *x = d->x;
  CK_UNROLL(8)
  for (int i = 0; i < rows; i++) {
    CK_UNROLL(8)
    for (int j = 0; j < CK_DOT_VECTORS; j++) sums[i][j] = (CK_V){0};
  }
  int64_t k = 0;
  for (; k + CK_DOT_SUMS <= d->k; k += CK_DOT_SUMS) CK_OP(dot_step)(sums, a + k, d->a_stride, x + k, rows);
  if (k < d->k) { /* the rest, filled up with zeros */
    CK_T a_rest[CK_DOT_ROWS * CK_DOT_SUMS] = {0}, x_rest[CK_DOT_SUMS] = {0};
    const size_t bytes = (size_t)(d->k - k) * sizeof(CK_T);
    memcpy(x_rest, x + k, bytes);
    for (int i = 0; i < rows; i++) memcpy(a_rest + i * CK_DOT_SUMS, a + i * d->a_stride + k, bytes);
    CK_OP(dot_step)(sums, a_rest, CK_DOT_SUMS, x_rest, rows);
  }
  for (int i = 0; i < rows; i++) {
    CK_T folded[CK_DOT_SUMS];
    for (int j = 0; j < CK_DOT_VECTORS; j++) CK_OP(store)(folded + j * CK_LANES, sums[i][j]);
    for (int half = CK_DOT_SUMS / 2; half > 0; half /= 2)
      for (int s = 0; s < half; s++) folded[s] += folded[s + half];
    CK_T y = folded[0];
    if (d->bias) y += ((const CK_T *)d->bias)[first + i];
    if (d->activation != CK_ACTIVATION_NONE && y < 0) y = 0;
    if (d->activation == CK_ACTIVATION_RELU6 && y > 6) y = 6;
    ((CK_T *)d->dst)[first + i] = y;
  }
}

static void CK_OP(dot)(const ck_dot *d) {
  int64_t row = 0;
  for (; row + CK_DOT_ROWS <= d->rows; row += CK_DOT_ROWS) CK_OP(dot_rows)(d, row, CK_DOT_ROWS);
  for (; row < d->rows; row++) CK_OP(dot_rows)(d, row, 1);
}

#undef CK_DOT_VECTORS
#undef CK_DOT_ROWS
