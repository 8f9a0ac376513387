/* kernels_gemm.h: tests of the micro-kernel family: every tile size of every table, with every way to address its operands. */
#ifndef CONVKIT_TESTS_KERNELS_GEMM_H
#define CONVKIT_TESTS_KERNELS_GEMM_H

#include "dispatch.h"
#include "elements.h"

typedef enum { GEMM_PACKED, GEMM_A_IN_PLACE, GEMM_A_RUNS, GEMM_B_OFFSETS, GEMM_B_RUNS, GEMM_WAYS } gemm_way;

enum { gemm_longest = 48, gemm_widest = 64, gemm_series = 3 };

/* One series of tiles. Operands as each should see them: a[rows][length], b[length][lanes], start[rows][lanes]. */
typedef struct {
  ck_dtype dtype;
  gemm_way way;
  ck_gemm_tile tile;
  int64_t length, a[gemm_series][CK_TILE_ROWS][gemm_longest], b[gemm_series][gemm_longest][gemm_widest];
  int64_t start[gemm_series][CK_TILE_ROWS][gemm_widest];
  int64_t column[gemm_widest], columns; /* where a lane stands in a row of C, -1: it is dropped; and how many stay */
  unsigned char *c_before;
  size_t c_bytes;
} gemm_case;

static ptrdiff_t *gemm_offsets(const char *name, int64_t count) {
  return guard_new(name, (size_t)count * sizeof(ptrdiff_t), sizeof(ptrdiff_t), check_side());
}

static void gemm_make_a(gemm_case *g) {
  const element_type *type = &element_types[g->dtype];
  ck_gemm_tile *t = &g->tile;
  const int64_t rows = t->rows, k = t->k, ko = t->k_outer;
  const bool packed = g->way != GEMM_A_IN_PLACE && g->way != GEMM_A_RUNS;
  int64_t reach = 0;
  if (g->way == GEMM_A_RUNS) {
    ck_gemm_run *runs = guard_new("runs", (size_t)ko * sizeof *runs, sizeof(ptrdiff_t), check_side());
    for (int64_t o = 0; o < ko; o++) {
      runs[o] = (ck_gemm_run){.a = check_pick(0, 40), .b = check_pick(0, 20)};
      reach = runs[o].a > reach ? runs[o].a : reach;
    }
    guard_freeze(runs);
    t->runs = runs;
  }
  t->a_in_place = !packed;
  t->a_stride = packed ? -1 : t->runs ? check_pick(0, 5) : k + check_pick(0, 3);
  t->a_next = check_pick(0, 10);
  const int64_t one = packed ? rows * k : reach + (rows - 1) * t->a_stride + k;
  void *a = elements_new("a", g->dtype, (t->tiles - 1) * t->a_next + one, check_side());
  for (int64_t s = 0; s < t->tiles; s++)
    for (int64_t i = 0; i < rows; i++)
      for (int64_t n = 0; n < g->length; n++)
        g->a[s][i][n] =
            type->get(a, s * t->a_next + (packed ? n * rows + i : (t->runs ? t->runs[n / k].a : 0) + i * t->a_stride + n % k));
  guard_freeze(a);
  t->a = a;
}

/* Whole vectors of B are read; packed, the lanes beyond the tile's stay as guard_new made them: NaN must not get into others.
 * Entries of b_offsets that are only fetched ahead may hold anything. */
