/* winograd_tmpl.h: the three transforms of Winograd convolution. Words: CK_T, CK_V, CK_VI, CK_LANES, CK_OP.
 *
 *   input     V = B^T x B      columns of vectors are loaded row by row, transformed along the row, then along the column
 *   weights   U = G w G^T      in double
 *   output    Y = A^T M A
 *
 * One axis has 1, 4 or 6 elements. Four stand for the polynomial's values at 0, 1, -1 and infinity, six for those at 0, b, -b,
 * a, -a and infinity with a = sqrt(2), b = 1 / a; with r taps there are 5 - r or 7 - r outputs. The matrices are derived in
 * exact arithmetic by tests/winograd_transforms.py. A transform of six is 12 operations in and 13 out (4 outputs): points come
 * in pairs of either sign, so that the even and the odd half of each polynomial are computed once. Every expression can be
 * contracted in one way only: the bits do not depend on the instruction set.
 *
 * After: Lavin and Gray, Fast Algorithms for Convolutional Neural Networks, 2015; the points after Barabasz et al., Error
 * Analysis and Improving the Accuracy of Winograd Convolution for Deep Neural Networks, 2020. */
#define CK_SQRT2 ((CK_T)1.41421356237309504880)
#define CK_SQRT1_2 ((CK_T)0.70710678118654752440)

CK_INLINE void CK_OP(winograd_forth)(const int n, const CK_V *x, CK_V *v) {
  if (n == 1) {
    v[0] = x[0];
  } else if (n == 4) {
    v[0] = x[0] - x[2];
    v[1] = x[2] + x[1];
    v[2] = x[2] - x[1];
    v[3] = x[3] - x[1];
  } else {
    const CK_V even1 = x[4] - (CK_T)2 * x[2], odd1 = x[3] - (CK_T)2 * x[1];
    const CK_V even2 = x[4] - (CK_T)0.5 * x[2], odd2 = x[3] - (CK_T)0.5 * x[1];
    v[0] = (x[4] - (CK_T)2.5 * x[2]) + x[0];
    v[1] = even1 + CK_SQRT1_2 * odd1;
    v[2] = even1 - CK_SQRT1_2 * odd1;
    v[3] = even2 + CK_SQRT2 * odd2;
    v[4] = even2 - CK_SQRT2 * odd2;
    v[5] = (x[5] - (CK_T)2.5 * x[3]) + x[1];
  }
}

/* m outputs, the others zero. The value at infinity goes to the last; each output adds it or zero, so that no product is left
 * that a later addition may or may not be fused with. */
CK_INLINE void CK_OP(winograd_back)(const int n, const int m, const CK_V *x, CK_V *y) {
  const CK_V zero = {0};
  CK_V last[CK_WINOGRAD_TAPS_MOST];
  CK_UNROLL(5)
  for (int k = 0; k < CK_WINOGRAD_TAPS_MOST; k++) y[k] = zero, last[k] = k == m - 1 ? x[n - 1] : zero;
  if (n == 1) {
    y[0] = x[0];
    return;
  }
  const CK_V even1 = x[1] + x[2], odd1 = x[1] - x[2];
  if (n == 4) {
    y[0] = x[0] + even1;
    y[1] = odd1 + last[1];
    if (m == 3) y[2] = even1 + last[2];
  } else {
    const CK_V even2 = x[3] + x[4], odd2 = x[3] - x[4];
    y[0] = (x[0] + even1) + even2;
    y[1] = CK_SQRT1_2 * (odd1 + (CK_T)2 * odd2) + last[1];
    if (m > 2) y[2] = (CK_T)0.5 * (even1 + (CK_T)4 * even2) + last[2];
    if (m > 3) y[3] = CK_SQRT1_2 / 2 * (odd1 + (CK_T)8 * odd2) + last[3];
    if (m > 4) y[4] = (CK_T)0.25 * (even1 + (CK_T)16 * even2) + last[4];
  }
}

/* The index into `ends` of element (i, j): CK_WINOGRAD_HIGH, _WIDE, both or 0. */
CK_INLINE int CK_OP(winograd_ends)(const int i, const int rows, const int j, const int columns) {
  return (rows > 1 && i == rows - 1 ? CK_WINOGRAD_HIGH : 0) | (columns > 1 && j == columns - 1 ? CK_WINOGRAD_WIDE : 0);
}

