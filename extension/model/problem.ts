import { FlickError } from '../../protocol/index.ts';

/** What a person reads of a failure: what failed, why, and what to do next. */
export interface Problem {
  /** One or two sentences. */
  readonly message: string;
  /** Path of the full log on the device, when one was kept. */
  readonly logPath: string | undefined;
}

/** True when somebody asked for the end: nothing to report then. */
export function isCancellation(error: unknown): boolean {
  if (error instanceof FlickError) return error.reason === 'cancelled';
  return error instanceof Error && (error.name === 'AbortError' || error.name === 'Canceled');
}

/** @param doing what was tried, as a sentence's beginning: `Could not move web to beta`. */
export function describeProblem(doing: string, error: unknown): Problem {
  const why = sentence(textOf(error, 'message') ?? String(error));
  const remedy = textOf(error, 'remedy');
  const next = remedy === undefined ? '' : ` ${sentence(remedy)}`;
  return { message: `${doing}: ${why}${next}`, logPath: textOf(error, 'logPath') };
}

/** Errors of agents and of connections alike carry their remedy and log as texts. */
function textOf(error: unknown, field: 'message' | 'remedy' | 'logPath'): string | undefined {
  if (typeof error !== 'object' || error === null) return undefined;
  const value: unknown = Reflect.get(error, field);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function sentence(text: string): string {
  const trimmed = text.trim();
  return trimmed === '' || /[.!?…:]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}