static void gemm_make_b(gemm_case *g, int64_t width) {
  const element_type *type = &element_types[g->dtype];
  ck_gemm_tile *t = &g->tile;
  const bool packed = g->way < GEMM_B_OFFSETS;
  t->b_stride = packed ? width + check_pick(0, 2) : -1;
  int64_t held = g->length; /* rows */
  for (int64_t o = 0; t->runs && o < t->k_outer; o++) held = t->runs[o].b + t->k > held ? t->runs[o].b + t->k : held;
  t->b_next = packed ? held * t->b_stride : check_pick(0, 10);
  const int64_t room = check_pick(0, 50), one = (packed ? (held > 0 ? held - 1 : 0) * t->b_stride : room) + width;
  const int64_t count = (t->tiles - 1) * t->b_next + one;
  const size_t size = element_size(g->dtype);
  char *b = guard_new("b", (size_t)count * size, size, check_side());
  const int64_t origin = packed ? 0 : check_pick(0, room);
  ptrdiff_t *offsets = packed ? NULL : gemm_offsets("b offsets", g->length + CK_OFFSETS_AHEAD);
  if (!packed) elements_fill(g->dtype, b, count);
  for (int64_t n = 0; n < t->tiles * held && packed; n++)
    for (int64_t j = 0; j < t->lanes; j++) type->set(b, n * t->b_stride + j, element_any(g->dtype));
  for (int64_t n = 0; n < g->length; n++) {
    if (offsets) offsets[n] = check_pick(0, room) - origin;
    const int64_t row = t->runs ? t->runs[n / t->k].b + n % t->k : n;
    for (int64_t s = 0; s < t->tiles; s++)
      for (int64_t j = 0; j < t->lanes; j++)
        g->b[s][n][j] = type->get(b, s * t->b_next + (packed ? row * t->b_stride : origin + offsets[n]) + j);
  }
  guard_freeze(b);
  t->b = b + (size_t)origin * size;
  t->b_offsets = offsets;
}

/* Which lanes are stored, and where. */
static void gemm_make_runs(gemm_case *g) {
  ck_gemm_tile *t = &g->tile;
  if (g->way == GEMM_B_RUNS) {
    t->first_run = (int)check_pick(1, t->lanes);
    t->run = (int)check_pick(1, t->lanes);
    t->gap = (int)check_pick(0, 20);
    check_note(" runs=%d,%d gap=%d", t->first_run, t->run, t->gap);
  }
  g->columns = 0;
  for (int64_t j = 0, left = t->first_run; j < t->lanes; j++) {
    if (t->gap > 0 && left == -t->gap) left = t->run;
    g->column[j] = t->gap == 0 || left > 0 ? g->columns++ : -1;
    left--;
  }
}

/* C with what lies between its rows, and a copy of it; biases. */
static void gemm_make_c(gemm_case *g) {
  const element_type *type = &element_types[g->dtype];
  ck_gemm_tile *t = &g->tile;
  const size_t size = element_size(g->dtype);
  void *row_bias = check_pick(0, 1) ? elements_new("row bias", g->dtype, t->rows, check_side()) : NULL;
  void *lane_bias = check_pick(0, 1) ? elements_new("lane bias", g->dtype, t->lanes, check_side()) : NULL;
  const bool beside = check_pick(0, 1);
  t->c_next = g->columns + check_pick(0, 3);
  t->c_stride = beside ? t->tiles * t->c_next : t->c_next;
  if (!beside) t->c_next = t->rows * t->c_stride + check_pick(0, 3);
  g->c_bytes = (size_t)((t->tiles - 1) * t->c_next + (t->rows - 1) * t->c_stride + g->columns) * size;
  t->c = guard_new("c", g->c_bytes, size, check_side());
  for (int64_t s = 0; s < t->tiles; s++) {
    for (int64_t i = 0; i < t->rows; i++) {
      for (int64_t j = 0; j < t->lanes; j++) {
        const int64_t row = row_bias ? type->get(row_bias, i) : 0, lane = lane_bias ? type->get(lane_bias, j) : 0;
        int64_t *const start = &g->start[s][i][j];
        *start = t->resume ? element_any(g->dtype) : (int64_t)((uint64_t)row + (uint64_t)lane);
        if (t->resume && g->column[j] >= 0) type->set(t->c, s * t->c_next + i * t->c_stride + g->column[j], *start);
      }
    }
  }
  t->row_bias = row_bias;
  t->lane_bias = lane_bias;
  g->c_before = malloc(g->c_bytes);
  memcpy(g->c_before, t->c, g->c_bytes);
}

