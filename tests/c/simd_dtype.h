/* simd_dtype.h: the tests of test_simd.c for the current row of dtypes.def; with SIMD_CALL defined, the call of them. No guard:
 * included once a row, twice. */
#ifdef SIMD_CALL
CK_OP(simd)();
#else

typedef union {
  CK_V v;
  CK_VI mask;
  CK_T t[CK_SIMD_BYTES / sizeof(CK_T)];
  CK_TI i[CK_SIMD_BYTES / sizeof(CK_T)];
} CK_OP(lanes);

/* Any value: the ends of the range, NaN, infinities, signed zeros, subnormals, or something in between. */
static CK_T CK_OP(any)(void) {
#if CK_KIND == CK_KIND_REAL
  const CK_T special[] = {(CK_T)NAN, (CK_T)INFINITY, -(CK_T)INFINITY, 0, -(CK_T)0.0, (CK_T)1e-40, (CK_T)3e38};
  const uint64_t bits = check_bits();
  return bits % 16 < 7 ? special[bits % 16] : (CK_T)((int64_t)(bits >> 40) - (1 << 23)) / (CK_T)(1 + (bits & 0xfff0));
#else
  const CK_T special[] = {0, 1, (CK_T)-1, (CK_T)((uint64_t)1 << (CK_BITS - 1)), (CK_T) ~((uint64_t)1 << (CK_BITS - 1))};
  const uint64_t bits = check_bits();
  return bits % 16 < 5 ? special[bits % 16] : (CK_T)(bits >> 8);
#endif
}

/* A value whose sums and products are finite. */
static CK_T CK_OP(finite)(void) {
#if CK_KIND == CK_KIND_REAL
  return (CK_T)((int64_t)(check_bits() >> 40) - (1 << 23)) / (CK_T)3;
#else
  return CK_OP(any)();
#endif
}

static CK_OP(lanes) CK_OP(any_lanes)(void) {
  CK_OP(lanes) x;
  for (int i = 0; i < CK_LANES; i++) x.t[i] = CK_OP(any)();
  return x;
}

/* Equal as bytes, so that a NaN equals itself and -0 is not 0. */
static void CK_OP(same)(const char *what, CK_OP(lanes) got, CK_OP(lanes) expected) {
  for (int i = 0; i < CK_LANES; i++)
    if (!CHECK(memcmp(&got.t[i], &expected.t[i], sizeof(CK_T)) == 0, "%s: lane %d is %g, not %g", what, i, (double)got.t[i],
               (double)expected.t[i]))
      return;
}

static void CK_OP(simd_memory)(void) {
  const CK_OP(lanes) x = CK_OP(any_lanes)();
  for (int shift = 0; shift <= CK_LANES; shift++) {
    for (int side = GUARD_END; side <= GUARD_BEGIN; side++) {
      CK_T *p = guard_new("p", (size_t)(CK_LANES + shift) * sizeof(CK_T), sizeof(CK_T), (guard_side)side);
      CK_T *at = side == GUARD_END ? p + shift : p;
      CK_OP(store)(at, x.v);
      CHECK(guard_untouched(side == GUARD_END ? p : p + CK_LANES, 0, (size_t)shift * sizeof(CK_T)), "store wrote beside p");
      CHECK(memcmp(at, x.t, sizeof x) == 0, "store");
      CK_OP(same)("load", (CK_OP(lanes)){.v = CK_OP(load)(at)}, x);
      guard_done();
    }
  }
}

static void CK_OP(simd_first)(int n, guard_side side) {
  const CK_OP(lanes) x = CK_OP(any_lanes)();
  CK_OP(lanes) expected = {.v = {0}};
  memcpy(&expected, &x, (size_t)n * sizeof(CK_T));
  CK_T *p = guard_new("p", (size_t)n * sizeof(CK_T), sizeof(CK_T), side);
  CK_OP(store_first)(p, x.v, n);
  CHECK(memcmp(p, x.t, (size_t)n * sizeof(CK_T)) == 0, "store_first");
  guard_freeze(p);
  CK_OP(same)("load_first", (CK_OP(lanes)){.v = CK_OP(load_first)(p, n)}, expected);
  guard_done();
}

