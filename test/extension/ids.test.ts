import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import * as v from 'valibot';
import {
  commandIds,
  confirmMoveValues,
  containerIds,
  contextKeys,
  settingIds,
  treeMimeType,
  viewIds,
  walkthroughIds,
} from '../../extension/ids.ts';

const ids = v.array(v.object({ id: v.string() }));
const menu = v.array(v.object({ command: v.string(), when: v.optional(v.string()) }));
const manifestSchema = v.object({
  contributes: v.object({
    viewsContainers: v.object({ activitybar: ids }),
    views: v.record(v.string(), ids),
    commands: v.array(
      v.object({ command: v.string(), title: v.string(), category: v.literal('Flick') }),
    ),
    menus: v.record(v.string(), menu),
    configuration: v.object({
      properties: v.record(
        v.string(),
        v.looseObject({
          markdownDescription: v.string(),
          enum: v.optional(v.array(v.string())),
        }),
      ),
    }),
    walkthroughs: v.array(v.object({ id: v.string() })),
  }),
});

describe('extension manifest', () => {
  const root = new URL('../../', import.meta.url);
  const source = readFileSync(new URL('package.json', root), 'utf8');
  const { contributes } = v.parse(manifestSchema, JSON.parse(source));
  const texts = v.parse(
    v.record(v.string(), v.string()),
    JSON.parse(readFileSync(new URL('package.nls.json', root), 'utf8')),
  );
  const sorted = (values: readonly string[]): string[] => [...values].sort();

  it('declares exactly the commands that are registered', () => {
    assert.deepEqual(sorted(contributes.commands.map((each) => each.command)), sorted(commandIds));
  });

  it('declares exactly the views, settings and walkthroughs that the code knows', () => {
    assert.deepEqual(
      contributes.viewsContainers.activitybar.map((each) => each.id),
      [...containerIds],
    );
    assert.deepEqual(
      Object.values(contributes.views).flatMap((views) => views.map((each) => each.id)),
      [...viewIds],
    );
    const { properties } = contributes.configuration;
    assert.deepEqual(sorted(Object.keys(properties)), sorted(settingIds));
    assert.deepEqual(properties['flick.confirmMove']?.enum, [...confirmMoveValues]);
    assert.deepEqual(
      contributes.walkthroughs.map((each) => each.id),
      [...walkthroughIds],
    );
  });

  it('drags with the MIME type that VS Code derives from the view', () => {
    assert.equal(treeMimeType, `application/vnd.code.tree.${viewIds[0].toLowerCase()}`);
  });

  it('puts only known commands and context keys into menus', () => {
    const known: readonly string[] = commandIds;
    const keys: readonly string[] = contextKeys;
    const views: readonly string[] = viewIds;
    for (const entry of Object.values(contributes.menus).flat()) {
      assert.ok(known.includes(entry.command), entry.command);
      for (const [key] of (entry.when ?? '').matchAll(/flick\.\w+/g)) {
        assert.ok(keys.includes(key) || views.includes(key), `${entry.command}: ${key}`);
      }
    }
  });

  it('has an English text for every key, and no text without use', () => {
    const used = new Set([...source.matchAll(/"%([^%"]+)%"/g)].map((match) => match[1]));
    assert.deepEqual(sorted([...used].map(String)), sorted(Object.keys(texts)));
  });

  it('titles its commands in Title Case', () => {
    const small = ['on', 'to', 'in', 'from', 'a', 'of'];
    for (const { command } of contributes.commands) {
      const title = texts[`command.${command.replace('flick.', '')}`] ?? '';
      for (const word of title.split(' ')) {
        assert.ok(small.includes(word) || /^[A-Z]/.test(word), `${command}: ${title}`);
      }
    }
  });
});
