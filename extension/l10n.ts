/** Translates a text and fills its `{0}`, `{1}`… placeholders; `vscode.l10n.t` has this shape. */
export type Translate = (message: string, ...args: (string | number | boolean)[]) => string;

const fill: Translate = (message, ...args) =>
  message.replace(/\{(\d+)\}/g, (placeholder, index: string) => {
    const value = args[Number(index)];
    return value === undefined ? placeholder : String(value);
  });

let translate: Translate = fill;

/**
 * The one way in which the extension says something to people. Modules without a `vscode` import use it too, so the
 * translator is handed in when the extension starts; until then texts are English.
 */
export const l10n: { readonly t: Translate } = {
  t: (message, ...args) => translate(message, ...args),
};

export function useTranslator(translator: Translate): void {
  translate = translator;
}
