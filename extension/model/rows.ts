/** Colours of icons by meaning; each is a theme colour, so it fits dark, light and high-contrast themes. */
export const colors = {
  good: 'charts.green',
  busy: 'charts.blue',
  paused: 'charts.yellow',
  bad: 'charts.red',
  doubt: 'charts.orange',
  away: 'disabledForeground',
} as const;
export type Color = (typeof colors)[keyof typeof colors];

/** What one row of the Devices tree shows, free of any `vscode` type. */
export interface Row {
  readonly label: string;
  readonly description: string;
  /** Markdown; text from devices is escaped. Made only when somebody hovers. */
  readonly tooltip: () => string;
  readonly icon: string;
  readonly color?: Color;
  /** Words for the `when` clauses of menus, separated by spaces. */
  readonly context: string;
  /** What a screen reader says. */
  readonly spoken: string;
  /** The device is away and this is the last that was known: shown in grey. */
  readonly away: boolean;
}
