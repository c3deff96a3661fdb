import type { DebugProtocol } from '@vscode/debugprotocol';
import type { Disposable } from '../../common/disposable.ts';
import { Emitter } from '../../common/event.ts';
import type { CdpThread, Protocol } from '../cdp.ts';
import type { DebuggeePlace } from '../../common/debuggee.ts';
import { UserError } from '../userError.ts';
import { FolderPairs } from './folderPairs.ts';
import { SkipFiles } from './globs.ts';
import { LocalFiles, maxFileBytes } from './localFiles.ts';
import { Matcher } from './matcher.ts';
import { baseName, pathOfUrl } from './paths.ts';
import { Scripts, type Script } from './scripts.ts';
import type { SourceMap } from './sourceMap.ts';
import { SourceMaps } from './sourceMaps.ts';

export interface SourcesOptions {
  readonly place: () => DebuggeePlace | undefined;
  readonly workspaceFolders: readonly string[];
  readonly localRoot?: string | undefined;
  readonly remoteRoot?: string | undefined;
  readonly skipFiles: readonly string[];
  readonly sourceMaps: boolean;
  readonly onWarning: (text: string) => void;
}

/** A place in a program as people know it. */
export interface Located {
  readonly source: DebugProtocol.Source;
  /** From 1 on. */
  readonly line: number;
  readonly column: number;
  readonly name?: string | undefined;
  /** In a file that stepping does not stop in. */
  readonly skipped: boolean;
  /** False for generated code that no source belongs to. */
  readonly mapped: boolean;
}

/** One file behind a script: the script's own, or one that it was made of. */
interface Origin {
  readonly script: Script;
  /** Index in the map's sources; undefined is the script itself. */
  readonly source: number | undefined;
}

/** The scripts of a process and the files that people know them by. */
export class Sources implements Disposable {
  readonly scripts = new Scripts();
  readonly #options: SourcesOptions;
  readonly #maps: SourceMaps;
  readonly #matcher: Matcher;
  readonly #skip: SkipFiles;
  readonly #references = new Map<number, Origin>();
  readonly #numbers = new Map<string, number>();
  readonly #known = new Map<string, Promise<DebugProtocol.Source>>();
  readonly #loaded = new Emitter<{ reason: 'new'; source: DebugProtocol.Source }>();
  readonly #parsed = new Emitter<Script>();

  readonly onDidLoadSource = this.#loaded.event;
  /** A thread has loaded a script; it may run already. */
  readonly onDidParse = this.#parsed.event;

  constructor(options: SourcesOptions) {
    this.#options = options;
    const files = new LocalFiles(options.workspaceFolders);
    const pairs = new FolderPairs();
    if (options.localRoot !== undefined && options.remoteRoot !== undefined) {
      pairs.give(options.remoteRoot, options.localRoot);
    }
    this.#maps = new SourceMaps(files, options.onWarning);
    this.#matcher = new Matcher(files, pairs, () => options.place()?.isLocal === true);
    this.#skip = new SkipFiles(options.skipFiles);
  }

  /** To be called before the thread's debugger is enabled, which then tells of all scripts. */
  attach(thread: CdpThread): void {
    this.skipIn(thread);
    thread.on('Debugger.scriptParsed')((event) => {
      const script = this.scripts.add(thread, event);
      this.#parsed.fire(script);
      if (script.path !== undefined) void this.#announce(script);
    });
  }

  /** Tells a thread which files stepping does not stop in. */
  skipIn(thread: CdpThread): void {
    const { patterns } = this.#skip;
    thread.send('Debugger.setBlackboxPatterns', { patterns }).catch(() => undefined);
  }

  /** Where people see a place of a script. A round trip only when its map is not known yet. */
  async locate(thread: CdpThread, location: Protocol.Debugger.Location): Promise<Located> {
    const { scriptId, lineNumber, columnNumber = 0 } = location;
    const script = this.scripts.get(thread, scriptId);
    const generated = { line: lineNumber + 1, column: columnNumber + 1 };
    if (script === undefined) {
      const source = { name: '<evaluated>', presentationHint: 'deemphasize' as const };
      return { source, ...generated, skipped: true, mapped: true };
    }
    const map = await this.mapOf(script);
    const original = map?.original({ line: lineNumber, column: columnNumber });
    const origin = { script, source: original?.source };
    const source = await this.#sourceOf(origin);
    const skipped = this.#skip.matches([script.url, script.path, source.path]);
    const shown = skipped ? { ...source, presentationHint: 'deemphasize' as const } : source;
    if (original === undefined) {
      return { source: shown, ...generated, skipped, mapped: map === undefined };
    }
    const { line, column } = original;
    return { source: shown, line: line + 1, column: column + 1, skipped, mapped: true };
  }

