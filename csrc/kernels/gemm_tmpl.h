/* gemm_tmpl.h: the micro-kernel family. Register tiles of C[rows x lanes] (+)= A[rows x K] * B[K x lanes].
 *
 * Words it needs: CK_T, CK_V, CK_VI, CK_LANES, CK_OP(...) of simd.h for the current row of dtypes.def; CK_GEMM_TILES.
 *
 *   sums[rows][vectors] = 0, or what C holds                    rows * vectors registers: 12 of 16 with AVX2, 24 to 28 of 32
 *   for ko, k:                                                  one vector load of B for each vector, one broadcast of A a row
 *     sums[i][j] += A[i][k] * B[k][j]
 *   C = activation(sums + bias), a zero is +0                   the last vector masked
 *
 * The body is one function whose tile size and addressing are compile-time constants after inlining; `tiles` below lists every
 * size as an instance. Packed A wants 4 * rows bytes a step from L1, B a vector each: 64 bytes a step for 12 FMAs with AVX2.
 * The loop over k must stay free of spills: look for stack traffic in its disassembly after a change. After: Van Zee and van de
 * Geijn, BLIS, ACM TOMS 41(3), 2015, section 4, for the shape of the tile; the addressing is our own. */

/* Bytes of packed weights that are fetched before they are used: few rows go through them at the speed of L3. */
#define CK_GEMM_AHEAD 1536

/* Moves the runs of all rows between C and a block in which each row has all its lanes, in whole vectors. A run, or the piece
 * of one that lies in one vector, goes by a mask; shared by all sizes. */
static CK_NOINLINE void CK_OP(gemm_runs)(const ck_gemm_tile *t, CK_T *c, CK_T *block, const ptrdiff_t pitch, const bool store) {
  int at = 0, end = t->first_run; /* lanes [at, end) of the current run are still to come */
  for (int j = 0; j < t->lanes; j += CK_LANES) {
    const int stop = j + CK_LANES < t->lanes ? j + CK_LANES : t->lanes;
    for (int i = 0; i < t->rows && !store; i++) CK_OP(store)(block + i * pitch + j, (CK_V){0});
    while (at < stop) {
      const int from = at - j, to = (end < stop ? end : stop) - j;
      for (int i = 0; i < t->rows; i++) {
        CK_T *const inside = block + i * pitch + j, *const outside = c + i * t->c_stride + j;
        if (store)
          CK_OP(store_between)(outside, CK_OP(load)(inside), from, to);
        else
          CK_OP(store)(inside, (CK_V)((CK_VI)CK_OP(load)(inside) | (CK_VI)CK_OP(load_between)(outside, from, to)));
      }
      at = to + j;
      if (at < end) continue;
      at += t->gap;
      end = at + t->run;
      c -= t->gap; /* where the lanes of the first row would begin if there had been no gaps but those so far */
    }
  }
}

/* The upper bound of relu6, after the sums have been stored: in the code of every size it would be 3 % of the package. */
static CK_NOINLINE void CK_OP(gemm_bound)(CK_T *c, const ptrdiff_t c_stride, const int rows, const int lanes) {
  const CK_V six = CK_OP(splat)(6);
  for (int i = 0; i < rows; i++, c += c_stride) {
    for (int j = 0; j < lanes; j += CK_LANES) {
      const CK_V sums = CK_OP(load_first)(c + j, lanes - j);
      CK_OP(store_first)(c + j, CK_OP(select)((CK_VI)(sums > six), six, sums), lanes - j);
    }
  }
}

CK_INLINE void CK_OP(gemm_start)(const ck_gemm_tile *t, const CK_T *c, const ptrdiff_t c_stride, const int rows,
                                 const int vectors, const int tail, CK_V sums[][CK_TILE_VECTORS]) {
  static const CK_T no_bias[CK_TILE_ROWS];
  const CK_T *const row_bias = t->row_bias ? t->row_bias : no_bias, *const lane_bias = t->lane_bias;
  CK_UNROLL(4)
  for (int j = 0; j < vectors; j++) {
    const int lanes = j < vectors - 1 ? CK_LANES : tail;
    const CK_V term =
        lane_bias && !t->resume ? CK_OP(load_first)(lane_bias + j * CK_LANES, t->lanes - j * CK_LANES) : (CK_V){0};
    CK_UNROLL(14)
    for (int i = 0; i < rows; i++)
      sums[i][j] = t->resume ? CK_OP(load_first)(c + i * c_stride + j * CK_LANES, lanes) : term + row_bias[i];
  }
}

