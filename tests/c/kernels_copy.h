/* kernels_copy.h: tests of the kernels that move elements: transpose, pack, scatter_add, fill_lowest; and of the probe. */
#ifndef CONVKIT_TESTS_KERNELS_COPY_H
#define CONVKIT_TESTS_KERNELS_COPY_H

#include "dispatch.h"
#include "elements.h"

/* ---- Transposition ------------------------------------------------------------------------------------------------------- */

/* With `fill` rows of dst are filled up to whole vectors. */
static void transpose_one(const ck_kernels *kernels, ck_dtype dtype, int64_t rows, int64_t columns, int64_t turns) {
  const element_type *type = &element_types[dtype];
  const size_t size = element_size(dtype);
  ck_transpose t = {.rows = rows, .columns = columns, .turns = turns, .fill = check_pick(0, 1)};
  const int64_t written = t.fill ? (rows + kernels->lanes - 1) / kernels->lanes * kernels->lanes : rows;
  t.src_stride = columns + check_pick(0, 3);
  t.dst_stride = written + (check_pick(0, 1) ? check_pick(1, 3) : 0);
  if (turns > 1 && check_pick(0, 1)) {
    t.turns_together = check_pick(1, (int)turns);
    t.gap = check_pick(1, 20);
  }
  const int64_t gaps = t.gap ? (turns - 1) / t.turns_together * t.gap : 0; /* between the turns, at most */
  check_note(" fill=%d together=%d gap=%d", t.fill, (int)t.turns_together, (int)t.gap);
  void *src = elements_new("src", dtype, (rows - 1) * t.src_stride + columns, check_side());
  void *dst = guard_new("dst", (size_t)((columns - 1) * t.dst_stride + gaps + written) * size, size, check_side());
  const bool not_finite = element_types[dtype].real && check_pick(0, 1);
  bool finite = not_finite;
  if (check_pick(0, 3)) t.finite = &finite;
  if (not_finite) type->set(src, check_pick(0, rows - 1) * t.src_stride + check_pick(0, columns - 1), ELEMENT_NAN);
  guard_freeze(src);
  t.src = src;
  t.dst = dst;
  kernels->transpose(&t);
  CHECK(!t.finite || finite == !not_finite, "finite is %d", finite);
  for (int64_t j = 0; j < columns; j++) {
    const int64_t row = turns > 1 ? j % turns * (columns / turns) + j / turns : j;
    const int64_t at = row * t.dst_stride + (t.gap ? j % turns / t.turns_together * t.gap : 0);
    for (int64_t i = 0; i < rows; i++) CHECK_ELEMENT(dtype, dst, at + i, type->get(src, i * t.src_stride + j), "dst");
    for (int64_t i = rows; i < written; i++)
      CHECK(!guard_untouched(dst, (size_t)(at + i) * size, size), "row %d was not filled", (int)row);
    if (row == columns - 1) continue;
    const bool last = t.gap && (row + 1) % (columns / turns * t.turns_together) == 0; /* before a gap */
    const int64_t behind = t.dst_stride - written + (last ? t.gap : 0);
    CHECK(guard_untouched(dst, (size_t)(at + written) * size, (size_t)behind * size), "memory behind row %d of dst was written",
          (int)row);
  }
  guard_done();
}

static void test_transpose(const ck_kernel_table *table, ck_dtype dtype) {
  const int lanes = table->of[dtype].lanes;
  for (int rows = 1; rows <= 2 * lanes + 1; rows++)
    for (int columns = 1; columns <= 3 * lanes + 1; columns++)
      for (int turns = 0; turns <= 9; turns++)
        if (turns == 0 || (columns % turns == 0 && rows % 3 == 1))
          if (check_case("transpose %s %s rows=%d columns=%d turns=%d", table->name, element_types[dtype].name, rows, columns,
                         turns))
            transpose_one(&table->of[dtype], dtype, rows, columns, turns);
  for (int rows = 1; rows <= lanes + 1; rows += lanes)
    for (int turns = CK_TURNS_MOST - lanes; turns <= CK_TURNS_MOST; turns += lanes - 1)
      if (check_case("transpose %s %s rows=%d turns=%d", table->name, element_types[dtype].name, rows, turns))
        transpose_one(&table->of[dtype], dtype, rows, 2 * turns, turns);
}