  async mapOf(script: Script): Promise<SourceMap | undefined> {
    if (!this.#options.sourceMaps) return undefined;
    return this.#maps.of(script, () => this.#matcher.localOf(script));
  }

  /** The origins in a script of a file as the editor names it: itself, or sources that it was made of. */
  async originsOf(
    script: Script,
    wanted: DebugProtocol.Source,
  ): Promise<
    readonly { readonly map: SourceMap | undefined; readonly source: number | undefined }[]
  > {
    const { sourceReference = 0, path } = wanted;
    if (sourceReference > 0) {
      const origin = this.#references.get(sourceReference);
      const known = origin?.script.url === script.url ? [origin] : [];
      const map = await this.mapOf(script);
      return known.map(({ source }) => ({ map: source === undefined ? undefined : map, source }));
    }
    if (path === undefined) return [];
    const name = baseName(path);
    const found: { map: SourceMap | undefined; source: number | undefined }[] = [];
    if (script.name === name && (await this.#matcher.localOf(script)) === path) {
      found.push({ map: undefined, source: undefined });
    }
    const map = script.sourceMapUrl === undefined ? undefined : await this.mapOf(script);
    for (const [source, each] of map?.sources.entries() ?? []) {
      if (baseName(each.url) !== name) continue;
      if ((await this.#sourceOf({ script, source })).path === path) found.push({ map, source });
    }
    return found;
  }

  /** @throws {UserError} for a source that is not known, or cannot be read any more */
  async source(
    { source, sourceReference }: DebugProtocol.SourceArguments,
    signal: AbortSignal,
  ): Promise<{ content: string; mimeType?: string }> {
    const reference =
      source?.sourceReference !== undefined && source.sourceReference > 0
        ? source.sourceReference
        : sourceReference;
    const origin = this.#references.get(reference);
    if (origin === undefined) throw new UserError('That file is not known to the debugger.');
    const { script } = origin;
    if (origin.source === undefined) {
      const { scriptId } = script;
      const found = await script.thread.send('Debugger.getScriptSource', { scriptId }, signal);
      return { content: found.scriptSource, mimeType: 'text/javascript' };
    }
    const original = (await this.mapOf(script))?.sources[origin.source];
    if (original?.content !== undefined) return { content: original.content };
    const path = original === undefined ? undefined : pathOfUrl(original.url);
    if (path === undefined) throw new UserError('The source map does not hold that file.');
    try {
      const limit = maxFileBytes;
      const { text } = await script.thread.send('Flick.readFile', { path, limit }, signal);
      if (text !== null) return { content: text };
    } catch {
      // Said below: the device has not got it.
    }
    throw new UserError(
      `${baseName(path)} is neither in the workspace nor on the device.`,
      'Open the folder that has it.',
    );
  }

  async loadedSources(): Promise<DebugProtocol.Source[]> {
    const files = this.scripts.all().filter(({ path }) => path !== undefined);
    const all = await Promise.all(files.map((script) => this.#sourcesOf(script)));
    const byKey = new Map(
      all.flat().map((each) => [`${each.path ?? ''} ${each.sourceReference ?? 0}`, each]),
    );
    return [...byKey.values()];
  }

  dispose(): void {
    this.#loaded.dispose();
    this.#parsed.dispose();
  }

  /** Names the script alone: its map is not loaded for that. */
  async #announce(script: Script): Promise<void> {
    try {
      const source = await this.#sourceOf({ script, source: undefined });
      this.#loaded.fire({ reason: 'new', source });
    } catch {
      // The session ended on the way.
    }
  }

  async #sourcesOf(script: Script): Promise<DebugProtocol.Source[]> {
    const own = await this.#sourceOf({ script, source: undefined });
    const map = script.sourceMapUrl === undefined ? undefined : await this.mapOf(script);
    const originals = (map?.sources ?? []).map((_, source) => this.#sourceOf({ script, source }));
    return [own, ...(await Promise.all(originals))];
  }

  #sourceOf(origin: Origin): Promise<DebugProtocol.Source> {
    const key = `${origin.script.url} ${origin.source ?? ''}`;
    let source = this.#known.get(key);
    if (source === undefined) {
      source = this.#describe(origin, key);
      this.#known.set(key, source);
    }
    return source;
  }

  async #describe(origin: Origin, key: string): Promise<DebugProtocol.Source> {
    const { script } = origin;
    const map = origin.source === undefined ? undefined : await this.mapOf(script);
    const original = origin.source === undefined ? undefined : map?.sources[origin.source];
    const local =
      original === undefined
        ? await this.#matcher.localOf(script)
        : await this.#matcher.localOfOriginal(script, original);
    const remote = original === undefined ? script.path : pathOfUrl(original.url);
    const shownPath = remote ?? original?.url ?? script.url;
    const name = baseName(local ?? shownPath);
    if (local !== undefined) return { name, path: local };
    // Only the device has it: it is shown as it is there, and cannot be edited.
    const device = this.#options.place()?.device;
    return {
      name,
      path: shownPath,
      sourceReference: this.#referenceTo(origin, key),
      ...(device === undefined ? {} : { origin: `read-only, from ${device}` }),
    };
  }

  #referenceTo(origin: Origin, key: string): number {
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    const number = this.#numbers.size + 1;
    this.#numbers.set(key, number);
    this.#references.set(number, origin);
    return number;
  }
}
