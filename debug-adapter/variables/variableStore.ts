import type { DebugProtocol } from '@vscode/debugprotocol';
import type { CdpThread, Protocol } from '../cdp.ts';
import type { LiveFrame, Stop } from '../frame.ts';
import { UserError } from '../userError.ts';
import { argumentOf, call, evaluate, evaluateInput, setScopeVariable } from './assignment.ts';
import { Containers, type Container } from './containers.ts';
import { describe, lengthOf, typeName } from './describe.ts';
import { assign, assignEntry, callGetter, toText } from './inProcess.ts';
import { hasMemory, Memories } from './memory.ts';
import { pageSize, partOf, propertiesOf, readProperties, type Property } from './properties.ts';
import { propertyName } from './propertyName.ts';
import { ScopeReader, scopeTitle } from './scopes.ts';

type RemoteObject = Protocol.Runtime.RemoteObject;

/** A value as an editor shows it. */
export type Presented = Pick<
  DebugProtocol.Variable,
  | 'value'
  | 'type'
  | 'variablesReference'
  | 'namedVariables'
  | 'indexedVariables'
  | 'memoryReference'
>;

export interface PresentOptions {
  readonly evaluateName?: string | undefined;
  readonly format?: DebugProtocol.ValueFormat | undefined;
  readonly frame?: LiveFrame | undefined;
}

/** Longest text that is copied, in UTF-16 code units. */
const maxCopied = 1 << 20;

/** What is in a process, as an editor looks at it: scopes, variables, their children, and changing them. */
export class VariableStore {
  readonly #containers = new Containers();
  readonly #memories = new Memories();
  readonly #scopes = new ScopeReader();
  readonly #supportsMemory: boolean;
  readonly #supportsPaging: boolean;

  constructor(options: { readonly supportsMemory: boolean; readonly supportsPaging: boolean }) {
    this.#supportsMemory = options.supportsMemory;
    this.#supportsPaging = options.supportsPaging;
  }

  /** The scopes of a frame, the innermost first. No round trip. */
  scopes(frame: LiveFrame): DebugProtocol.Scope[] {
    return frame.frame.scopeChain.map((scope, index) => ({
      name: scopeTitle(scope),
      variablesReference: this.#containers.scope(frame, index),
      expensive: scope.type === 'global',
      ...(scope.type === 'local' ? { presentationHint: 'locals' } : {}),
    }));
  }

  /** The children of whatever a number was given for. @throws {UserError} for a number that is not known any more */
  async variables(
    args: DebugProtocol.VariablesArguments,
    signal: AbortSignal,
  ): Promise<DebugProtocol.Variable[]> {
    const container = this.#get(args.variablesReference);
    const { format } = args;
    switch (container.kind) {
      case 'scope':
        return this.#scope(container.frame, container.index, format, signal);
      case 'getter':
        return [await this.#getter(container, format, signal)];
      case 'group':
        return container.objects.map((object, index) => ({
          name: String(index),
          ...this.present(container.thread, object, { format }),
        }));
      case 'range': {
        const { of, start, count } = container;
        return this.variables(
          { ...args, variablesReference: of, filter: 'indexed', start, count },
          signal,
        );
      }
      case 'object':
      case 'entries':
        return this.#children(args, container, signal);
    }
  }

  /** @throws {UserError} why it cannot be changed */
  async setVariable(
    { variablesReference, name, value, format }: DebugProtocol.SetVariableArguments,
    signal: AbortSignal,
  ): Promise<DebugProtocol.SetVariableResponse['body']> {
    const container = this.#get(variablesReference);
    switch (container.kind) {
      case 'scope': {
        const { frame, index } = container;
        if (name === 'Return value') {
          const result = await evaluateInput(frame.stop.thread, frame, value, signal);
          await frame.stop.thread.send(
            'Debugger.setReturnValue',
            { newValue: argumentOf(result) },
            signal,
          );
          return this.present(frame.stop.thread, result, { format, frame });
        }
        const shadowed = await this.#scopes.isShadowed(frame, index, name, signal);
        const result = await setScopeVariable(frame, index, name, value, shadowed, signal);
        this.#scopes.didSet(frame, index, name, result);
        return this.present(frame.stop.thread, result, { evaluateName: name, format, frame });
      }
      case 'range':
        return this.setVariable({ variablesReference: container.of, name, value }, signal);
      case 'object':
      case 'entries': {
        const { thread, frame } = container;
        const result = await this.#assign(container, name, value, signal);
        return this.present(thread, result, { format, frame });
      }
      case 'getter':
      case 'group':
        throw new UserError(`${name} cannot be changed.`);
    }
  }

  /** Assigns to an expression. @throws {UserError} why that is not possible */
  async setExpression(
    frame: LiveFrame | undefined,
    thread: CdpThread,
    { expression, value, format }: DebugProtocol.SetExpressionArguments,
    signal: AbortSignal,
  ): Promise<DebugProtocol.SetExpressionResponse['body']> {
    const result = await evaluate(thread, frame, `${expression} = (${value}\n)`, signal);
    if (frame !== undefined) this.#scopes.didChange(frame.stop);
    return this.present(thread, result, { evaluateName: expression, format, frame });
  }

  /** A value for an editor. What it is given a number for stays known for the session, or with a frame as long as that. */
  present(thread: CdpThread, object: RemoteObject, options: PresentOptions): Presented {
    const { objectId } = object;
    const shown = { value: describe(object, options.format?.hex === true), type: typeName(object) };
    if (objectId === undefined || object.type === 'symbol')
      return { ...shown, variablesReference: 0 };
    const variablesReference = this.#containers.add({
      kind: 'object',
      thread,
      object,
      objectId,
      evaluateName: options.evaluateName,
      frame: options.frame,
    });
    return {
      ...shown,
      variablesReference,
      ...this.#paging(object),
      ...(this.#supportsMemory && hasMemory(object)
        ? { memoryReference: this.#memories.add(thread, objectId) }
        : {}),
    };
  }

