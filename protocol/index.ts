export * from './agentRequests.ts';
export * from './contract.ts';
export * from './device.ts';
export * from './errors.ts';
export * from './finding.ts';
export * from './handoff.ts';
export * from './limits.ts';
export * from './process.ts';