static void CK_OP(simd_between)(int from, int to, guard_side side) {
  const CK_OP(lanes) x = CK_OP(any_lanes)();
  const size_t bytes = (size_t)(to - from) * sizeof(CK_T);
  CK_OP(lanes) expected = {.v = {0}};
  memcpy(&expected.t[from], &x.t[from], bytes);
  CK_T *p = guard_new("p", bytes, sizeof(CK_T), side);
  CK_OP(store_between)(p - from, x.v, from, to);
  CHECK(memcmp(p, &x.t[from], bytes) == 0, "store_between");
  guard_freeze(p);
  CK_OP(same)("load_between", (CK_OP(lanes)){.v = CK_OP(load_between)(p - from, from, to)}, expected);
  guard_done();
}

static void CK_OP(simd_choice)(void) {
  const CK_OP(lanes) a = CK_OP(any_lanes)(), b = CK_OP(any_lanes)();
  CK_OP(lanes) mask, chosen, large;
  const CK_T s = CK_OP(any)();
  for (int i = 0; i < CK_LANES; i++) {
    mask.i[i] = check_bits() >> 63 ? (CK_TI)-1 : 0;
    chosen.t[i] = mask.i[i] ? a.t[i] : b.t[i];
  }
  CK_OP(same)("select", (CK_OP(lanes)){.v = CK_OP(select)(mask.mask, a.v, b.v)}, chosen);
  const CK_OP(lanes) all = {.v = CK_OP(splat)(s)};
  for (int i = 0; i < CK_LANES; i++)
    CHECK(all.t[i] == s || (isnan((double)s) && isnan((double)all.t[i])), "splat: lane %d is %g", i, (double)all.t[i]);
  large.v = CK_OP(larger)(a.v, b.v);
  for (int i = 0; i < CK_LANES; i++) {
    if (isnan((double)a.t[i]) || isnan((double)b.t[i]))
      CHECK(isnan((double)large.t[i]), "larger: lane %d of a NaN is %g", i, (double)large.t[i]);
    else
      CHECK(large.t[i] == (a.t[i] > b.t[i] ? a.t[i] : b.t[i]), "larger: lane %d of %g, %g is %g", i, (double)a.t[i],
            (double)b.t[i], (double)large.t[i]);
  }
}

static void CK_OP(simd_compare)(void) {
  CK_OP(lanes) a = CK_OP(any_lanes)(), b = CK_OP(any_lanes)();
  for (int i = 0; i < CK_LANES; i++)
    if (check_bits() % 4 == 0) b.t[i] = a.t[i];
  const CK_OP(lanes) less = {.mask = (CK_VI)(a.v < b.v)}, more = {.mask = (CK_VI)(a.v > b.v)};
  const CK_OP(lanes) equal = {.mask = (CK_VI)(a.v == b.v)}, other = {.mask = (CK_VI)(a.v != b.v)};
  for (int i = 0; i < CK_LANES; i++) {
    CHECK(less.i[i] == -(a.t[i] < b.t[i]), "<: lane %d of %g, %g", i, (double)a.t[i], (double)b.t[i]);
    CHECK(more.i[i] == -(a.t[i] > b.t[i]), ">: lane %d of %g, %g", i, (double)a.t[i], (double)b.t[i]);
    CHECK(equal.i[i] == -(a.t[i] == b.t[i]), "==: lane %d of %g, %g", i, (double)a.t[i], (double)b.t[i]);
    CHECK(other.i[i] == -(a.t[i] != b.t[i]), "!=: lane %d of %g, %g", i, (double)a.t[i], (double)b.t[i]);
  }
}

/* a * b + c: rounded once if the instruction set promises that, else twice; integers wrap. */
static CK_T CK_OP(multiplied)(CK_T a, CK_T b, CK_T c) {
#if CK_KIND != CK_KIND_REAL
  return (CK_T)((uint64_t)a * (uint64_t)b + (uint64_t)c);
#else
  const volatile CK_T product = a * b;
  if (!CK_SIMD_HAS_FMA || CHECK_SANITIZED) return product + c;
  return sizeof(CK_T) == 4 ? (CK_T)fmaf((float)a, (float)b, (float)c) : (CK_T)fma((double)a, (double)b, (double)c);
#endif
}

