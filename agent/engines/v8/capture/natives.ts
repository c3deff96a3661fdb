import { setFlagsFromString } from 'node:v8';
import { runInThisContext } from 'node:vm';

/** V8's own functions that tell what reflection cannot. They are the same from Node 20 to 26. */
export interface Natives {
  /** Source of the script that a function stands in; undefined for one that is not written in JavaScript. */
  script(f: object): string | undefined;
  /** The number that V8 and the inspector have for it; -1 where there is none. */
  scriptId(f: object): number;
  /** Offset in it, of the function's parameters, or of a class without a constructor. */
  position(f: object): number;
  scopeCount(generator: object): number;
  /** Type and variables of one scope of a suspended generator. */
  scope(generator: object, index: number): [type: number, variables: object];
  /** True when two objects have the same prototype and the same properties with the same attributes. */
  sameShape(a: object, b: object): boolean;
  isFast(o: object): boolean;
  /** Two closures over a variable that is not initialized and one that is undefined. */
  probe: () => unknown;
}

/** Must be let go of with {@link forgetNatives}, which takes the syntax away again. */
export function nativeFunctions(): Natives {
  setFlagsFromString('--allow-natives-syntax');
  return runInThisContext(
    `({
      script: (function (f) { return f === Function.prototype ? undefined : %FunctionGetScriptSource(f); }),
      scriptId: (function (f) { return f === Function.prototype ? -1 : %FunctionGetScriptId(f); }),
      position: (function (f) { return %FunctionGetScriptSourcePosition(f); }),
      scopeCount: (function (g) { return %GetGeneratorScopeCount(g); }),
      scope: (function (g, i) { return %GetGeneratorScopeDetails(g, i); }),
      sameShape: (function (a, b) { return %HaveSameMap(a, b); }),
      isFast: (function (o) { return %HasFastProperties(o); }),
      probe: (function (never) { const probe = () => [hole, none]; let none; if (never) { hole; } return probe; let hole = 1; })(false),
    })`,
    { filename: 'node:flick' },
  ) as Natives;
}

export function forgetNatives(): void {
  setFlagsFromString('--no-allow-natives-syntax');
}
