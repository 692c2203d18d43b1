import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { ErrorKind } from '../../src/errors.ts';
import { DrayError } from '../../src/errors.ts';
import { StreamSource } from '../../src/oci/byte-source.ts';
import { encodeHeader } from '../../src/oci/tar-header.ts';
import { readTar } from '../../src/oci/tar-reader.ts';
import { fails } from './images.ts';
import { type EntrySpec, entryBytes, gnuLong, inChunks, pax, tarOf, toGnu, toV7 } from './tar-builder.ts';

interface Read {
  readonly name: string;
  readonly kind: string;
  readonly data: string;
  readonly link?: string;
}

async function read(bytes: Uint8Array, chunkSize = 700): Promise<Read[]> {
  const found: Read[] = [];
  for await (const entry of readTar(new StreamSource(inChunks(bytes, chunkSize)))) {
    const parts: Uint8Array[] = [];
    for await (const part of entry.body()) parts.push(Buffer.from(part));
    const link = entry.linkName === '' ? {} : { link: entry.linkName };
    found.push({ name: entry.name, kind: entry.kind, data: Buffer.concat(parts).toString(), ...link });
  }
  return found;
}

async function refused(bytes: Uint8Array, message: RegExp, kind: ErrorKind = 'invalid-argument'): Promise<void> {
  await fails(read(bytes), kind, 'bad-archive', message);
}

const after: EntrySpec = { name: 'after', data: 'still here' };

function file(name: string, data: string): Read {
  return { name, kind: 'file', data };
}

describe('tar reader: forms of headers', () => {
  it('reads files, directories and links', async () => {
    const bytes = tarOf([
      { name: 'a/' },
      { name: 'a/b', data: 'one' },
      { name: 's', type: '2', linkName: 'a/b' },
      { name: 'h', type: '1', linkName: 'a/b' },
      { name: 'c', type: '7', data: 'contiguous' },
    ]);
    assert.deepEqual(await read(bytes), [
      { name: 'a/', kind: 'directory', data: '' },
      file('a/b', 'one'),
      { name: 's', kind: 'symlink', data: '', link: 'a/b' },
      { name: 'h', kind: 'hardlink', data: '', link: 'a/b' },
      file('c', 'contiguous'),
    ]);
  });

  it('reads version 7 and old GNU headers, in which there is no prefix', async () => {
    const times = (header: Buffer): void => {
      toGnu(header);
      header.write('00000000001\0', 345, 'latin1');
    };
    const bytes = tarOf([
      { name: 'old', data: 'x', type: '\0', patch: toV7 },
      { name: 'dir/', type: '\0', patch: toV7 },
      { name: 'gnu', data: 'y', patch: times },
    ]);
    assert.deepEqual(await read(bytes), [
      file('old', 'x'),
      { name: 'dir/', kind: 'directory', data: '' },
      file('gnu', 'y'),
    ]);
  });

  it('joins the prefix of a POSIX header', async () => {
    const bytes = tarOf([{ name: 'name', data: 'x', patch: (header) => header.write('some/prefix', 345, 'latin1') }]);
    assert.deepEqual(await read(bytes), [file('some/prefix/name', 'x')]);
  });

  it('joins the shorter prefix of a header of star, which has times behind it', async () => {
    const patch = (header: Buffer): void => {
      header.write('p'.repeat(131), 345);
      header.write('00000000001 00000000001 ', 476);
      header.write('tar\0', 508);
    };
    assert.deepEqual(await read(tarOf([{ name: 'x', data: 'y', patch }])), [file(`${'p'.repeat(131)}/x`, 'y')]);
  });

  it('reads a name of exactly 100 bytes, which has no NUL', async () => {
    const name = 'n'.repeat(100);
    assert.deepEqual(await read(tarOf([{ name, data: 'x' }])), [file(name, 'x')]);
  });

  it('takes long names from pax and GNU headers', async () => {
    const long = `${'d/'.repeat(100)}ümlaut`;
    const bytes = tarOf([
      pax({ path: long }),
      { name: 'short', data: '1' },
      gnuLong(`${long}2`),
      { name: 'short', data: '2', patch: toGnu },
      gnuLong(long, 'K'),
      { name: 'link', type: '2', linkName: 'short', patch: toGnu },
      pax({ linkpath: long }),
      { name: 'link2', type: '2', linkName: 'short' },
    ]);
    assert.deepEqual(await read(bytes), [
      file(long, '1'),
      file(`${long}2`, '2'),
      { name: 'link', kind: 'symlink', data: '', link: long },
      { name: 'link2', kind: 'symlink', data: '', link: long },
    ]);
  });

  it('takes sizes in base 256 and from a pax header', async () => {
    const binary = (header: Buffer): void => {
      header.fill(0, 124, 136);
      header[124] = 0x80;
      header[135] = 3;
    };
    const bytes = tarOf([
      { name: 'binary', data: 'abc', patch: binary },
      pax({ size: '4' }),
      { name: 'pax', data: 'defg', statedSize: 0 },
      after,
    ]);
    assert.deepEqual(await read(bytes), [file('binary', 'abc'), file('pax', 'defg'), file('after', 'still here')]);
  });

  it('accepts checksums of signed bytes and octal numbers with spaces', async () => {
    const signed = (header: Buffer): void => {
      header.fill(' ', 148, 156);
      let sum = 0;
      for (const byte of header) sum += byte > 127 ? byte - 256 : byte;
      header.write(`${sum.toString(8).padStart(6, ' ')}\0 `, 148, 'latin1');
    };
    const spaced = (header: Buffer): void => {
      header.write('          3 ', 124, 'latin1');
    };
    const bytes = tarOf([{ name: 'ü', data: 'abc', patch: spaced, damage: signed }, after]);
    assert.deepEqual(await read(bytes), [file('ü', 'abc'), file('after', 'still here')]);
  });

  it('ignores what other keys of pax headers say, binary values and large ids too', async () => {
    const xattr = Buffer.from([0, 255, 10, 61, 128, 0]);
    const bytes = tarOf([
      pax({ comment: 'made by git' }, 'g'),
      pax({ 'SCHILY.xattr.security.capability': xattr, uid: '3000000', gid: '4294967295', mtime: '-1.5', path: 'p' }),
      { name: 'x', data: 'data' },
      after,
    ]);
    assert.deepEqual(await read(bytes), [file('p', 'data'), file('after', 'still here')]);
  });
});

