/* dtype_info_row.h: size, sum and kind of a row of dtypes.def (for dtype.c). */
[CK_CAT(CK_DTYPE_, CK_DT)] = {sizeof(CK_T), CK_CAT(CK_DTYPE_, CK_SUM), CK_KIND == CK_KIND_REAL},
#undef CK_DTYPE_ROW
