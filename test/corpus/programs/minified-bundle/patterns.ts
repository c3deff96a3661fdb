export const patterns = {
  glider: [' # ', '  #', '###'],
  blinker: ['###'],
  pentomino: [' ##', '## ', ' # '],
} as const;