describe('tar reader: where other readers go wrong', () => {
  it('a directory that states a size has no data, and reading goes on', async () => {
    const bytes = tarOf([{ name: 'dir/', statedSize: 512 }, after]);
    assert.deepEqual(await read(bytes), [{ name: 'dir/', kind: 'directory', data: '' }, file('after', 'still here')]);
  });

  it('links that state a size have no data and swallow nothing', async () => {
    const bytes = tarOf([
      { name: 'h', type: '1', linkName: 'x', statedSize: 1000 },
      { name: 's', type: '2', linkName: 'x', statedSize: 512 },
      { name: 'null', type: '3', statedSize: 512 },
      { name: 'pipe', type: '6', statedSize: 512 },
      after,
    ]);
    assert.deepEqual(
      (await read(bytes)).map(({ name, kind }) => [name, kind]),
      [
        ['h', 'hardlink'],
        ['s', 'symlink'],
        ['null', 'other'],
        ['pipe', 'other'],
        ['after', 'file'],
      ],
    );
  });

  it('stops at the end mark: a second archive or anything else behind it is not read', async () => {
    const second = tarOf([{ name: 'smuggled', data: 'x' }]);
    assert.deepEqual(await read(Buffer.concat([tarOf([after]), second])), [file('after', 'still here')]);
    assert.deepEqual(await read(Buffer.concat([tarOf([after]), Buffer.from('garbage')])), [
      file('after', 'still here'),
    ]);
  });

  it('a body that is not read is skipped', async () => {
    const names: string[] = [];
    const bytes = tarOf([{ name: 'big', data: 'x'.repeat(5000) }, after]);
    for await (const entry of readTar(new StreamSource(inChunks(bytes, 600)))) names.push(entry.name);
    assert.deepEqual(names, ['big', 'after']);
  });

  it('a body that is left in the middle is skipped to its end', async () => {
    const names: string[] = [];
    const bytes = tarOf([{ name: 'big', data: 'x'.repeat(5000) }, after]);
    for await (const entry of readTar(new StreamSource(inChunks(bytes, 600)))) {
      names.push(entry.name);
      for await (const _ of entry.body()) break;
    }
    assert.deepEqual(names, ['big', 'after']);
  });
});

