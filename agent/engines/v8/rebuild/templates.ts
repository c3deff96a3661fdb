import { Script } from 'node:vm';
import type { ScriptRecord } from '../capsule/format.ts';
import type { Edit } from '../language/edits.ts';
import type { ScopeTree } from '../language/scopes.ts';
import { rawTexts, templateEdits, type TaggedTemplate } from '../language/templateSites.ts';

/** What generated code sees of the rebuild, and whoever captures it again. */
export interface Home {
  readonly scripts: readonly ScriptRecord[];
  /** Template objects, and for each the script and the offset of its place. */
  readonly templates: readonly object[];
  readonly sites: readonly (readonly [script: ScriptRecord, start: number])[];
}

/** Variables that generated code has it in. */
export const homeNames = { outermost: '$flickHome', module: '$flickModule' } as const;

/** Template objects: one for each place of the program, in however many texts that stands now. */
export class Templates {
  readonly home: Home;
  readonly #templates: object[] = [];
  readonly #sites: (readonly [ScriptRecord, number])[] = [];
  readonly #known = new Map<string, number>();

  constructor(scripts: readonly ScriptRecord[]) {
    this.home = Object.freeze({ scripts, templates: this.#templates, sites: this.#sites });
  }

  /** @param home one of {@link homeNames} */
  edits(
    tree: ScopeTree,
    range: { readonly script: number; readonly start: number; readonly end: number },
    home: string,
  ): Edit[] {
    const { script, start, end } = range;
    return templateEdits(
      tree,
      start,
      end,
      (each) => `${home}.templates[${this.#index(script, each)}]`,
    );
  }

  /** The object of the place at an offset of a script. */
  at(tree: ScopeTree, script: number, start: number): object | undefined {
    const found = tree.taggedTemplates.find((each) => each.start === start);
    return found === undefined ? undefined : this.#templates[this.#index(script, found)];
  }

  #index(script: number, template: TaggedTemplate): number {
    const key = `${script}:${template.start}`;
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const index = this.#templates.length;
    const record = this.home.scripts[script];
    this.#known.set(key, index);
    this.#templates.push(templateObject(rawTexts(template), index));
    if (record !== undefined) this.#sites.push([record, template.start]);
    return index;
  }
}

/** An object as V8 makes it for a template with these texts: another one for each number, since V8 knows a text again. */
function templateObject(raw: readonly string[], index: number): object {
  const text = raw.join('${0}');
  return new Script(`((texts) => texts)/* ${index} */\`${text}\``).runInThisContext() as object;
}
