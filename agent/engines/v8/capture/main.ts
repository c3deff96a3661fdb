export function begin(): Promise<string> {
  return Promise.resolve(JSON.stringify({ refused: 'Cannot move yet.' }));
}
export function listBuiltins(): unknown {
  return [];
}
