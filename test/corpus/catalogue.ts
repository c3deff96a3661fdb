import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build as bundle, type BuildOptions } from 'esbuild';
import ts from 'typescript';
import { root } from '../support/provisioned.ts';

/** A small program whose output depends on nothing but its own state. See README.md for its header. */
export interface CorpusProgram {
  /** What it holds, as its file or folder is named, without extension. */
  readonly name: string;
  /** The file that is run; exists once {@link buildProgram} has ended. */
  readonly file: string;
  /** What must survive a move. */
  readonly survives: string;
  /** Refusing to move it is a right answer; this names why. */
  readonly mayRefuse: string | undefined;
  /** Moving it would be wrong; the sentence of the refusal has this word. */
  readonly refuses: string | undefined;
  /** Lines for its standard input: the next one is typed whenever it prints a line that begins with `?`. */
  readonly input: readonly string[];
  readonly source: string;
  readonly recipe: string | undefined;
}

const programs = join(import.meta.dirname, 'programs');
const built = join(root, 'test-output', 'corpus');

/** All programs of a folder, by name. */
export function readCatalogue(folder = programs): CorpusProgram[] {
  return readdirSync(folder, { withFileTypes: true })
    .map((entry) => {
      const path = join(folder, entry.name);
      if (!entry.isDirectory()) return readProgram(entry.name.replace(/\.[cm]js$/, ''), path);
      const main = ['main.cjs', 'main.mjs', 'main.ts'].find((name) => existsSync(join(path, name)));
      if (main === undefined) return undefined;
      return readProgram(entry.name, join(path, main));
    })
    .filter((program) => program !== undefined)
    .sort((one, other) => (one.name < other.name ? -1 : 1));
}

/** @returns nothing for a folder's helper, which has no header */
function readProgram(name: string, source: string): CorpusProgram | undefined {
  const text = readFileSync(source, 'utf8');
  const header = (key: string): string | undefined =>
    new RegExp(`^// ${key}: (.+)$`, 'm').exec(text)?.[1];
  const survives = header('Must survive');
  if (survives === undefined) return undefined;
  const recipe = header('build');
  const file = recipe === undefined ? source : join(built, name, recipeOf(name, recipe).output);
  const input = header('input')?.split(';') ?? [];
  const [mayRefuse, refuses] = [header('may refuse'), header('refuses')];
  return { name, file, survives, mayRefuse, refuses, input, source, recipe };
}

interface Recipe {
  readonly output: string;
  readonly options: ts.CompilerOptions | BuildOptions;
  readonly tool: 'tsc' | 'esbuild';
}

const recipes: Readonly<Record<string, Recipe>> = {
  'tsc es5': {
    tool: 'tsc',
    output: 'main.cjs',
    options: {
      target: ts.ScriptTarget.ES5,
      module: ts.ModuleKind.CommonJS,
      downlevelIteration: true,
      ignoreDeprecations: '6.0',
    },
  },
  'tsc es2020': {
    tool: 'tsc',
    output: 'main.cjs',
    options: { target: ts.ScriptTarget.ES2020, module: ts.ModuleKind.CommonJS },
  },
  'esbuild es2017': {
    tool: 'esbuild',
    output: 'main.cjs',
    options: { format: 'cjs', target: 'es2017' },
  },
  'esbuild minified': {
    tool: 'esbuild',
    output: 'main.cjs',
    options: { format: 'cjs', target: 'node20', minify: true, sourcemap: 'linked' },
  },
  'esbuild esm': {
    tool: 'esbuild',
    output: 'main.mjs',
    options: { format: 'esm', target: 'node20' },
  },
};

function recipeOf(name: string, recipe: string): Recipe {
  const found = recipes[recipe];
  if (found === undefined)
    throw new Error(`${name} is to be built by an unknown recipe: ${recipe}`);
  return found;
}

/** Makes the file of a program that is written in TypeScript. */
export async function buildProgram({ name, source, file, recipe }: CorpusProgram): Promise<void> {
  if (recipe === undefined) return;
  const { tool, options } = recipeOf(name, recipe);
  mkdirSync(join(built, name), { recursive: true });
  if (tool === 'tsc') {
    const compilerOptions = options as ts.CompilerOptions;
    const { outputText } = ts.transpileModule(readFileSync(source, 'utf8'), { compilerOptions });
    writeFileSync(file, outputText);
    return;
  }
  await bundle({
    ...(options as BuildOptions),
    ...{ entryPoints: [source], outfile: file, bundle: true, platform: 'node', logLevel: 'error' },
  });
}
