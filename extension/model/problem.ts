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
  const why = sentence(error instanceof Error ? error.message : String(error));
  if (!(error instanceof FlickError)) return { message: `${doing}: ${why}`, logPath: undefined };
  const remedy = error.remedy === undefined ? '' : ` ${sentence(error.remedy)}`;
  return { message: `${doing}: ${why}${remedy}`, logPath: error.logPath };
}

function sentence(text: string): string {
  const trimmed = text.trim();
  return trimmed === '' || /[.!?…:]$/.test(trimmed) ? trimmed : `${trimmed}.`;
}