/* ---- Input --------------------------------------------------------------------------------------------------------------- */

CK_INLINE void CK_OP(winograd_input_body)(const ck_winograd_input *t, const int rows, const int columns) {
  const CK_T *src = t->src;
  CK_T *dst = t->dst;
  const ptrdiff_t row_step = t->row_step, column_step = t->column_step, plane_step = t->plane_step;
  for (int64_t c = t->count; c > 0; c--, src += t->src_next, dst += t->dst_next) {
    CK_V half[CK_WINOGRAD_MOST][CK_WINOGRAD_MOST];
    CK_UNROLL(6)
    for (int i = 0; i < rows; i++) {
      CK_V x[CK_WINOGRAD_MOST], v[CK_WINOGRAD_MOST];
      CK_UNROLL(6)
      for (int j = 0; j < columns; j++) x[j] = CK_OP(load)(src + i * row_step + j * column_step);
      CK_OP(winograd_forth)(columns, x, v);
      CK_UNROLL(6)
      for (int j = 0; j < columns; j++) half[j][i] = v[j];
    }
    CK_T *to = dst;
    CK_UNROLL(6)
    for (int j = 0; j < columns; j++) {
      CK_V v[CK_WINOGRAD_MOST];
      CK_OP(winograd_forth)(rows, half[j], v);
      CK_UNROLL(6)
      for (int i = 0; i < rows; i++, to += plane_step)
        CK_OP(store)(to + t->ends[CK_OP(winograd_ends)(i, rows, j, columns)], v[i]);
    }
  }
}

/* One vector of a tile that is not whole, with its zeros. A function of its own: between branches, the compiler would not fuse
 * every product of the transform, and bits would depend on where. */
static CK_NOINLINE void CK_OP(winograd_patch)(const ck_winograd_input *t, const CK_T *src, CK_T *patch) {
  for (int i = 0; i < t->rows; i++)
    for (int j = 0; j < t->columns; j++, patch += CK_LANES) {
      const int lanes = t->row_bits >> i & t->column_bits >> j & 1 ? t->lanes : 0;
      CK_OP(store)(patch, CK_OP(load_first)(src + i * t->row_step + j * t->column_step, lanes));
    }
}

/* ---- Output -------------------------------------------------------------------------------------------------------------- */

CK_INLINE CK_V CK_OP(winograd_activate)(CK_V y, const ck_activation activation) {
  const CK_V zero = {0}, six = zero + (CK_T)6;
  if (activation != CK_ACTIVATION_NONE) y = CK_OP(select)((CK_VI)(y < zero), zero, y);
  if (activation == CK_ACTIVATION_RELU6) y = CK_OP(select)((CK_VI)(y > six), six, y);
  return y;
}

CK_INLINE void CK_OP(winograd_output_body)(const ck_winograd_output *t, const int rows, const int columns, const int out_rows,
                                           const int out_columns, const bool whole) {
  const CK_T *src = t->src, *bias = t->bias;
  CK_T *dst = t->dst;
  const ptrdiff_t plane_step = t->plane_step, row_step = t->row_step, column_step = t->column_step;
  for (int64_t c = t->count; c > 0; c--, src += t->src_next, dst += t->dst_next) {
    CK_V half[CK_WINOGRAD_TAPS_MOST][CK_WINOGRAD_MOST];
    const CK_T *from = src;
    CK_UNROLL(6)
    for (int j = 0; j < columns; j++) {
      CK_V x[CK_WINOGRAD_MOST], y[CK_WINOGRAD_TAPS_MOST];
      CK_UNROLL(6)
      for (int i = 0; i < rows; i++, from += plane_step)
        x[i] = CK_OP(load)(from + t->ends[CK_OP(winograd_ends)(i, rows, j, columns)]);
      CK_OP(winograd_back)(rows, out_rows, x, y);
      CK_UNROLL(5)
      for (int i = 0; i < CK_WINOGRAD_TAPS_MOST; i++) half[i][j] = y[i];
    }
    const CK_V term = bias ? CK_OP(load_first)(bias, t->lanes) : (CK_V){0};
    if (bias) bias += t->bias_next;
    CK_UNROLL(5)
    for (int i = 0; i < CK_WINOGRAD_TAPS_MOST; i++) {
      if (i >= (whole ? out_rows : t->rows_stored)) break;
      CK_V y[CK_WINOGRAD_TAPS_MOST];
      CK_OP(winograd_back)(columns, out_columns, half[i], y);
      CK_UNROLL(5)
      for (int j = 0; j < CK_WINOGRAD_TAPS_MOST; j++) {
        if (j >= (whole ? out_columns : t->columns_stored)) break;
        const CK_V done = CK_OP(winograd_activate)(y[j] + term, t->activation);
        CK_OP(store_first)(dst + i * row_step + j * column_step, done, whole ? CK_LANES : t->lanes);
      }
    }
  }
}

