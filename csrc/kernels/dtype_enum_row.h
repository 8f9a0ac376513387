/* dtype_enum_row.h: one enumerator for a row of dtypes.def. */
CK_CAT(CK_DTYPE_, CK_DT),
#undef CK_DTYPE_ROW