/* ---- Packing ------------------------------------------------------------------------------------------------------------- */

enum { pack_moves = 6 };

/* Moves that fill `total` elements of each channel without a gap; all but zeros are dealt if `dealt`. */
static int64_t pack_make_moves(ck_move moves[pack_moves], int64_t count, int64_t plane, int64_t stride, int64_t longest,
                               int64_t only, bool dealt) {
  int64_t total = 0;
  for (int64_t m = 0; m < count; m++) {
    const bool zeros = only == 0 && check_pick(0, 2) == 0;
    const int64_t behind = dealt ? stride - 1 : 0;
    const int64_t most = zeros ? longest : (plane - 1 - behind) / stride + 1, length = only ? only : check_pick(1, most);
    const int64_t last = plane - 1 - (length - 1) * stride - behind;
    moves[m] = (ck_move){.dst = total, .count = (int32_t)length, .dealt = dealt && !zeros};
    moves[m].src = zeros ? CK_MOVE_ZERO : check_pick(0, 3) ? check_pick(0, last) : last;
    total += length;
  }
  return total;
}

/* `only`: the length of a single run that ends with the plane; 0: a few of random lengths. */
static void pack_one(const ck_kernel_table *table, ck_dtype dtype, int64_t stride, int64_t only, bool dealt) {
  const element_type *type = &element_types[dtype];
  const ck_dtype sum = ck_dtype_sum(dtype);
  const int64_t lanes = table->of[sum].lanes, longest = 3 * lanes + 3;
  const int64_t plane = (only ? only - 1 : check_pick(1, longest)) * stride + check_pick(1, 3) + (dealt ? stride - 1 : 0);
  const int64_t count = only ? 1 : check_pick(1, pack_moves), channels = check_pick(1, 3), behind = check_pick(0, 1) * 40;
  ck_move moves[pack_moves];
  const int64_t total = pack_make_moves(moves, count, plane, stride, longest, only, dealt);
  const int64_t origin = check_pick(0, 3), runs = dealt ? stride : 1, apart = channels * total + lanes;
  for (int64_t m = 0; m < count; m++) {
    moves[m].dst += origin;
    moves[m].step = (int32_t)total;
  }
  void *src = elements_new("src", dtype, channels * plane + behind, check_side());
  guard_freeze(src);
  const size_t size = element_size(sum);
  void *dst = guard_new("dst", (size_t)(origin + runs * apart - 1) * size, size, check_side());
  const ck_pack p = {.src = src,
                     .src_end = (char *)src + (size_t)(channels * plane + behind) * element_size(dtype),
                     .dst = dst,
                     .moves = moves,
                     .move_count = count,
                     .channels = channels,
                     .src_step = plane,
                     .stride = stride,
                     .apart = apart};
  check_note(" moves=%d channels=%d", (int)count, (int)channels);
  table->of[dtype].pack(&p);
  for (int64_t c = 0; c < channels; c++)
    for (int64_t m = 0; m < count; m++)
      for (int64_t i = 0; i < moves[m].count * runs; i++) {
        const int64_t run = i % runs, at = i / runs; /* zeros are not dealt */
        if (run > 0 && !moves[m].dealt) continue;
        const int64_t from = c * plane + moves[m].src + at * stride + run;
        CHECK_ELEMENT(sum, dst, moves[m].dst + c * total + at + run * apart,
                      moves[m].src == CK_MOVE_ZERO ? 0 : type->get(src, from), "dst");
      }
  CHECK(guard_untouched(dst, 0, (size_t)origin * size), "memory before the first move was written");
  guard_done();
}