describe('tar reader: what is refused', () => {
  it('sparse files in every form', async () => {
    await refused(tarOf([{ name: 's', type: 'S', patch: toGnu }]), /sparse/);
    await refused(tarOf([pax({ 'GNU.sparse.major': '1', 'GNU.sparse.name': 's' }), after]), /sparse/);
    await refused(tarOf([pax({ 'GNU.sparse.map': '0,1' }, 'g'), after]), /sparse/);
  });

  it('unknown types, named', async () => {
    for (const type of ['V', 'M', 'N', 'D', 'X', 'A', '8', '?'])
      await refused(tarOf([{ name: 'odd', type }]), /"odd" is of the unknown type/);
  });

  it('global pax headers that would change every entry', async () => {
    for (const key of ['path', 'size', 'linkpath'])
      await refused(tarOf([pax({ [key]: '1' }, 'g'), after]), /global pax/);
  });

  it('a wrong checksum, and anything that is not a tar file', async () => {
    await refused(tarOf([{ name: 'x', damage: (header) => header.write('y', 0) }]), /checksum/);
    await refused(Buffer.from('{"not":"a tar file"}'.repeat(100)), /checksum/);
  });

  it('impossible sizes: negative, not octal, over 2^53, and a pax size that is no number', async () => {
    const binary =
      (...bytes: number[]) =>
      (header: Buffer): void => {
        header.fill(0, 124, 136);
        Buffer.from(bytes).copy(header, 124);
      };
    const size = /impossible size/;
    await refused(
      tarOf([{ name: 'x', patch: binary(0xff, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255) }]),
      size,
    );
    await refused(tarOf([{ name: 'x', patch: binary(0x80, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0) }]), size);
    await refused(tarOf([{ name: 'x', patch: (header) => header.write('-0000000001\0', 124, 'latin1') }]), size);
    await refused(tarOf([{ name: 'x', patch: (header) => header.write('0x0000000ff\0', 124, 'latin1') }]), size);
    for (const bad of ['-1', '1e3', 'NaN', '1.5', '9007199254740993', '4611686018427387904', ''])
      await refused(tarOf([pax({ size: bad }), after]), size);
  });

  it('malformed pax headers and names with a NUL', async () => {
    for (const data of ['x path=y\n', '5 a=b\n', '999 path=y\n', '12 path=aaaa', '0 a=b\n', '6 aaab\n', '-1 a=b\n'])
      await refused(tarOf([{ name: 'p', type: 'x', data }, after]), /malformed pax/);
    await refused(tarOf([pax({ path: 'a\0b' }), after]), /NUL/);
  });

  it('extended headers over a mebibyte, before they are read', async () => {
    const huge = (type: string): Buffer => entryBytes({ name: 'p', type, statedSize: 2 ** 32 });
    for (const type of ['x', 'g', 'L', 'K']) await refused(huge(type), /extended header of 4294967296 bytes/);
  });

  it('two extended headers that name one entry, and endless ones', async () => {
    await refused(tarOf([pax({ path: 'one' }), gnuLong('two'), after]), /contradict/);
    const endless = tarOf(Array.from({ length: 20 }, () => pax({ comment: 'again' }, 'g')));
    await refused(endless, /more than 16 extended headers/);
  });

  it('extended headers that not every reader counts: two of a kind, one in front of a global one, empty names', async () => {
    const order = /order in which not all of them count/;
    await refused(tarOf([pax({ path: 'one' }), pax({ mtime: '1' }), after]), order);
    await refused(tarOf([pax({ path: 'one' }), pax({ comment: 'x' }, 'g'), after]), order);
    await refused(tarOf([gnuLong('one'), pax({ comment: 'x' }, 'g'), after]), order);
    for (const empty of [pax({ path: '' }), pax({ linkpath: '' }), gnuLong(''), gnuLong('', 'K')])
      await refused(tarOf([empty, after]), /empty name/);
  });

  it('digits behind a NUL, which some readers count: what they skip as data would be an entry for others', async () => {
    const hidden = entryBytes({ name: 'hidden', data: 'x' });
    for (const size of ['\x0000000002000', '\x00 2000', '  \x002000'])
      await refused(
        tarOf([
          { name: 'x', data: hidden, patch: (header) => void header.fill(0, 124, 136).write(size, 124, 'latin1') },
        ]),
        /impossible size/,
      );
  });

  it('a prefix in a header of the old GNU form, which some readers join, and a file with the name of a directory', async () => {
    const patch = (header: Buffer): void => {
      toGnu(header);
      header.write('docs', 345);
    };
    await refused(tarOf([{ name: 'x', patch }]), /a name where the old GNU form of tar has times/);
    await refused(tarOf([{ name: 'x/', type: '0', data: 'y' }]), /name of a directory/);
  });

  it('an extended header at the end, and a lone block of zeros', async () => {
    await refused(tarOf([after, pax({ path: 'x' })]), /without an entry/);
    const lone = Buffer.concat([tarOf([after], { end: false }), Buffer.alloc(512), tarOf([after])]);
    await refused(lone, /lone block/);
  });

  it('a directory of version 7 with data, which others read as a file', async () => {
    await refused(tarOf([{ name: 'dir/', type: '\0', data: 'x' }]), /has data/);
  });

  it('an archive that ends too early, wherever it is cut', async () => {
    const bytes = tarOf([{ name: 'a', data: 'x'.repeat(600) }, pax({ path: 'long' }), after]);
    for (let size = 0; size < bytes.byteLength; size += 256)
      await refused(bytes.subarray(0, size), /ends within/, 'data-loss');
    await refused(bytes.subarray(0, bytes.byteLength - 1), /ends within/, 'data-loss');
  });
});

