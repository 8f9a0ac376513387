/* probe_tmpl.h: as many independent multiply-adds as the processor can do, to know its peak. Words: CK_T, CK_V, CK_OP.
 *
 * Twelve chains in registers hide the latency of two FMA units of four to five cycles. Returns the FLOP done. */
static double CK_OP(fma_probe)(int64_t iterations) {
  enum { chains = 12 };
  const volatile CK_T one = (CK_T)1, nothing = (CK_T)0; /* volatile: the compiler must not know them */
  const CK_V factor = CK_OP(splat)(one), term = CK_OP(splat)(nothing);
  CK_V sums[chains];
  CK_UNROLL(12)
  for (int i = 0; i < chains; i++) sums[i] = CK_OP(splat)((CK_T)i);
  for (int64_t k = 0; k < iterations; k++) {
    CK_UNROLL(12)
    for (int i = 0; i < chains; i++) sums[i] = sums[i] * factor + term;
  }
  CK_V total = {0};
  CK_UNROLL(12)
  for (int i = 0; i < chains; i++) total += sums[i];
  __asm__ volatile("" : : "m"(total));
  return 2.0 * chains * CK_LANES * (double)iterations;
}