/* ---- Weights ---------------------------------------------------------------------------------------------------------------
 * In double, as many lanes as a register has. */

#define CK_WIDE_COUNT (CK_SIMD_BYTES / 8)
typedef double CK_OP(ck_wide) __attribute__((vector_size(CK_SIMD_BYTES)));
typedef CK_T CK_OP(ck_narrow) __attribute__((vector_size(CK_WIDE_COUNT * sizeof(CK_T)), aligned(sizeof(CK_T)), may_alias));

/* Row i of G is scale * (1, p, p^2, ...); for infinity the last tap alone. */
static void CK_OP(winograd_matrix)(int n, int taps, double matrix[CK_WINOGRAD_MOST][CK_WINOGRAD_TAPS_MOST]) {
  static const double points4[] = {0, 1, -1}, scales4[] = {1, 1. / 2, 1. / 2};
  static const double points6[] = {0, 0.70710678118654752440, -0.70710678118654752440, 1.41421356237309504880,
                                   -1.41421356237309504880};
  static const double scales6[] = {1, -2. / 3, -2. / 3, 1. / 6, 1. / 6}, squares6[] = {0, 0.5, 0.5, 2, 2};
  for (int i = 0; i < n; i++) {
    const bool last = i == n - 1;
    const double point = last ? 0 : n == 4 ? points4[i] : points6[i], square = last ? 0 : n == 4 ? point * point : squares6[i];
    double power = last ? 0 : n == 4 ? scales4[i] : scales6[i];
    for (int k = 0; k < taps; k += 2, power *= square) {
      matrix[i][k] = power;
      if (k + 1 < taps) matrix[i][k + 1] = power * point;
    }
    if (last) matrix[i][taps - 1] = 1;
  }
}

/* u = G x along one axis. Points come in pairs of either sign, whose rows differ in the signs of the odd taps. Loops over taps
 * are unrolled and left early, since it may be known when the program runs only how many there are. */
CK_INLINE void CK_OP(winograd_weights_along)(const int n, const int taps,
                                             const double matrix[CK_WINOGRAD_MOST][CK_WINOGRAD_TAPS_MOST],
                                             const CK_OP(ck_wide) * x, CK_OP(ck_wide) * u) {
  CK_OP(ck_wide) last = x[0];
  u[0] = last;
  CK_UNROLL(5)
  for (int k = 1; k < CK_WINOGRAD_TAPS_MOST; k++) {
    if (k >= taps) break;
    last = x[k];
  }
  u[n - 1] = last;
  CK_UNROLL(2)
  for (int i = 1; i < n - 1; i += 2) {
    CK_OP(ck_wide) even = {0};
    CK_UNROLL(3)
    for (int k = 0; k < CK_WINOGRAD_TAPS_MOST; k += 2) {
      if (k >= taps) break;
      even += matrix[i][k] * x[k];
    }
    CK_OP(ck_wide) plus = even, minus = even;
    CK_UNROLL(2)
    for (int k = 1; k < CK_WINOGRAD_TAPS_MOST; k += 2) {
      if (k >= taps) break;
      plus += matrix[i][k] * x[k];
      minus -= matrix[i][k] * x[k];
    }
    u[i] = plus;
    u[i + 1] = minus;
  }
}