static void CK_OP(simd_arithmetic)(void) {
  CK_OP(lanes) a, b, c, sum, difference, product;
  for (int i = 0; i < CK_LANES; i++) {
    a.t[i] = CK_OP(finite)();
    b.t[i] = CK_OP(finite)();
    c.t[i] = CK_OP(finite)();
#if CK_KIND == CK_KIND_REAL
    const volatile CK_T plus = a.t[i] + b.t[i], minus = a.t[i] - b.t[i];
    sum.t[i] = plus;
    difference.t[i] = minus;
#else
    sum.t[i] = (CK_T)((uint64_t)a.t[i] + (uint64_t)b.t[i]);
    difference.t[i] = (CK_T)((uint64_t)a.t[i] - (uint64_t)b.t[i]);
#endif
    product.t[i] = CK_OP(multiplied)(a.t[i], b.t[i], c.t[i]);
  }
  CK_OP(same)("a + b", (CK_OP(lanes)){.v = a.v + b.v}, sum);
  CK_OP(same)("a - b", (CK_OP(lanes)){.v = a.v - b.v}, difference);
  CK_OP(same)("a * b + c", (CK_OP(lanes)){.v = a.v * b.v + c.v}, product);
}

#if CK_BITS >= 32
static void CK_OP(simd_shuffle)(void) {
  const CK_OP(lanes) a = CK_OP(any_lanes)(), b = CK_OP(any_lanes)();
  CK_OP(lanes) even, odd, three = {.v = CK_OP(three_of_four)(a.v)}, low, high;
  for (int i = 0; i < CK_LANES; i++) {
    even.t[i] = 2 * i < CK_LANES ? a.t[2 * i] : b.t[2 * i - CK_LANES];
    odd.t[i] = 2 * i < CK_LANES ? a.t[2 * i + 1] : b.t[2 * i + 1 - CK_LANES];
    low.t[i] = i % 2 == 0 ? a.t[i / 2] : b.t[i / 2];
    high.t[i] = i % 2 == 0 ? a.t[(CK_LANES + i) / 2] : b.t[(CK_LANES + i) / 2];
  }
  CK_OP(same)("even", (CK_OP(lanes)){.v = CK_OP(even)(a.v, b.v)}, even);
  CK_OP(same)("odd", (CK_OP(lanes)){.v = CK_OP(odd)(a.v, b.v)}, odd);
  for (int i = 0; i < CK_LANES / 4 * 3; i++)
    CHECK(memcmp(&three.t[i], &a.t[i / 3 * 4 + i % 3], sizeof(CK_T)) == 0, "three_of_four: lane %d", i);
  CK_OP(same)("zip_low", (CK_OP(lanes)){.v = CK_OP(zip_low)(a.v, b.v)}, low);
  CK_OP(same)("zip_high", (CK_OP(lanes)){.v = CK_OP(zip_high)(a.v, b.v)}, high);
}
#endif

static void CK_OP(simd)(void) {
  const char *const name = CK_STRING(CK_SIMD_NAME) " " CK_STRING(CK_DT);
  CHECK(sizeof(CK_V) == CK_SIMD_BYTES && sizeof(CK_VI) == CK_SIMD_BYTES, "%s: a vector has %zu bytes", name, sizeof(CK_V));
  CHECK((size_t)CK_LANES * sizeof(CK_T) == CK_SIMD_BYTES, "%s: a vector has %d lanes", name, CK_LANES);
  if (check_case("%s load store", name)) CK_OP(simd_memory)();
  for (int n = 0; n <= CK_LANES; n++)
    for (int side = GUARD_END; side <= GUARD_BEGIN; side++)
      if (check_case("%s load_first store_first n=%d side=%d", name, n, side)) CK_OP(simd_first)(n, (guard_side)side);
  for (int from = 0; from < CK_LANES; from += from < 2 ? 1 : 3)
    for (int to = from + 1; to <= CK_LANES; to += to < CK_LANES - 2 ? 2 : 1)
      for (int side = 0; side < 2; side++)
        if (check_case("%s load_between store_between from=%d to=%d side=%d", name, from, to, side))
          CK_OP(simd_between)(from, to, (guard_side)side);
  for (int64_t i = 0; i < check_draws(50); i++) {
    if (check_case("%s splat select larger", name)) CK_OP(simd_choice)();
    if (check_case("%s comparisons", name)) CK_OP(simd_compare)();
    if (check_case("%s arithmetic", name)) CK_OP(simd_arithmetic)();
#if CK_BITS >= 32
    if (check_case("%s even odd three_of_four zip_low zip_high", name)) CK_OP(simd_shuffle)();
#endif
  }
}
#endif
#undef CK_DTYPE_ROW