static void gemm_compare(gemm_case *g) {
  const ck_gemm_tile *t = &g->tile;
  const size_t size = element_size(g->dtype);
  for (int64_t s = 0; s < t->tiles; s++) {
    for (int64_t i = 0; i < t->rows; i++) {
      for (int64_t j = 0; j < t->lanes; j++) {
        const int64_t at = s * t->c_next + i * t->c_stride + g->column[j];
        uint64_t sum = (uint64_t)g->start[s][i][j];
        if (g->column[j] < 0) continue;
        for (int64_t n = 0; n < g->length; n++) sum += (uint64_t)g->a[s][i][n] * (uint64_t)g->b[s][n][j];
        const int64_t expected = element_activated(g->dtype, element_wrap(g->dtype, sum), (int)t->activation);
        if (!CHECK_ELEMENT(g->dtype, t->c, at, expected, "c")) return;
        memcpy(g->c_before + (size_t)at * size, (char *)t->c + (size_t)at * size, size);
      }
    }
  }
  CHECK(memcmp(g->c_before, t->c, g->c_bytes) == 0, "memory between the rows of c was written");
}

static void gemm_tiles(const ck_kernels *kernels, ck_dtype dtype, gemm_way way, ck_gemm_tile tile) {
  static gemm_case g;
  const int64_t width = (tile.lanes + kernels->lanes - 1) / kernels->lanes * kernels->lanes;
  g.dtype = dtype;
  g.way = way;
  g.tile = tile;
  g.tile.k = check_pick(1, 12);
  g.tile.k_outer = way == GEMM_A_RUNS ? check_pick(0, 4) : 1;
  g.tile.tiles = check_pick(1, gemm_series);
  g.length = g.tile.k * g.tile.k_outer;
  check_note(" k=%lldx%lld tiles=%lld", (long long)g.tile.k_outer, (long long)g.tile.k, (long long)g.tile.tiles);
  gemm_make_a(&g);
  gemm_make_b(&g, width);
  gemm_make_runs(&g);
  gemm_make_c(&g);
  kernels->gemm(&g.tile);
  gemm_compare(&g);
  free(g.c_before);
  guard_done();
}

/* ---- Order of summation, NaN --------------------------------------------------------------------------------------------- */

static double gemm_step(const ck_kernel_table *table, ck_dtype dtype, double a, double b, double sum) {
  if (dtype == CK_DTYPE_f32) {
    const volatile float product = (float)a * (float)b;
    return table->has_fma ? fmaf((float)a, (float)b, (float)sum) : product + (float)sum;
  }
  const volatile double product = a * b;
  return table->has_fma ? fma(a, b, sum) : product + sum;
}

static void *gemm_numbers(ck_dtype dtype, const char *name, int64_t count, double *numbers) {
  void *array = guard_new(name, (size_t)count * element_size(dtype), element_size(dtype), GUARD_END);
  for (int64_t i = 0; i < count; i++) {
    element_types[dtype].set_double(array, i, (double)check_pick(-1000000, 1000000) / 7);
    numbers[i] = element_types[dtype].as_double(array, i);
  }
  return array;
}

/* Numbers that are no integers: each sum must be one chain over k, in order, that starts from the bias and is fused where
 * the table says so. */
static void gemm_chain(const ck_kernel_table *table, ck_dtype dtype, int rows, int lanes) {
  enum { length = 9 };
  double a[length * CK_TILE_ROWS], b[length * gemm_widest], bias[CK_TILE_ROWS];
  const ck_gemm_tile t = {.a = gemm_numbers(dtype, "a", length * rows, a),
                          .b = gemm_numbers(dtype, "b", length * lanes, b),
                          .row_bias = gemm_numbers(dtype, "bias", rows, bias),
                          .c = guard_new("c", (size_t)(rows * lanes) * element_size(dtype), 8, GUARD_END),
                          .b_stride = lanes,
                          .c_stride = lanes,
                          .k_outer = 1,
                          .k = length,
                          .rows = rows,
                          .lanes = lanes,
                          .tiles = 1};
  table->of[dtype].gemm(&t);
  for (int i = 0; i < rows; i++) {
    for (int j = 0; j < lanes; j++) {
      double sum = bias[i];
      for (int n = 0; n < length; n++) sum = gemm_step(table, dtype, a[n * rows + i], b[n * lanes + j], sum);
      const double got = element_types[dtype].as_double(t.c, i * lanes + j);
      CHECK(got == sum, "c[%d][%d] is %a, not %a", i, j, got, sum);
    }
  }
  guard_done();
}

