import { describeHost, hiddenValue, type Adapter } from './adapter.ts';

export const textEncoders: Adapter = {
  host: 'textEncoder',
  prototypes: () => [TextEncoder.prototype],
  record: (graph, object) =>
    describeHost(graph, object, { k: 'host', host: 'textEncoder', state: {} }, new TextEncoder()),
  shell: (world, record) => world.construct(record, TextEncoder, []),
};

/** Encodings in which every byte is a character: a decoder has nothing to keep. */
const singleByte = /^(windows-|iso-8859-|ibm866|koi8|macintosh|x-mac|x-user-defined)/;

export const textDecoders: Adapter = {
  host: 'textDecoder',
  prototypes: () => [TextDecoder.prototype],
  record(graph, object) {
    const { encoding, fatal, ignoreBOM } = object as InstanceType<typeof TextDecoder>;
    // What UTF-8 decoders do as long as none of their texts came in parts.
    const isWhole = encoding === 'utf-8' && hiddenValue(object, 'kUTF8FastPath') === true;
    if (!isWhole && !singleByte.test(encoding)) {
      throw graph.refuse('a TextDecoder that may be in the middle of a text', {
        hint: 'Use a StringDecoder, or decode whole texts.',
      });
    }
    return describeHost(
      graph,
      object,
      { k: 'host', host: 'textDecoder', state: { encoding, fatal, ignoreBOM } },
      new TextDecoder(encoding, { fatal, ignoreBOM }),
      ['handle'],
    );
  },
  shell(world, record) {
    const { encoding, fatal, ignoreBOM } = record.state;
    return world.construct(record, TextDecoder, [encoding, { fatal, ignoreBOM }]);
  },
};