  /** A number under which several values can be looked into, such as the arguments of a call of `console.log`. */
  group(thread: CdpThread, _text: string, objects: readonly RemoteObject[]): number {
    if (objects.every(({ objectId }) => objectId === undefined)) return 0;
    return this.#containers.add({ kind: 'group', thread, objects });
  }

  /** What the clipboard gets: texts raw, objects like JSON. */
  async copyText(thread: CdpThread, object: RemoteObject, signal: AbortSignal): Promise<string> {
    if (object.type === 'string') return String(object.value).slice(0, maxCopied);
    if (object.objectId === undefined || object.type === 'symbol') return describe(object);
    if (object.type === 'function') return (object.description ?? '').slice(0, maxCopied);
    const values = [{ value: maxCopied }];
    const answer = await call(thread, object.objectId, toText, values, signal, { byValue: true });
    return String(answer.value);
  }

  readMemory(
    args: DebugProtocol.ReadMemoryArguments,
    signal: AbortSignal,
  ): Promise<NonNullable<DebugProtocol.ReadMemoryResponse['body']>> {
    return this.#memories.read(args, signal);
  }

  writeMemory(
    args: DebugProtocol.WriteMemoryArguments,
    signal: AbortSignal,
  ): Promise<NonNullable<DebugProtocol.WriteMemoryResponse['body']>> {
    return this.#memories.write(args, signal);
  }

  /** Something was evaluated that may have changed variables: what is shown next is read anew. */
  didChange(stop: Stop): void {
    this.#scopes.didChange(stop);
  }

  /** Forgets what belonged to a stop: the thread runs on. */
  release(stop: Stop): void {
    this.#containers.release(stop);
  }

