/**
 * Abilities of x86-64 processors that a running program may already have decided to use: libc and crypto libraries choose
 * their code once, at the start. Names as in /proc/cpuinfo. What only describes the kernel or the chip (`erms`,
 * `constant_tsc`, `md_clear`, …) is not among them, so its absence is no obstacle.
 */
const instructions = new Set(
  (
    'mmx fxsr sse sse2 pni ssse3 sse4_1 sse4_2 sse4a avx avx2 fma f16c bmi1 bmi2 popcnt abm movbe aes vaes pclmulqdq ' +
    'vpclmulqdq sha_ni sha512 sm3 sm4 gfni rdrand rdseed adx cx16 xsave xsaveopt xsavec xgetbv1 fsgsbase rtm hle rdtscp ' +
    'clflushopt lahf_lm 3dnowprefetch 3dnow 3dnowext fma4 xop tbm lwp pku ospke avx_vnni avx_ifma avx_vnni_int8 ' +
    'avx_ne_convert avx512f avx512dq avx512cd avx512bw avx512vl avx512ifma avx512vbmi avx512_vbmi2 avx512_vnni ' +
    'avx512_bitalg avx512_vpopcntdq avx512_4vnniw avx512_4fmaps avx512_vp2intersect avx512_bf16 avx512_fp16 amx_tile ' +
    'amx_int8 amx_bf16 amx_fp16'
  ).split(' '),
);

/** Named by the kernel on arm64 but no ability of the program's own (Documentation/arch/arm64/elf_hwcaps.rst). */
const armDescriptions = new Set(['cpuid', 'evtstrm']);

/** Abilities that the source's processor has, a program may be using, and this one lacks. */
export function missingFeatures(
  architecture: string,
  source: Iterable<string>,
  target: ReadonlySet<string>,
): string[] {
  const matters = (flag: string): boolean =>
    architecture === 'x64' ? instructions.has(flag) : !armDescriptions.has(flag);
  return [...source].filter((flag) => matters(flag) && !target.has(flag));
}