CK_INLINE void CK_OP(gemm_finish)(const ck_gemm_tile *t, CK_T *c, const ptrdiff_t c_stride, const int rows, const int vectors,
                                  const int tail, CK_V sums[][CK_TILE_VECTORS]) {
  if (t->add) {
    CK_UNROLL(14)
    for (int i = 0; i < rows; i++) {
      CK_UNROLL(4)
      for (int j = 0; j < vectors; j++)
        sums[i][j] += CK_OP(load_first)(c + i * c_stride + j * CK_LANES, j < vectors - 1 ? CK_LANES : tail);
    }
  }
  /* A product may underflow to -0, and whether zeros of the padding are added to such a sum depends on how pixels are read. */
  const CK_V zero = {0};
  CK_UNROLL(14)
  for (int i = 0; i < rows; i++) {
    CK_UNROLL(4)
    for (int j = 0; j < vectors; j++) sums[i][j] += zero;
  }
  if (t->activation != CK_ACTIVATION_NONE) {
    CK_UNROLL(14)
    for (int i = 0; i < rows; i++) {
      CK_UNROLL(4)
      for (int j = 0; j < vectors; j++) sums[i][j] = CK_OP(select)((CK_VI)(sums[i][j] < zero), zero, sums[i][j]);
    }
  }
  CK_UNROLL(14)
  for (int i = 0; i < rows; i++) {
    CK_UNROLL(4)
    for (int j = 0; j < vectors; j++)
      CK_OP(store_first)(c + i * c_stride + j * CK_LANES, sums[i][j], j < vectors - 1 ? CK_LANES : tail);
  }
  if (t->activation == CK_ACTIVATION_RELU6) CK_OP(gemm_bound)(c, c_stride, rows, (vectors - 1) * CK_LANES + tail);
}

CK_INLINE void CK_OP(gemm_body)(const ck_gemm_tile *t, const int rows, const int vectors, const bool a_in_place,
                                const bool b_in_place) {
  CK_V sums[CK_TILE_ROWS][CK_TILE_VECTORS];
  const ptrdiff_t a_stride = t->a_stride, b_stride = t->b_stride;
  CK_T whole[CK_TILE_ROWS * CK_TILE_VECTORS * CK_LANES] __attribute__((aligned(CK_SIMD_BYTES))); /* the lanes with their gaps */
  const bool gaps = b_in_place && t->gap > 0;
  const ptrdiff_t c_stride = gaps ? vectors * CK_LANES : t->c_stride;
  const int tail = gaps ? CK_LANES : t->lanes - (vectors - 1) * CK_LANES;
  const CK_T *a_tile = t->a, *b_tile = t->b;
  CK_T *c_tile = t->c;
  uintptr_t ahead = t->ahead;
  const uintptr_t ahead_step = (uintptr_t)(t->ahead ? t->ahead_step : a_in_place ? b_stride * (ptrdiff_t)sizeof(CK_T) : 0);

  for (int64_t tiles = t->tiles; tiles > 0; tiles--) {
    CK_T *const c = gaps ? whole : c_tile;
    if (gaps && t->resume) CK_OP(gemm_runs)(t, c_tile, whole, c_stride, false);
    CK_OP(gemm_start)(t, c, c_stride, rows, vectors, tail, sums);

    const CK_T *b = b_tile;
    if (!t->ahead) ahead = a_in_place ? (uintptr_t)b + CK_GEMM_AHEAD : (uintptr_t)b;
    const ptrdiff_t *b_offset = t->b_offsets;
    for (int64_t ko = 0; ko < t->k_outer; ko++) {
      const CK_T *a = a_tile;
      if (a_in_place && t->runs) {
        a += t->runs[ko].a;
        b = b_tile + t->runs[ko].b * b_stride;
        if (!t->ahead) ahead = (uintptr_t)b + CK_GEMM_AHEAD;
      }
      /* In place, every third row has a pointer and the next two are one and two strides from it: a register for each row would
       * be more than there are, and the compiler must not see through it. */
      const CK_T *third[(CK_TILE_ROWS + 2) / 3];
      CK_UNROLL(5)
      for (int i = 0; i < rows; i += 3) {
        third[i / 3] = a + i * a_stride;
        __asm__("" : "+r"(third[i / 3]));
      }
      for (int64_t k = t->k; k > 0; k--) {
        const CK_T *from = b_in_place ? b + *b_offset++ : b;
        CK_V line[CK_TILE_VECTORS];
        if (b_in_place) ahead = (uintptr_t)b + (uintptr_t)b_offset[CK_OFFSETS_AHEAD - 1] * sizeof(CK_T);
        const int lines = b_in_place ? vectors : a_in_place ? (vectors * CK_SIMD_BYTES + 63) / 64 : 1;
        CK_UNROLL(4)
        for (int j = 0; j < lines; j++)
          __builtin_prefetch((const void *)(ahead + (uintptr_t)j * (b_in_place ? CK_SIMD_BYTES : 64)));
        ahead += ahead_step;
        CK_UNROLL(4)
        for (int j = 0; j < vectors; j++) line[j] = CK_OP(load)(from + j * CK_LANES);
        CK_UNROLL(14)
        for (int i = 0; i < rows; i++) {
          const CK_T at = a_in_place ? third[i / 3][i % 3 * a_stride] : a[i];
          CK_UNROLL(4)
          for (int j = 0; j < vectors; j++) sums[i][j] += at * line[j];
        }
        if (!a_in_place) a += rows;
        CK_UNROLL(5)
        for (int i = 0; i < rows; i += 3) third[i / 3]++;
        if (!b_in_place) b += b_stride;
      }
    }
    CK_OP(gemm_finish)(t, c, c_stride, rows, vectors, tail, sums);
    if (gaps) CK_OP(gemm_runs)(t, c_tile, whole, c_stride, true);
    a_tile += t->a_next;
    b_tile += t->b_next;
    c_tile += t->c_next;
  }
}