  async #scope(
    frame: LiveFrame,
    index: number,
    format: DebugProtocol.ValueFormat | undefined,
    signal: AbortSignal,
  ): Promise<DebugProtocol.Variable[]> {
    const { thread } = frame.stop;
    const owner = frame.frame.scopeChain[index]?.object.objectId;
    const found = await this.#scopes.read(frame, index, signal);
    const variables = found.map((each) =>
      this.#variable(thread, each, { owner, evaluateName: each.name, frame, format }),
    );
    const isInnermost = index === 0;
    const { returnValue, this: self } = frame.frame;
    const extra: DebugProtocol.Variable[] = [];
    if (isInnermost && returnValue !== undefined) {
      extra.push({ name: 'Return value', ...this.present(thread, returnValue, { format, frame }) });
    }
    if (isInnermost && self.type !== 'undefined') {
      const options = { evaluateName: 'this', format, frame };
      extra.push({ name: 'this', evaluateName: 'this', ...this.present(thread, self, options) });
    }
    return [...extra, ...variables];
  }

  async #children(
    args: DebugProtocol.VariablesArguments,
    container: Extract<Container, { kind: 'object' | 'entries' }>,
    signal: AbortSignal,
  ): Promise<DebugProtocol.Variable[]> {
    const { thread, object, evaluateName, frame } = container;
    const length = lengthOf(object);
    if (!this.#supportsPaging && args.filter === undefined && (length ?? 0) > pageSize) {
      return this.#ranges(args.variablesReference, length ?? 0);
    }
    const properties = await readProperties(thread, object, partOf(object, args), signal);
    const isCollection = object.subtype === 'map' || object.subtype === 'set';
    return properties.map((each) => {
      const variable = this.#variable(thread, each, {
        owner: container.objectId,
        evaluateName: propertyName(evaluateName, each),
        frame,
        format: args.format,
      });
      const { name, value } = each;
      if (!isCollection || name !== '[[Entries]]' || value === undefined) return variable;
      // Entries are changed in the map that they belong to.
      return {
        ...variable,
        variablesReference: this.#entries(thread, value, container.objectId, frame),
      };
    });
  }

  #entries(
    thread: CdpThread,
    object: RemoteObject,
    owner: string,
    frame: LiveFrame | undefined,
  ): number {
    const { objectId } = object;
    if (objectId === undefined) return 0;
    const shared = { thread, object, objectId, evaluateName: undefined, frame };
    return this.#containers.add({ kind: 'entries', owner, ...shared });
  }

  #ranges(reference: number, length: number): DebugProtocol.Variable[] {
    const ranges: DebugProtocol.Variable[] = [];
    const size =
      pageSize * Math.max(1, pageSize ** (Math.ceil(Math.log(length) / Math.log(pageSize)) - 2));
    for (let start = 0; start < length; start += size) {
      const count = Math.min(size, length - start);
      ranges.push({
        name: `[${start}…${start + count - 1}]`,
        value: '',
        variablesReference: this.#containers.add({ kind: 'range', of: reference, start, count }),
      });
    }
    return ranges;
  }

  #variable(
    thread: CdpThread,
    property: Property,
    { owner, evaluateName, frame, format }: PresentOptions & { readonly owner: string | undefined },
  ): DebugProtocol.Variable {
    const { name, value, getter, setter } = property;
    const named = { name, ...(evaluateName === undefined ? {} : { evaluateName }) };
    const hint = presentationHint(property);
    if (value !== undefined) {
      const presented = this.present(thread, value, { evaluateName, format, frame });
      return { ...named, ...presented, ...(hint === undefined ? {} : { presentationHint: hint }) };
    }
    if (getter?.objectId === undefined || owner === undefined) {
      const text = setter === undefined ? '<not available>' : '<setter only>';
      return { ...named, value: text, variablesReference: 0 };
    }
    const shared = { thread, owner, getter: getter.objectId, name, evaluateName, frame };
    return {
      ...named,
      value: '(…)',
      variablesReference: this.#containers.add({ kind: 'getter', ...shared }),
      presentationHint: { ...hint, lazy: true },
    };
  }

  async #getter(
    container: Extract<Container, { kind: 'getter' }>,
    format: DebugProtocol.ValueFormat | undefined,
    signal: AbortSignal,
  ): Promise<DebugProtocol.Variable> {
    const { thread, owner, getter, name, evaluateName, frame } = container;
    try {
      const value = await call(thread, owner, callGetter, [{ objectId: getter }], signal);
      return { name, ...this.present(thread, value, { evaluateName, format, frame }) };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return { name, value: `<${error.message}>`, variablesReference: 0 };
    }
  }

  async #assign(
    container: Extract<Container, { kind: 'object' | 'entries' }>,
    name: string,
    text: string,
    signal: AbortSignal,
  ): Promise<RemoteObject> {
    const { thread, frame, objectId, object } = container;
    const value = argumentOf(await evaluateInput(thread, frame, text, signal));
    if (container.kind === 'entries') {
      return call(thread, container.owner, assignEntry, [{ value: Number(name) }, value], signal);
    }
    if ((object.subtype as string | undefined) === 'internal#entry') {
      throw new UserError('An entry is changed in the list of entries: set its line.');
    }
    if (name.startsWith('#') && container.evaluateName !== undefined) {
      return evaluate(thread, frame, `${container.evaluateName}.${name} = (${text}\n)`, signal);
    }
    if (/^(\[\[.*\]\]|#.*)$/.test(name)) throw new UserError(`${name} cannot be changed.`);
    let key: Protocol.Runtime.CallArgument = { value: name };
    if (name.startsWith('Symbol(')) {
      const found = await thread.send(
        'Runtime.getProperties',
        { objectId, ownProperties: true },
        signal,
      );
      const symbol = propertiesOf(found, false).find((each) => each.name === name)?.symbol;
      if (symbol?.objectId !== undefined) key = { objectId: symbol.objectId };
    }
    return call(thread, objectId, assign, [key, value], signal);
  }

  #paging(object: RemoteObject): Pick<Presented, 'indexedVariables' | 'namedVariables'> {
    const length = lengthOf(object);
    if (!this.#supportsPaging || length === undefined || length <= pageSize) return {};
    return { indexedVariables: length, namedVariables: 2 };
  }

  #get(reference: number): Container {
    const found = this.#containers.get(reference);
    if (found === undefined)
      throw new UserError('The program has run on since; that is not known any more.');
    return found;
  }
}

function presentationHint(property: Property): DebugProtocol.VariablePresentationHint | undefined {
  const { origin, enumerable, writable, value } = property;
  const attributes = writable || origin === 'internal' ? [] : ['readOnly'];
  if (origin === 'internal') return { kind: 'virtual', attributes, visibility: 'internal' };
  if (origin === 'private') return { visibility: 'private', attributes };
  if (!enumerable) return { visibility: 'internal', attributes };
  if (value?.type === 'function') return { kind: 'method', attributes };
  return attributes.length > 0 ? { attributes } : undefined;
}
