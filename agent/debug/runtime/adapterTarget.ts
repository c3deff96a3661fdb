import { createHash } from 'node:crypto';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Protocol } from 'devtools-protocol/types/protocol.js';
import { Deferred } from '../../../common/deferred.ts';
import type { FlickCommands, FlickEvents } from '../../../protocol/debugRuntime.ts';
import { BreakpointActions } from './breakpointActions.ts';
import type { InspectorMessage, InspectorTarget } from './inspectorTarget.ts';
import type { PauseCouncil, Verdict } from './pauseCouncil.ts';
import { ScriptHold, type KnownScript } from './scriptHold.ts';
import { StepInProgress, type StepKind } from './stepThrough.ts';

type Emit = (method: string, params: unknown) => void;

const steps: Readonly<Record<string, StepKind>> = {
  'Debugger.stepOver': 'over',
  'Debugger.stepOut': 'out',
  'Debugger.stepInto': 'into',
};
/** What lets a thread run on. */
const resuming = new Set([
  ...Object.keys(steps),
  'Debugger.resume',
  'Debugger.continueToLocation',
  'Debugger.restartFrame',
]);
/** V8 forgets a step under way when breakpoints of the same function change. */
const changing = new Set([
  'Flick.setBreakpointByUrl',
  'Debugger.setBreakpoint',
  'Debugger.setBreakpointByUrl',
  'Debugger.removeBreakpoint',
]);
/** Changes of breakpoints wait for a step that was asked for just before, but no longer than this, in ms. */
const stepPatience = 100;
/** A scope with more variables than this is not sent along with a stop. */
const maxPushedVariables = 500;

interface ExceptionChoice {
  readonly caught: boolean;
  readonly uncaught: boolean;
  readonly caughtCondition?: string | undefined;
  readonly uncaughtCondition?: string | undefined;
}

/**
 * A program that was rebuilt has parts that are called by the path of their file, as it is in stack traces; for people and
 * their breakpoints they are parts of that file.
 */
function named(script: Protocol.Debugger.ScriptParsedEvent): Protocol.Debugger.ScriptParsedEvent {
  return script.url.startsWith('/') ? { ...script, url: pathToFileURL(script.url).href } : script;
}