static void test_pack(const ck_kernel_table *table, ck_dtype dtype) {
  const int64_t lanes = table->of[ck_dtype_sum(dtype)].lanes;
  for (int64_t way = 1; way <= CK_DEALT + 1; way++) {
    const bool dealt = way > CK_DEALT;
    const int64_t stride = dealt ? CK_DEALT : way;
    if (dealt && !element_types[dtype].real) continue;
    for (int64_t only = 1; only <= 2 * lanes + 1; only++)
      if (check_case("pack %s %s stride=%d dealt=%d run=%d", table->name, element_types[dtype].name, (int)stride, dealt,
                     (int)only))
        pack_one(table, dtype, stride, only, dealt);
    for (int64_t i = 0; i < check_draws(60); i++)
      if (check_case("pack %s %s stride=%d dealt=%d", table->name, element_types[dtype].name, (int)stride, dealt))
        pack_one(table, dtype, stride, 0, dealt);
  }
}

/* ---- Others -------------------------------------------------------------------------------------------------------------- */

static void scatter_add_one(const ck_kernels *kernels, ck_dtype dtype, int64_t count, int64_t stride) {
  const element_type *type = &element_types[dtype];
  const int64_t length = (count - 1) * stride + 1;
  void *src = elements_new("src", dtype, count, check_side()), *dst = elements_new("dst", dtype, length, check_side());
  int64_t *before = malloc((size_t)length * sizeof *before);
  for (int64_t i = 0; i < length; i++) before[i] = type->get(dst, i);
  guard_freeze(src);
  const ck_scatter_add s = {.src = src, .dst = dst, .count = count, .stride = stride};
  kernels->scatter_add(&s);
  for (int64_t i = 0; i < length; i++) {
    const uint64_t more = i % stride == 0 ? (uint64_t)type->get(src, i / stride) : 0;
    CHECK_ELEMENT(dtype, dst, i, element_wrap(dtype, (uint64_t)before[i] + more), "dst");
  }
  free(before);
  guard_done();
}

static void test_scatter_add(const ck_kernel_table *table, ck_dtype dtype) {
  for (int count = 1; count <= 2 * table->of[dtype].lanes + 1; count++)
    for (int stride = 1; stride <= 3; stride++)
      if (check_case("scatter_add %s %s count=%d stride=%d", table->name, element_types[dtype].name, count, stride))
        scatter_add_one(&table->of[dtype], dtype, count, stride);
}

/* Minus infinity, or a number below which the dtype has none: one less wraps to more. */
static void test_fill_lowest(const ck_kernel_table *table, ck_dtype dtype) {
  const element_type *type = &element_types[dtype];
  for (int count = 1; count <= 70; count++) {
    if (!check_case("fill_lowest %s %s count=%d", table->name, type->name, count)) continue;
    void *dst = guard_new("dst", (size_t)count * element_size(dtype), element_size(dtype), check_side());
    table->of[dtype].fill_lowest(dst, count);
    for (int i = 0; i < count; i++) {
      const int64_t got = type->get(dst, i);
      if (type->real)
        CHECK(got == -ELEMENT_INFINITY, "dst[%d] is %g", i, type->as_double(dst, i));
      else
        CHECK(type->less(got, element_wrap(dtype, (uint64_t)got - 1)), "dst[%d] is %lld", i, (long long)got);
    }
    guard_done();
  }
}

/* What it does cannot be seen; how much it says it does can. */
static void test_fma_probe(const ck_kernel_table *table, ck_dtype dtype) {
  if (!check_case("fma_probe %s %s", table->name, element_types[dtype].name)) return;
  const double one = table->of[dtype].fma_probe(1), many = table->of[dtype].fma_probe(1000);
  CHECK(one > 0 && fmod(one, 2 * table->of[dtype].lanes) == 0, "1 iteration: %g", one);
  CHECK(many == 1000 * one, "1000 iterations: %g", many);
}

#endif
