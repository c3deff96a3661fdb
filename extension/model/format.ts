import type { ListeningPort } from '../../protocol/index.ts';
import { l10n } from '../l10n.ts';

const units = ['B', 'KB', 'MB', 'GB', 'TB'] as const;

/** A size for people, in powers of 1024: `512 B`, `1.5 MB`, `37 MB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 10 ? 0 : 1;
  return `${value.toFixed(digits)} ${units[unit] ?? 'B'}`;
}

/** A duration for people, its two largest units: `180 ms`, `2.4 s`, `3 min 5 s`, `2 h 10 min`, `4 d 3 h`. */
export function formatDuration(milliseconds: number): string {
  if (milliseconds < 1000) return l10n.t('{0} ms', Math.round(milliseconds));
  if (milliseconds < 59_950) return l10n.t('{0} s', trimZero(milliseconds / 1000));
  const seconds = Math.round(milliseconds / 1000);
  const minutes = Math.floor(seconds / 60);
  const hours = Math.floor(minutes / 60);
  const days = Math.floor(hours / 24);
  if (days > 0) return l10n.t('{0} d {1} h', days, hours % 24);
  if (hours > 0) return l10n.t('{0} h {1} min', hours, minutes % 60);
  return l10n.t('{0} min {1} s', minutes, seconds % 60);
}

function trimZero(value: number): string {
  return value.toFixed(1).replace(/\.0$/, '');
}

/** The time of day, with the date when it is not today's. */
export function formatTime(time: number, now: number): string {
  const then = new Date(time);
  const clock = `${pad(then.getHours())}:${pad(then.getMinutes())}`;
  if (then.toDateString() === new Date(now).toDateString()) return clock;
  return `${String(then.getFullYear())}-${pad(then.getMonth() + 1)}-${pad(then.getDate())} ${clock}`;
}

function pad(value: number): string {
  return String(value).padStart(2, '0');
}

/** `tcp 0.0.0.0:8080`, an IPv6 address in brackets. */
export function formatPort({ protocol, address, port }: ListeningPort): string {
  const host = address.includes(':') ? `[${address}]` : address;
  return `${protocol} ${host}:${String(port)}`;
}

/** The distinct port numbers in ascending order, as `:80 :443`. */
export function formatPortNumbers(ports: readonly ListeningPort[]): string {
  const numbers = [...new Set(ports.map((each) => each.port))].sort((a, b) => a - b);
  return numbers.map((each) => `:${String(each)}`).join(' ');
}

/** Cuts a text to at most `length` characters, the last of them an ellipsis when something is missing. */
export function shorten(text: string, length: number): string {
  const oneLine = text.replace(/\s+/g, ' ').trim();
  return oneLine.length <= length ? oneLine : `${oneLine.slice(0, length - 1)}…`;
}

/** Makes any text safe to stand in Markdown as itself. */
export function escapeMarkdown(text: string): string {
  return text.replace(/[\\`*_{}[\]()#+\-.!|<>~$&]/g, '\\$&').replace(/\r?\n/g, ' ');
}

/** A code span that holds any text, backticks included (CommonMark 0.31, section 6.1). */
export function codeSpan(text: string): string {
  const oneLine = text.replace(/\s+/g, ' ').trim();
  if (oneLine === '') return '';
  const longest = Math.max(0, ...[...oneLine.matchAll(/`+/g)].map(([run]) => run.length));
  const fence = '`'.repeat(longest + 1);
  const space = oneLine.startsWith('`') || oneLine.endsWith('`') ? ' ' : '';
  return `${fence}${space}${oneLine}${space}${fence}`;
}
