/** Every id that `package.json` declares; a test compares the two. */

export const containerIds = ['flick'] as const;
export const viewIds = ['flick.devices'] as const;
export const walkthroughIds = ['start'] as const;

export const commandIds = [
  'flick.addDevice',
  'flick.removeDevice',
  'flick.connect',
  'flick.disconnect',
  'flick.retryNow',
  'flick.setUpDevice',
  'flick.removeAgent',
  'flick.doctor',
  'flick.showAgentLog',
  'flick.runCommand',
  'flick.adoptProcess',
  'flick.moveProcess',
  'flick.debugProcess',
  'flick.copyDebugUrl',
  'flick.openTerminal',
  'flick.stopProcess',
  'flick.showLog',
  'flick.renameProcess',
  'flick.forgetProcess',
  'flick.copyProcessId',
  'flick.resolveDoubt',
  'flick.cancelMove',
  'flick.saveCapsule',
  'flick.restoreCapsule',
  'flick.showCapsule',
  'flick.removeCapsule',
  'flick.refresh',
  'flick.showOutput',
] as const;
export type CommandId = (typeof commandIds)[number];

export const contextKeys = [
  'flick.hasDevices',
  'flick.hasProcesses',
  'flick.hasDoubts',
  'flick.moving',
] as const;
export type ContextKey = (typeof contextKeys)[number];

export const settingIds = [
  'flick.home',
  'flick.carry',
  'flick.confirmMove',
  'flick.connectOnStartup',
  'flick.rememberPassphrases',
] as const;
export type SettingId = (typeof settingIds)[number];

export const confirmMoveValues = ['always', 'whenWarnings', 'never'] as const;
export type ConfirmMove = (typeof confirmMoveValues)[number];

/** VS Code derives the MIME type of a tree's own drags from the view's id in lower case. */
export const treeMimeType = 'application/vnd.code.tree.flick.devices';

/** The type of our launch configurations, and the command behind `${command:pickProcess}` in them. */
export const debugType = 'flick';
export const pickProcessCommand = 'flick.pickProcess';

/** Documents that the extension makes up: reports and logs. */
export const documentScheme = 'flick';
/** URIs that only carry the grey of rows whose device is away. */
export const awayScheme = 'flick-away';
