/** Where what stands for something that an older Node.js does not have keeps the ways to it. */
const standsFor = '$flickPaths';

/** @returns the object, from now on in the place of what these ways lead to in another Node.js */
export function standFor(object: object, paths: readonly string[]): object {
  return Object.defineProperty(object, standsFor, { value: paths });
}

/** The ways to what an object stands for; undefined for others. It is that again when the program moves on. */
export function standsInFor(object: object): string[] | undefined {
  return Reflect.getOwnPropertyDescriptor(object, standsFor)?.value as string[] | undefined;
}

/** An object that Node.js gives when it is asked for it. */
export const navigatorPath = 'global\n!navigator';

/** Begins the description of a symbol that stands for one which an older Node.js does not have; its path follows. */
const symbolMark = '$flick ';

/** Nothing but what comes from a newer Node.js asks for what it is the key of. */
export function symbolFor(path: string): symbol {
  return Symbol(symbolMark + path);
}

/** The path of what a symbol stands for; undefined for others. It is that again when the program moves on. */
export function symbolStandsFor({ description = '' }: symbol): string | undefined {
  return description.startsWith(symbolMark) ? description.slice(symbolMark.length) : undefined;
}