function placeOf(url: string): { readonly url: string } | { readonly urlRegex: string } {
  if (!url.startsWith('file:')) return { url };
  const names = [url, fileURLToPath(url)];
  const escaped = names.map((each) => each.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'));
  return { urlRegex: `^(${escaped.join('|')})$` };
}

/** One thread as one debug adapter sees it: decides at each pause, without a round trip, whether it is one for people. */
export class AdapterTarget {
  readonly #target: InspectorTarget;
  readonly #council: PauseCouncil;
  readonly #emit: Emit;
  readonly #actions: BreakpointActions;
  readonly #hold: ScriptHold;
  readonly #scripts = new Map<string, KnownScript>();
  readonly #step = new StepInProgress();
  #exceptions: ExceptionChoice = { caught: false, uncaught: false };
  #pauseAsked = false;
  #stepTaken: Deferred<void> | undefined;
  #shown: Protocol.Debugger.PausedEvent | undefined;

  constructor(target: InspectorTarget, council: PauseCouncil, emit: Emit) {
    this.#target = target;
    this.#council = council;
    this.#emit = emit;
    this.#actions = new BreakpointActions(target, (logged) => {
      const url = this.#scripts.get(logged.location.scriptId)?.url ?? '';
      this.#event('Flick.logged', { ...logged, url });
    });
    this.#hold = new ScriptHold(target, this.#scripts, (scriptId) =>
      this.#event('Flick.scriptHeld', { scriptId }),
    );
  }

  async handle(method: string, params: object): Promise<unknown> {
    if (changing.has(method) && this.#stepTaken !== undefined) await this.#stepTaken.promise;
    switch (method) {
      case 'Flick.setBreakpointByUrl':
        return this.#setBreakpoint(params as FlickCommands['Flick.setBreakpointByUrl']['params']);
      case 'Flick.setExceptions':
        return this.#setExceptions(params as ExceptionChoice);
      case 'Flick.holdScripts': {
        const { names, sourceMapped } = params as FlickCommands['Flick.holdScripts']['params'];
        await this.#hold.configure(names, sourceMapped);
        return {};
      }
      case 'Flick.releaseScript':
        this.#hold.release();
        return {};
      case 'Flick.callAndGetProperties':
        return this.#callAndGet(params as FlickCommands['Flick.callAndGetProperties']['params']);
      case 'Flick.hashScripts':
        return this.#hashScripts(params as FlickCommands['Flick.hashScripts']['params']);
      case 'Debugger.enable':
        this.#council.enable(this);
        return this.#target.post(method, params);
      case 'Debugger.disable':
        this.#council.disable(this);
        return this.#target.post(method, params);
      case 'Debugger.removeBreakpoint':
        this.#actions.remove((params as { breakpointId: string }).breakpointId);
        return this.#target.post(method, params);
      case 'Debugger.setBreakpoint':
      case 'Debugger.setBreakpointByUrl': {
        const set = (await this.#target.post(method, params)) as SetResult;
        this.#hold.didSet(located(set));
        return set;
      }
      case 'Debugger.pause':
        this.#pauseAsked = true;
        return this.#target.post(method, params);
      default:
        if (resuming.has(method)) this.#beforeResume(method);
        return this.#target.post(method, params);
    }
  }

  /** Takes a message of the inspector. */
  notify({ method, params }: InspectorMessage): void {
    switch (method) {
      case 'Debugger.paused':
        this.#paused(params as Protocol.Debugger.PausedEvent);
        return;
      case 'Debugger.resumed':
        this.#council.resumed();
        if (this.#shown !== undefined) this.#emit(method, params);
        this.#shown = undefined;
        return;
      case 'Debugger.scriptParsed': {
        const script = named(params as Protocol.Debugger.ScriptParsedEvent);
        this.#scriptParsed(script);
        this.#emit(method, script);
        return;
      }
      default:
        this.#emit(method, params);
    }
  }

  #scriptParsed({ scriptId, url, sourceMapURL }: Protocol.Debugger.ScriptParsedEvent): void {
    const hasSourceMap = sourceMapURL !== undefined && sourceMapURL !== '';
    if (url !== '') this.#scripts.set(scriptId, { url, hasSourceMap });
  }

  dispose(): void {
    this.#stepTaken?.resolve();
    this.#hold.release();
    this.#council.disable(this);
  }

  #beforeResume(method: string): void {
    const kind = steps[method];
    if (kind !== undefined && this.#shown !== undefined) {
      this.#step.begin(kind, this.#shown.callFrames);
      this.#awaitStep();
    } else if (kind === undefined) this.#step.end();
    this.#pauseAsked = false;
  }

  #awaitStep(): void {
    this.#stepTaken?.resolve();
    const taken = new Deferred<void>();
    this.#stepTaken = taken;
    const timer = setTimeout(() => taken.resolve(), stepPatience);
    void taken.promise.then(() => {
      clearTimeout(timer);
      if (this.#stepTaken === taken) this.#stepTaken = undefined;
    });
  }

  #paused(paused: Protocol.Debugger.PausedEvent): void {
    this.#stepTaken?.resolve();
    let shown = paused;
    this.#council.paused(this, {
      judge: async () => {
        const judged = await this.#judge(paused);
        shown = judged.paused;
        return judged.verdict;
      },
      stopped: () => void this.#show(shown),
      goOn: () => this.#goOn(paused),
    });
  }

  async #judge(
    paused: Protocol.Debugger.PausedEvent,
  ): Promise<{ verdict: Verdict; paused: Protocol.Debugger.PausedEvent }> {
    const [top] = paused.callFrames;
    const hits = paused.hitBreakpoints ?? [];
    if (top === undefined) return { verdict: 'stop', paused };
    const held = hits.includes(this.#hold.breakpointId ?? '') ? await this.#hold.hold(top) : [];
    const own = [...hits.filter((id) => id !== this.#hold.breakpointId), ...held];
    const stopping: string[] = [];
    for (const id of own) if (await this.#actions.hit(id, top)) stopping.push(id);
    const asked = this.#pauseAsked || this.#step.endsAt(paused.callFrames);
    const seen = { ...paused, hitBreakpoints: stopping };
    if (stopping.length > 0 || asked) return { verdict: 'stop', paused: seen };
    if (hits.length > 0) return { verdict: 'pass', paused: seen };
    if (this.#step.isInterrupted) return { verdict: 'pass', paused: seen };
    if (paused.reason === 'exception' || paused.reason === 'promiseRejection') {
      const wanted = await this.#wantsException(paused, top);
      return { verdict: wanted ? 'stop' : 'pass', paused: seen };
    }
    return { verdict: paused.reason === 'other' ? 'neutral' : 'stop', paused: seen };
  }

  async #wantsException(
    paused: Protocol.Debugger.PausedEvent,
    top: Protocol.Debugger.CallFrame,
  ): Promise<boolean> {
    const { uncaught: isUncaught, objectId } = (paused.data ?? {}) as {
      uncaught?: boolean;
      objectId?: string;
    };
    const choice = this.#exceptions;
    const wanted = isUncaught === true ? choice.uncaught : choice.caught;
    const condition = isUncaught === true ? choice.uncaughtCondition : choice.caughtCondition;
    if (!wanted || condition === undefined || condition.trim() === '') return wanted;
    const thrown =
      objectId === undefined ? { value: (paused.data as { value?: unknown }).value } : { objectId };
    const { result, exceptionDetails } = (await this.#target.post('Debugger.evaluateOnCallFrame', {
      callFrameId: top.callFrameId,
      expression: `(error) => (${condition}\n)`,
      silent: true,
    })) as Protocol.Debugger.EvaluateOnCallFrameResponse;
    // A condition that cannot be evaluated stops, as it does in a breakpoint's: better once too often.
    if (exceptionDetails !== undefined || result.objectId === undefined) return true;
    const answer = (await this.#target.post('Runtime.callFunctionOn', {
      objectId: result.objectId,
      functionDeclaration: 'function (error) { return Boolean(this(error)); }',
      arguments: [thrown],
      silent: true,
      returnByValue: true,
    })) as Protocol.Runtime.CallFunctionOnResponse;
    return answer.exceptionDetails !== undefined || answer.result.value === true;
  }

  async #show(paused: Protocol.Debugger.PausedEvent): Promise<void> {
    this.#shown = paused;
    this.#pauseAsked = false;
    this.#step.end();
    const scopes: FlickEvents['Flick.paused']['scopes'] = {};
    await Promise.all(
      (paused.callFrames[0]?.scopeChain ?? []).map(async ({ type, object: { objectId } }) => {
        if (type === 'global' || objectId === undefined) return;
        const properties = (await this.#target
          .post('Runtime.getProperties', { objectId, ownProperties: true, generatePreview: true })
          .catch(() => undefined)) as Protocol.Runtime.GetPropertiesResponse | undefined;
        if (properties !== undefined && properties.result.length <= maxPushedVariables) {
          scopes[objectId] = properties;
        }
      }),
    );
    if (this.#shown === paused) this.#event('Flick.paused', { paused, scopes });
  }

  #goOn(paused: Protocol.Debugger.PausedEvent): void {
    const method = this.#step.goOn(paused.callFrames) ?? 'Debugger.resume';
    this.#target.post(method).catch(() => undefined);
  }

  async #setBreakpoint({
    action,
    url,
    ...params
  }: FlickCommands['Flick.setBreakpointByUrl']['params']): Promise<unknown> {
    const place = url === undefined ? {} : placeOf(url);
    const set = (await this.#target.post('Debugger.setBreakpointByUrl', {
      ...params,
      ...place,
    })) as Protocol.Debugger.SetBreakpointByUrlResponse;
    this.#actions.set(set.breakpointId, action);
    this.#hold.didSet(set);
    return set;
  }

  async #setExceptions(choice: ExceptionChoice): Promise<object> {
    this.#exceptions = choice;
    const { caught, uncaught } = choice;
    const state = caught ? (uncaught ? 'all' : 'caught') : uncaught ? 'uncaught' : 'none';
    await this.#target.post('Debugger.setPauseOnExceptions', { state });
    return {};
  }

  async #callAndGet({
    call,
    get,
  }: FlickCommands['Flick.callAndGetProperties']['params']): Promise<unknown> {
    const called = (await this.#target.post(
      'Runtime.callFunctionOn',
      call,
    )) as Protocol.Runtime.CallFunctionOnResponse;
    const { result: value, exceptionDetails } = called;
    if (exceptionDetails !== undefined || value.objectId === undefined) {
      return { value, exceptionDetails };
    }
    const properties = await this.#target.post('Runtime.getProperties', {
      ...get,
      objectId: value.objectId,
    });
    return { value, properties };
  }

  async #hashScripts({
    scriptIds,
  }: FlickCommands['Flick.hashScripts']['params']): Promise<
    FlickCommands['Flick.hashScripts']['result']
  > {
    const hashes: Record<string, { sha256: string; bytes: number }> = {};
    for (const scriptId of scriptIds) {
      const source = (await this.#target
        .post('Debugger.getScriptSource', { scriptId })
        .catch(() => undefined)) as Protocol.Debugger.GetScriptSourceResponse | undefined;
      if (source === undefined) continue;
      const bytes = Buffer.from(source.scriptSource, 'utf8');
      hashes[scriptId] = {
        sha256: createHash('sha256').update(bytes).digest('hex'),
        bytes: bytes.length,
      };
    }
    return { hashes };
  }

  #event<E extends keyof FlickEvents>(method: E, params: FlickEvents[E]): void {
    this.#emit(method, params);
  }
}

type SetResult =
  Protocol.Debugger.SetBreakpointResponse | Protocol.Debugger.SetBreakpointByUrlResponse;

function located(set: SetResult): Protocol.Debugger.SetBreakpointByUrlResponse {
  return 'locations' in set
    ? set
    : { breakpointId: set.breakpointId, locations: [set.actualLocation] };
}