describe('tar reader: properties', () => {
  const name = fc.stringMatching(/^[a-z][a-z/]{0,120}[a-z]$/).map((text) => text.replace(/\/+/g, '/'));

  it('reads what the writer writes, whatever the chunks', async () => {
    const entries = fc.array(fc.record({ name, data: fc.string({ maxLength: 3000 }) }), { maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(entries, fc.integer({ min: 1, max: 2000 }), async (specs, chunkSize) => {
        const parts = specs.flatMap((spec) => {
          const data = Buffer.from(spec.data);
          const header = encodeHeader({ name: spec.name, typeflag: '0', size: data.byteLength, mode: 0o444 });
          return [header, data, Buffer.alloc((512 - (data.byteLength % 512)) % 512)];
        });
        const found = await read(Buffer.concat([...parts, Buffer.alloc(1024)]), chunkSize);
        assert.deepEqual(
          found,
          specs.map((spec) => file(spec.name, Buffer.from(spec.data).toString())),
        );
      }),
      { numRuns: 60 },
    );
  });

  it('damaged bytes give entries or a documented error, never anything else', async () => {
    const bytes = tarOf([pax({ path: 'long' }), { name: 'a', data: 'x'.repeat(600) }, gnuLong('l'), after]);
    const change = fc.record({ at: fc.nat(bytes.byteLength - 1), to: fc.nat(255) });
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const damaged = Buffer.from(bytes);
        for (const { at, to } of changes) damaged[at] = to;
        try {
          await read(damaged);
        } catch (error) {
          assert.ok(error instanceof DrayError && error.reason === 'bad-archive', String(error));
        }
      }),
      { numRuns: 400 },
    );
  });
});