/* An activation leaves a NaN alone, and a NaN of one row or lane stays there. */
static void gemm_nan(const ck_kernels *kernels, ck_dtype dtype, ck_activation activation) {
  const int64_t rows = kernels->rows[1], lanes = 2 * kernels->lanes;
  const element_type *type = &element_types[dtype];
  void *a = elements_new("a", dtype, 3 * rows, GUARD_END), *b = elements_new("b", dtype, 3 * lanes, GUARD_END);
  void *c = elements_new("c", dtype, rows * lanes, GUARD_END);
  type->set(a, rows + 1, ELEMENT_NAN);
  type->set(b, 2 * lanes + 2, ELEMENT_NAN);
  const ck_gemm_tile t = {.a = a,
                          .b = b,
                          .c = c,
                          .b_stride = lanes,
                          .c_stride = lanes,
                          .k_outer = 1,
                          .k = 3,
                          .rows = (int)rows,
                          .lanes = (int)lanes,
                          .tiles = 1,
                          .activation = activation};
  kernels->gemm(&t);
  for (int64_t i = 0; i < rows; i++)
    for (int64_t j = 0; j < lanes; j++)
      CHECK((type->get(c, i * lanes + j) == ELEMENT_NAN) == (i == 1 || j == 2), "c[%d][%d] is %g", (int)i, (int)j,
            type->as_double(c, i * lanes + j));
  guard_done();
}

/* ---- All of them --------------------------------------------------------------------------------------------------------- */

/* Every shape that a plan may choose must have its narrower tiles too: they are the ends of rows. */
static void gemm_shapes(const ck_kernels *kernels) {
  for (int s = 0; s < CK_TILE_SHAPES && kernels->shapes[s].rows; s++) {
    CHECK(kernels->shapes[s].vectors <= CK_TILE_VECTORS && kernels->shapes[s].rows <= CK_TILE_ROWS, "shape %d", s);
    for (int v = 1; v <= kernels->shapes[s].vectors; v++)
      CHECK(kernels->rows[v - 1] >= kernels->shapes[s].rows, "shape %dx%d: a tile of %d vectors has %d rows at most",
            kernels->shapes[s].vectors, kernels->shapes[s].rows, v, kernels->rows[v - 1]);
  }
}

static void test_gemm(const ck_kernel_table *table, ck_dtype dtype) {
  static const char *const ways[] = {"packed", "A in place", "A in runs", "B by offsets", "B in runs"};
  const ck_kernels *kernels = &table->of[dtype];
  const char *name = element_types[dtype].name;
  const int way_count = element_types[dtype].real ? GEMM_WAYS : GEMM_B_OFFSETS; /* B is read in place by reals only */
  if (check_case("gemm %s %s shapes", table->name, name)) gemm_shapes(kernels);
  for (int lanes = 1; lanes <= CK_TILE_VECTORS * kernels->lanes; lanes++) {
    const int most = kernels->rows[(lanes - 1) / kernels->lanes];
    for (int rows = 1; rows <= most; rows++) {
      for (int kind = 0; kind < way_count * 6; kind++) {
        const ck_gemm_tile tile = {
            .rows = rows, .lanes = lanes, .resume = kind % 2, .activation = (ck_activation)(kind / 2 % 3)};
        if (check_case("gemm %s %s rows=%d lanes=%d %s resume=%d activation=%d", table->name, name, rows, lanes, ways[kind / 6],
                       tile.resume, (int)tile.activation))
          gemm_tiles(kernels, dtype, (gemm_way)(kind / 6), tile);
      }
      if (element_types[dtype].real && lanes % kernels->lanes == 0 && !CHECK_SANITIZED)
        if (check_case("gemm %s %s rows=%d lanes=%d order of the sum", table->name, name, rows, lanes))
          gemm_chain(table, dtype, rows, lanes);
    }
  }
  for (int activation = CK_ACTIVATION_NONE; element_types[dtype].real && activation <= CK_ACTIVATION_RELU6; activation++)
    if (check_case("gemm %s %s NaN activation=%d", table->name, name, activation))
      gemm_nan(kernels, dtype, (ck_activation)activation);
}

#endif
