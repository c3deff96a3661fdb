import manifest from '../package.json' with { type: 'json' };

/** Version of the build that this agent belongs to. */
export const agentVersion: string = manifest.version;
