import type { Command } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { protocolVersion } from '../../protocol/index.ts';
import { leaf, type Cli } from '../cli.ts';

export function registerVersion(program: Command, cli: Cli): void {
  const { version } = packageJson;
  const text = `flick ${version} (protocol ${String(protocolVersion)})`;
  leaf(program, 'version', 'print the version').action(() =>
    cli.output.result({ version, protocol: protocolVersion }, text),
  );
  // What people type who do not know the command yet.
  program.version(text, '-V, --version', 'print the version');
}