/* Row i of the weights, along the columns; column j of that, along the rows. */
CK_INLINE void CK_OP(winograd_weights_row)(const ck_winograd_weights *t, const CK_T *src, const int columns, const int taps,
                                           const double along[CK_WINOGRAD_MOST][CK_WINOGRAD_TAPS_MOST], const int i,
                                           CK_OP(ck_wide) half[CK_WINOGRAD_MOST][CK_WINOGRAD_TAPS_MOST]) {
  CK_OP(ck_wide) x[CK_WINOGRAD_TAPS_MOST] = {{0}}, u[CK_WINOGRAD_MOST];
  CK_UNROLL(5)
  for (int k = 0; k < CK_WINOGRAD_TAPS_MOST; k++) {
    if (k >= taps) break;
    x[k] = __builtin_convertvector(*(const CK_OP(ck_narrow) *)(src + i * t->row_step + k * t->column_step), CK_OP(ck_wide));
  }
  CK_OP(winograd_weights_along)(columns, taps, along, x, u);
  CK_UNROLL(6)
  for (int j = 0; j < columns; j++) half[j][i] = u[j];
}
CK_INLINE void CK_OP(winograd_weights_column)(const ck_winograd_weights *t, CK_T *dst, const int rows, const int taps,
                                              const double along[CK_WINOGRAD_MOST][CK_WINOGRAD_TAPS_MOST],
                                              const CK_OP(ck_wide) * half) {
  CK_OP(ck_wide) u[CK_WINOGRAD_MOST];
  CK_OP(winograd_weights_along)(rows, taps, along, half, u);
  CK_UNROLL(6)
  for (int i = 0; i < rows; i++)
    *(CK_OP(ck_narrow) *)(dst + i * t->plane_step) = __builtin_convertvector(u[i], CK_OP(ck_narrow));
}

/* The usual kernel keeps all in registers; of the others, whose code would be as large for each tile, rows and columns are
 * loops. */
CK_INLINE void CK_OP(winograd_weights_body)(const ck_winograd_weights *t, const int rows, const int columns, const int row_taps,
                                            const int column_taps, const bool usual) {
  double along_rows[CK_WINOGRAD_MOST][CK_WINOGRAD_TAPS_MOST], along_columns[CK_WINOGRAD_MOST][CK_WINOGRAD_TAPS_MOST];
  CK_OP(winograd_matrix)(rows, row_taps, along_rows);
  CK_OP(winograd_matrix)(columns, column_taps, along_columns);
  CK_OP(ck_wide) half[CK_WINOGRAD_MOST][CK_WINOGRAD_TAPS_MOST] = {{{0}}};
  for (int64_t c = 0; c < t->count; c++) {
    for (int part = 0; part < CK_LANES; part += CK_WIDE_COUNT) {
      const CK_T *src = (const CK_T *)t->src + c * t->src_next + part;
      CK_T *dst = (CK_T *)t->dst + c * t->dst_next + part;
      const ptrdiff_t step = rows * t->plane_step; /* from column to column */
      if (usual) {
        CK_UNROLL(3)
        for (int i = 0; i < 3; i++) CK_OP(winograd_weights_row)(t, src, columns, 3, along_columns, i, half);
        CK_UNROLL(6)
        for (int j = 0; j < columns; j++) CK_OP(winograd_weights_column)(t, dst + j * step, rows, 3, along_rows, half[j]);
      } else {
        for (int i = 0; i < row_taps; i++) CK_OP(winograd_weights_row)(t, src, columns, column_taps, along_columns, i, half);
        for (int j = 0; j < columns; j++)
          CK_OP(winograd_weights_column)(t, dst + j * step, rows, row_taps, along_rows, half[j]);
      }
    }
  }
}

/* ---- Instances ----------------------------------------------------------------------------------------------------------- */

