import type { Device } from '../../client/device.ts';
import { decideDoubt, type DoubtChoice } from '../../client/doubtChoices.ts';
import type { ProcessDoubt, ProcessInfo } from '../../protocol/index.ts';
import { l10n } from '../l10n.ts';
import { deviceInText } from '../model/deviceRow.ts';
import type { Services } from './services.ts';
import { confirmed } from './targets.ts';

/**
 * What is in doubt settles by itself when both devices are connected. This tries again now, says what is missing, and
 * lets a person decide when the other device is gone for ever.
 */
export async function resolveDoubt(
  services: Services,
  device: Device,
  info: ProcessInfo,
): Promise<void> {
  const { fleet, problems } = services;
  const settled = await fleet.settleDoubts(device);
  const { doubt } = (await device.listProcesses()).find((each) => each.id === info.id) ?? {};
  if (doubt === undefined || settled.includes(info.id)) {
    problems.offer('information', l10n.t('The move of {0} is settled.', info.name), []);
    return;
  }
  const peer = fleet.devices.find((each) => each.name === doubt.peer);
  const away = peer !== undefined && peer.state.kind !== 'connected' ? [peer] : [];
  problems.offer('warning', `${info.name}: ${sentence(doubt, deviceInText(device))}`, [
    ...away.map((each) => ({
      title: l10n.t('Connect {0}', deviceInText(each)),
      run: async () => {
        await each.connect();
        await resolveDoubt(services, device, info);
      },
    })),
    ...doubt.choices.map((choice) => ({
      title:
        choice === 'runHere' ? l10n.t('Run on {0}…', deviceInText(device)) : l10n.t('Give It Up…'),
      run: () => decide(services, device, info, doubt, choice),
    })),
  ]);
}

async function decide(
  { fleet, problems }: Services,
  device: Device,
  info: ProcessInfo,
  doubt: ProcessDoubt,
  choice: DoubtChoice,
): Promise<void> {
  const here = deviceInText(device);
  const question =
    choice === 'runHere'
      ? l10n.t('Let {0} run on {1}?', info.name, here)
      : l10n.t('Give {0} up on {1}?', info.name, here);
  const label = choice === 'runHere' ? l10n.t('Run It') : l10n.t('Give It Up');
  if (!(await confirmed(question, risk(doubt, choice, here), label))) return;
  const { settled } = await decideDoubt(fleet, device, info.id, choice);
  problems.offer(
    'information',
    settled
      ? l10n.t('The move of {0} is settled.', info.name)
      : choice === 'runHere'
        ? l10n.t('{0} runs on {1}.', info.name, here)
        : l10n.t('{0} is given up on {1}.', info.name, here),
    [],
  );
}

function sentence({ what, peer }: ProcessDoubt, here: string): string {
  switch (what) {
    case 'released':
      return l10n.t(
        'it was passed to {0}, which could not be asked since whether it runs there. It stands still on {1} until then.',
        peer,
        here,
      );
    case 'lostThere':
      return l10n.t(
        'it ran on {0} and was lost there. On {1} stands what it was when it left.',
        peer,
        here,
      );
    case 'serving':
      return l10n.t(
        'it runs on {0} and still needs memory from {1}, where it stands still.',
        peer,
        here,
      );
    case 'stranded':
      return l10n.t(
        'it runs on {1} and still needs memory from {0}, which does not have it any more.',
        peer,
        here,
      );
    case 'superseded':
      return l10n.t(
        'it was started again on {0} while {1} was away. Here it stands still.',
        peer,
        here,
      );
  }
}

function risk({ what, peer }: ProcessDoubt, choice: DoubtChoice, here: string): string {
  if (choice === 'gone') {
    switch (what) {
      case 'released':
        return l10n.t(
          'If it does not run on {0} either, it is lost with everything it has in memory.',
          peer,
        );
      case 'lostThere':
        return l10n.t('It is lost with everything it has in memory.');
      case 'serving':
        return l10n.t(
          'If it still runs on {0}, it stops there for good where memory is missing.',
          peer,
        );
      case 'stranded':
      case 'superseded':
        return l10n.t('What it has done on {0} is lost.', here);
    }
  }
  switch (what) {
    case 'lostThere':
      return l10n.t(
        'It goes on as it was when it left {0}: what it did on {1} since is lost.',
        here,
        peer,
      );
    case 'superseded':
      return l10n.t('Two copies run unless it has been stopped on {0}.', peer);
    default:
      return l10n.t(
        'If {0} comes back with it running, there were two copies until both devices meet. Then the one on {0} is stopped, and what it did is set aside.',
        peer,
      );
  }
}
