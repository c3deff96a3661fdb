import type { Command } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { protocolVersion } from '../../protocol/index.ts';
import { leaf, type Cli } from '../cli.ts';

export function registerVersion(program: Command, cli: Cli): void {
  leaf(program, 'version', 'print the version').action(() => {
    const { version } = packageJson;
    cli.output.result(
      { version, protocol: protocolVersion },
      `flick ${version} (protocol ${String(protocolVersion)})`,
    );
  });
}