#define CK_WINOGRAD_TILES(X) X(6, 6) X(4, 4) X(6, 1) X(1, 6) X(4, 1) X(1, 4)
#define CK_WINOGRAD_INSTANCE(rows, columns)                                                                                    \
  static CK_NOINLINE void CK_OP(CK_CAT4(winograd_input_, rows, x, columns))(const ck_winograd_input *t) {                      \
    CK_OP(winograd_input_body)(t, rows, columns);                                                                              \
  }                                                                                                                            \
  static CK_NOINLINE void CK_OP(CK_CAT4(winograd_weights_, rows, x, columns))(const ck_winograd_weights *t) {                  \
    const int row_taps = rows == 1 ? 1 : t->row_taps, column_taps = columns == 1 ? 1 : t->column_taps;                         \
    if (row_taps == 3 && column_taps == 3)                                                                                     \
      CK_OP(winograd_weights_body)(t, rows, columns, 3, 3, true);                                                              \
    else                                                                                                                       \
      CK_OP(winograd_weights_body)(t, rows, columns, row_taps, column_taps, false);                                            \
  }                                                                                                                            \
  static CK_NOINLINE void CK_OP(CK_CAT4(winograd_output_, rows, x, columns))(const ck_winograd_output *t) {                    \
    const int out_rows = rows - t->row_taps + 1, out_columns = columns - t->column_taps + 1;                                   \
    const int three_rows = rows == 1 ? 1 : rows - 2, three_columns = columns == 1 ? 1 : columns - 2;                           \
    const bool whole = t->lanes == CK_LANES && t->rows_stored == out_rows && t->columns_stored == out_columns;                 \
    if (out_rows != three_rows || out_columns != three_columns)                                                                \
      CK_OP(winograd_output_body)(t, rows, columns, out_rows, out_columns, false);                                             \
    else if (whole)                                                                                                            \
      CK_OP(winograd_output_body)(t, rows, columns, three_rows, three_columns, true);                                          \
    else                                                                                                                       \
      CK_OP(winograd_output_body)(t, rows, columns, three_rows, three_columns, false);                                         \
  }
CK_WINOGRAD_TILES(CK_WINOGRAD_INSTANCE)

#define CK_WINOGRAD_INPUT(tile_rows, tile_columns)                                                                             \
  if (t->rows == tile_rows && t->columns == tile_columns) CK_OP(CK_CAT4(winograd_input_, tile_rows, x, tile_columns))(t);
#define CK_WINOGRAD_WEIGHTS(tile_rows, tile_columns)                                                                           \
  if (t->rows == tile_rows && t->columns == tile_columns) CK_OP(CK_CAT4(winograd_weights_, tile_rows, x, tile_columns))(t);
#define CK_WINOGRAD_OUTPUT(tile_rows, tile_columns)                                                                            \
  if (t->rows == tile_rows && t->columns == tile_columns) CK_OP(CK_CAT4(winograd_output_, tile_rows, x, tile_columns))(t);
static void CK_OP(winograd_input_tile)(const ck_winograd_input *t) { CK_WINOGRAD_TILES(CK_WINOGRAD_INPUT) }
static void CK_OP(winograd_input)(const ck_winograd_input *t) {
  const unsigned all = (1u << t->rows) - 1, each = (1u << t->columns) - 1;
  if (t->lanes == CK_LANES && (t->row_bits & all) == all && (t->column_bits & each) == each) {
    CK_OP(winograd_input_tile)(t);
    return;
  }
  CK_T patch[CK_WINOGRAD_MOST * CK_WINOGRAD_MOST * CK_LANES] __attribute__((aligned(CK_SIMD_BYTES)));
  ck_winograd_input one = *t;
  one.src = patch;
  one.row_step = t->columns * CK_LANES;
  one.column_step = CK_LANES;
  one.count = 1;
  for (int64_t c = 0; c < t->count; c++) {
    CK_OP(winograd_patch)(t, (const CK_T *)t->src + c * t->src_next, patch);
    one.dst = (CK_T *)t->dst + c * t->dst_next;
    CK_OP(winograd_input_tile)(&one);
  }
}
static void CK_OP(winograd_weights)(const ck_winograd_weights *t) { CK_WINOGRAD_TILES(CK_WINOGRAD_WEIGHTS) }
static void CK_OP(winograd_output)(const ck_winograd_output *t) { CK_WINOGRAD_TILES(CK_WINOGRAD_OUTPUT) }

#undef CK_SQRT2
#undef CK_SQRT1_2
#undef CK_WIDE_COUNT
#undef CK_WINOGRAD_TILES
#undef CK_WINOGRAD_INSTANCE
#undef CK_WINOGRAD_INPUT
#undef CK_WINOGRAD_WEIGHTS
#undef CK_WINOGRAD_OUTPUT