/* One function for each size and kind of addressing (A, then B; p packed, i in place), and a table of them. */
#define CK_GEMM_FUNCTION(kind, vectors, rows) CK_OP(CK_CAT4(gemm_##kind##_, vectors, x, rows))
#define CK_GEMM_INSTANCE(kind, a_in_place, b_in_place, vectors, rows)                                                          \
  static CK_NOINLINE void CK_GEMM_FUNCTION(kind, vectors, rows)(const ck_gemm_tile *t) {                                       \
    CK_OP(gemm_body)(t, rows, vectors, a_in_place, b_in_place);                                                                \
  }
#define CK_GEMM_PACKED(vectors, rows) CK_GEMM_INSTANCE(pp, false, false, vectors, rows)
#define CK_GEMM_A_IN_PLACE(vectors, rows) CK_GEMM_INSTANCE(ip, true, false, vectors, rows)
#define CK_GEMM_B_IN_PLACE(vectors, rows) CK_GEMM_INSTANCE(pi, false, true, vectors, rows)
#if CK_KIND == CK_KIND_REAL
#define CK_GEMM_SIZES CK_GEMM_TILES
CK_GEMM_SIZES(CK_GEMM_B_IN_PLACE)
#else
#define CK_GEMM_SIZES CK_GEMM_INTEGER_TILES
#endif
CK_GEMM_SIZES(CK_GEMM_PACKED)
CK_GEMM_SIZES(CK_GEMM_A_IN_PLACE)

static void CK_OP(gemm)(const ck_gemm_tile *t) {
  typedef void (*instance)(const ck_gemm_tile *);
#define CK_GEMM_SLOT(vectors, rows)                                                                                            \
  [vectors - 1][rows - 1][0] = CK_GEMM_FUNCTION(pp, vectors, rows),                                                            \
                       [vectors - 1][rows - 1][1] = CK_GEMM_FUNCTION(ip, vectors, rows),
#define CK_GEMM_SLOT_REAL(vectors, rows) [vectors - 1][rows - 1][2] = CK_GEMM_FUNCTION(pi, vectors, rows),
  static const instance instances[CK_TILE_VECTORS][CK_TILE_ROWS][3] = {
    CK_GEMM_SIZES(CK_GEMM_SLOT)
#if CK_KIND == CK_KIND_REAL
        CK_GEMM_SIZES(CK_GEMM_SLOT_REAL)
#endif
  };
  const int vectors = (t->lanes + CK_LANES - 1) / CK_LANES;
  instances[vectors - 1][t->rows - 1][t->b_offsets ? 2 : t->a_in_place ? 1 : 0](t);
}

#undef CK_GEMM_AHEAD
#undef CK_GEMM_FUNCTION
#undef CK_GEMM_INSTANCE
#undef CK_GEMM_PACKED
#undef CK_GEMM_A_IN_PLACE
#undef CK_GEMM_B_IN_PLACE
#undef CK_GEMM_SLOT
#undef CK_GEMM_SLOT_REAL
#undef CK_GEMM_SIZES
