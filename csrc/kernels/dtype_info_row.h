/* dtype_info_row.h: size and sum of a row of dtypes.def (for dtype.c). */
[CK_CAT(CK_DTYPE_, CK_DT)] = {sizeof(CK_T), CK_CAT(CK_DTYPE_, CK_SUM)},
#undef CK_DTYPE_ROW
