/* element_row.h: elements.h for the current row of dtypes.def: its functions; with ELEMENT_TABLE defined, its row of the table.
 * No guard: included once a row, twice. */
#ifdef ELEMENT_TABLE
[CK_CAT(CK_DTYPE_, CK_DT)] = {CK_STRING(CK_DT),        CK_KIND,
                              CK_KIND == CK_KIND_REAL, CK_OP(element_get),
                              CK_OP(element_set),      CK_OP(element_less),
                              CK_OP(element_double),   CK_OP(element_set_double)},
#else
static int64_t CK_OP(element_get)(const void *array, int64_t i) {
  const CK_T x = ((const CK_T *)array)[i];
#if CK_KIND == CK_KIND_REAL
  if (isnan(x)) return ELEMENT_NAN;
  if (isinf(x)) return x > 0 ? ELEMENT_INFINITY : -ELEMENT_INFINITY;
  return x > -9e15 && x < 9e15 && x == (CK_T)(int64_t)x ? (int64_t)x : ELEMENT_NONE;
#else
  return (int64_t)x;
#endif
}

static void CK_OP(element_set)(void *array, int64_t i, int64_t value) {
#if CK_KIND == CK_KIND_REAL
  const CK_T infinite = value > 0 ? (CK_T)INFINITY : -(CK_T)INFINITY;
  ((CK_T *)array)[i] = value == ELEMENT_NAN ? (CK_T)NAN : llabs(value) == ELEMENT_INFINITY ? infinite : (CK_T)value;
#else
  ((CK_T *)array)[i] = (CK_T)value;
#endif
}

static bool CK_OP(element_less)(int64_t a, int64_t b) {
#if CK_KIND == CK_KIND_REAL
  return a != ELEMENT_NAN && b != ELEMENT_NAN && a < b;
#else
  return (CK_T)a < (CK_T)b;
#endif
}

static double CK_OP(element_double)(const void *array, int64_t i) { return (double)((const CK_T *)array)[i]; }

static void CK_OP(element_set_double)(void *array, int64_t i, double value) {
#if CK_KIND == CK_KIND_REAL
  ((CK_T *)array)[i] = (CK_T)value;
#else
  (void)array, (void)i, (void)value;
#endif
}
#endif
#undef CK_DTYPE_ROW
