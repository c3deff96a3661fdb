import tseslint from 'typescript-eslint';

// The import rule of docs/architecture.md: protocol <- common <- {agent, client, debug-adapter} <- {extension, cli}.
// Each room lists the rooms it may not enter; `vscode` belongs to the extension, `test/` to nobody.
const rooms = [
  'protocol',
  'common',
  'agent',
  'client',
  'debug-adapter',
  'extension',
  'cli',
  'test',
  'bench',
];
const mayImport = {
  protocol: [],
  common: ['protocol'],
  agent: ['protocol', 'common'],
  client: ['protocol', 'common'],
  'debug-adapter': ['protocol', 'common'],
  cli: ['protocol', 'common', 'client', 'debug-adapter'],
  extension: ['protocol', 'common', 'client', 'debug-adapter'],
  // The portable engine is measured as the library that it is.
  bench: ['protocol', 'common', 'client', 'test', 'agent'],
};
const importRules = Object.entries(mayImport).map(([room, allowed]) => {
  const forbidden = rooms.filter((other) => other !== room && !allowed.includes(other));
  return {
    files: [`${room}/**/*.ts`],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              group: forbidden.flatMap((other) => [`../${other}/**`, `../**/../${other}/**`]),
              message: `${room}/ may import only ${allowed.join(', ') || 'itself'}.`,
            },
          ],
          paths:
            room === 'extension'
              ? []
              : [{ name: 'vscode', message: 'Only extension/ imports vscode.' }],
        },
      ],
    },
  };
});

export default tseslint.config(
  { ignores: ['dist/**', '.cache/**', 'node_modules/**', 'test-output/**', '.vscode-test/**'] },
  // Programs for the portable engine: every way to write JavaScript, the bad ones too.
  { ignores: ['test/corpus/programs/**', 'test/corpus/hostile/programs/**'] },
  ...tseslint.configs.strict,
  {
    rules: {
      '@typescript-eslint/no-explicit-any': 'error',
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'Named exports only.' },
        { selector: 'TSInterfaceDeclaration[id.name=/^I[A-Z]/]', message: 'No I prefix.' },
      ],
      'no-restricted-properties': [
        'error',
        { object: 'child_process', property: 'exec', message: 'Spawn with an argument array.' },
        { object: 'child_process', property: 'execSync', message: 'Spawn with an argument array.' },
      ],
      'max-lines': ['error', { max: 600 }],
    },
  },
  { files: ['*.config.js', '.vscode-test.mjs'], rules: { 'no-restricted-syntax': 'off' } },
  // CommonJS on purpose: programs that tests move, and what runs before any loader.
  { files: ['**/*.cjs'], rules: { '@typescript-eslint/no-require-imports': 'off' } },
  ...importRules,
);
