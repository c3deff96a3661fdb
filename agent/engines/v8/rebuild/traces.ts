import type { NodeInternals } from '../capture/internals.ts';

type Format = (error: unknown, trace: readonly unknown[]) => string;

/**
 * Lets traces show functions without a name as they would be shown had the script itself made them; what `eval` made V8
 * calls by that name.
 * @param urls the scripts of the program
 */
export function showTracesAsWritten(internals: NodeInternals, urls: ReadonlySet<string>): void {
  const errors = internals.require('internal/errors');
  const { defaultPrepareStackTrace: usual, setInternalPrepareStackTrace: set } = errors as {
    defaultPrepareStackTrace?: Format;
    setInternalPrepareStackTrace?: (format: Format) => void;
  };
  if (usual === undefined || set === undefined) return;
  set((error, trace) => {
    const shown = trace.map((site) => asWritten(site as NodeJS.CallSite, urls));
    return usual(error, shown);
  });
}

function asWritten(site: NodeJS.CallSite, urls: ReadonlySet<string>): unknown {
  if (!site.isEval() || !urls.has(site.getFileName() ?? '')) return site;
  return String(site)
    .replace(
      /^(async )?eval \((.*)\)$/,
      (_, async: string | undefined, at: string) => (async ?? '') + at,
    )
    .replace(/^((?:async )?[^\s(]+\.)eval \[as ([^\]]+)\] \(/, '$1$2 (')
    .replace(/^((?:async )?[^\s(]+\.)eval \(/, '$1<anonymous> (')
    .replace(/^new eval \(/, 'new <anonymous> (');
}
