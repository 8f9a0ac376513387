/* kernels_dot.h: tests of the kernel `dot`, exactly, in integers, and for the order of its sums. */
#ifndef CONVKIT_TESTS_KERNELS_DOT_H
#define CONVKIT_TESTS_KERNELS_DOT_H

#include "dispatch.h"
#include "elements.h"

static void dot_one(const ck_kernels *kernels, ck_dtype dtype, int64_t rows, int64_t k, bool with_bias,
                    ck_activation activation) {
  const element_type *type = &element_types[dtype];
  ck_dot d = {.k = k, .rows = rows, .a_stride = k + check_pick(0, 3), .activation = activation};
  void *a = elements_new("a", dtype, (rows - 1) * d.a_stride + k, check_side());
  void *x = elements_new("x", dtype, k, check_side());
  void *bias = with_bias ? elements_new("bias", dtype, rows, check_side()) : NULL;
  void *dst = guard_new("dst", (size_t)rows * element_size(dtype), element_size(dtype), check_side());
  guard_freeze(a);
  guard_freeze(x);
  if (bias) guard_freeze(bias);
  d.a = a;
  d.x = x;
  d.bias = bias;
  d.dst = dst;
  kernels->dot(&d);
  for (int64_t i = 0; i < rows; i++) {
    uint64_t sum = bias ? (uint64_t)type->get(bias, i) : 0;
    for (int64_t n = 0; n < k; n++) sum += (uint64_t)type->get(a, i * d.a_stride + n) * (uint64_t)type->get(x, n);
    if (!CHECK_ELEMENT(dtype, dst, i, element_activated(dtype, element_wrap(dtype, sum), (int)activation), "dst")) break;
  }
  guard_done();
}

/* Between a huge product and its opposite, the ones of their chain are lost, and none of the others. */
static void dot_order(const ck_kernels *kernels, ck_dtype dtype, int64_t apart) {
  const element_type *type = &element_types[dtype];
  const int64_t k = 3 * CK_DOT_SUMS, huge = dtype == CK_DTYPE_f32 ? 1LL << 40 : 1LL << 62;
  void *a = elements_new("a", dtype, k, GUARD_END), *x = elements_new("x", dtype, k, GUARD_END);
  void *dst = guard_new("dst", element_size(dtype), element_size(dtype), GUARD_END);
  for (int64_t n = 0; n < k; n++) {
    type->set(a, n, 1);
    type->set(x, n, n == 0 ? huge : n == apart ? -huge : 1);
  }
  const ck_dot d = {.a = a, .x = x, .dst = dst, .a_stride = k, .k = k, .rows = 1};
  kernels->dot(&d);
  CHECK(type->as_double(dst, 0) == (double)(k - 1 - apart / CK_DOT_SUMS), "%g", type->as_double(dst, 0));
  guard_done();
}

static void test_dot(const ck_kernel_table *table, ck_dtype dtype) {
  const ck_kernels *kernels = &table->of[dtype];
  const char *name = element_types[dtype].name;
  for (int64_t rows = 1; rows <= 19; rows++)
    for (int64_t k = 1; k <= 50; k++)
      for (int kind = 0; kind < 6; kind++)
        if (check_case("dot %s %s rows=%d k=%d bias=%d activation=%d", table->name, name, (int)rows, (int)k, kind % 2,
                       kind / 2))
          dot_one(kernels, dtype, rows, k, kind % 2, (ck_activation)(kind / 2));
  for (int64_t apart = CK_DOT_SUMS; apart < 3 * CK_DOT_SUMS; apart += CK_DOT_SUMS)
    if (check_case("dot %s %s order, %d apart", table->name, name, (int)apart)) dot_order(kernels, dtype, apart);
}

#endif
