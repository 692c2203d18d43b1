import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Arguments, type Grammar } from '../../src/cli/arguments.ts';
import { commands, findCommand } from '../../src/cli/commands.ts';
import { exitCodeOf } from '../../src/cli/failures.ts';
import { helpOf } from '../../src/cli/help.ts';
import { parseLabels } from '../../src/cli/labels.ts';
import { nearest } from '../../src/cli/nearest.ts';
import { formatDuration, formatSize, parseDuration } from '../../src/cli/units.ts';
import { DrayError, type ErrorKind, is } from '../../src/errors.ts';

const grammar: Grammar = {
  name: 'test',
  usage: 'THING [flags]',
  example: 'dray test thing',
  options: {
    flag: { type: 'boolean', short: 'f', description: '' },
    name: { type: 'string', description: '' },
    many: { type: 'string', multiple: true, description: '' },
    level: { type: 'string', choices: ['low', 'high'], description: '' },
    count: { type: 'string', integer: { minimum: 1, maximum: 9 }, description: '' },
    wait: { type: 'string', duration: true, description: '' },
    secret: { type: 'string', private: true, description: '' },
  },
  positionals: { minimum: 1, maximum: 2, what: 'a thing' },
};

const parse = (argv: string[], environment: NodeJS.ProcessEnv = {}): Arguments =>
  Arguments.parse(grammar, argv, environment);

describe('arguments', () => {
  it('are words and flags in any order', () => {
    const args = parse(['--name', 'x', 'a', '-f', '--many=1', '--many', '2', 'b', '--count', '7', '--wait', '1m']);
    assert.equal(args.duration('wait'), 60_000);
    assert.deepEqual(args.positionals, ['a', 'b']);
    assert.equal(args.flag('flag'), true);
    assert.equal(args.string('name'), 'x');
    assert.deepEqual(args.list('many'), ['1', '2']);
    assert.equal(args.integer('count'), 7);
    assert.equal(args.string('level'), undefined);
  });

  it('behind -- are words, whatever they look like', () => {
    assert.deepEqual(parse(['--', '--name', '-f']).positionals, ['--name', '-f']);
  });

  it('are taken from the environment when they are not given', () => {
    const environment = { DRAY_NAME: 'env', DRAY_MANY: 'a,b,', DRAY_FLAG: '1', DRAY_SECRET: 'no', DRAY_LEVEL: '' };
    const args = parse(['x'], environment);
    assert.equal(args.string('name'), 'env');
    assert.deepEqual(args.list('many'), ['a', 'b']);
    assert.equal(args.flag('flag'), true);
    assert.equal(args.string('secret'), undefined);
    assert.equal(parse(['x', '--name', 'given'], environment).string('name'), 'given');
    assert.equal(parse(['x'], { DRAY_FLAG: 'no' }).flag('flag'), false);
  });

  const wrong: readonly [string[], NodeJS.ProcessEnv, RegExp][] = [
    [[], {}, /a thing is missing/],
    [['a', 'b', 'c'], {}, /unexpected "c"/],
    [['a', '--nam', 'x'], {}, /unknown flag --nam; did you mean --name\?/],
    [['a', '--zzz'], {}, /unknown flag --zzz$/],
    [['a', '-x'], {}, /unknown flag -x/],
    [['a', '--name'], {}, /needs a value/],
    [['a', '--name='], {}, /--name needs a value/],
    [['a', '--many', ''], {}, /--many needs a value/],
    [['a', '--flag=yes'], {}, /takes no value/],
    [['a', '--level', 'mid'], {}, /one of low, high/],
    [['a', '--count', '0'], {}, /from 1 to 9/],
    [['a', '--count', '1e1'], {}, /from 1 to 9/],
    [['a', '--wait', '5'], {}, /^--wait is a time such as 90s, 5m or 1h30m, not "5"/],
    [['a'], { DRAY_WAIT: '5' }, /^DRAY_WAIT is a time/],
    [['a'], { DRAY_FLAG: 'perhaps' }, /DRAY_FLAG/],
    [['a'], { DRAY_COUNT: '99' }, /DRAY_COUNT/],
  ];
  for (const [argv, environment, problem] of wrong) {
    it(`${JSON.stringify(argv)} ${JSON.stringify(environment)} is refused with an example`, () => {
      assert.throws(
        () => parse(argv, environment),
        (error: unknown) => {
          assert.ok(is(error, 'invalid-argument'));
          assert.match(error.message, problem);
          assert.match(error.context.hint ?? '', /dray test thing/);
          assert.equal(exitCodeOf(error), 2);
          return true;
        },
      );
    });
  }
});

describe('commands', () => {
  it('are found by their words, aliases and --version', () => {
    for (const [words, name] of [
      [['pull', 'x'], 'pull'],
      [['cp', 'a', 'b'], 'copy'],
      [['images', 'list'], 'images ls'],
      [['images', 'delete', 'x'], 'images rm'],
      [['--version'], 'version'],
    ] as const) {
      const found = findCommand(words);
      assert.equal(found.kind === 'command' && found.name, name);
    }
  });

  it('that are unknown are refused with the nearest', () => {
    for (const [words, near] of [
      [['pul'], 'dray pull'],
      [['imags'], 'dray images'],
      [['images', 'tga'], 'dray images tag'],
      [['tag', 'a', 'b'], 'dray images tag'],
      [['images', 'pull'], 'dray pull'],
      [['rmi'], 'dray images rm'],
      [['content', 'active'], 'dray content status'],
      [['constructor'], 'dray --help'],
      [['images', '__proto__'], undefined],
      [['--root', 'x', 'pull'], 'flags come after it'],
      [['images', '--json'], 'flags come after it'],
      [['help', 'pul'], 'dray pull'],
    ] as const) {
      assert.throws(
        () => findCommand(words),
        (error: unknown) => is(error, 'invalid-argument') && (error.context.hint ?? '').includes(near ?? 'dray'),
      );
    }
  });

  it('have their help behind the word help too', () => {
    const found = findCommand(['help', 'images', 'ls']);
    assert.ok(found.kind === 'command');
    assert.deepEqual([found.name, found.rest], ['images ls', ['--help']]);
    assert.equal(findCommand(['help', 'images']).kind, 'help');
    assert.equal(findCommand(['help']).kind, 'help');
  });

  it('all have help that starts with worked examples', async () => {
    for (const name of Object.keys(commands)) {
      const found = findCommand(name.split(' '));
      assert.ok(found.kind === 'command');
      const help = helpOf(name, await found.load());
      const [, , example = ''] = help.split('\n');
      assert.match(example, new RegExp(`dray ${name}|${name}`), name);
      assert.match(help, /usage: dray/);
    }
  });
});

describe('the small things of the command', () => {
  it('exit codes keep the contract', () => {
    const table: readonly [ErrorKind, number][] = [
      ['unknown', 1],
      ['invalid-argument', 2],
      ['not-found', 3],
      ['unauthenticated', 4],
      ['permission-denied', 4],
      ['data-loss', 6],
      ['unavailable', 7],
      ['deadline-exceeded', 7],
      ['already-exists', 9],
      ['failed-precondition', 9],
      ['resource-exhausted', 10],
    ];
    for (const [kind, code] of table) assert.equal(exitCodeOf(new DrayError(kind, 'x')), code, kind);
    assert.equal(exitCodeOf(new DrayError('failed-precondition', 'x', { reason: 'digest-mismatch' })), 6);
    assert.equal(exitCodeOf(new DrayError('invalid-argument', 'x', { reason: 'bad-document' })), 6);
    assert.equal(exitCodeOf(new DrayError('unavailable', 'x', { reason: 'locked' })), 10);
    assert.equal(exitCodeOf(new DrayError('resource-exhausted', 'x', { reason: 'rate-limited' })), 7);
    assert.equal(exitCodeOf(new DrayError('permission-denied', 'x', { side: 'store' })), 10);
    assert.equal(exitCodeOf(new DrayError('resource-exhausted', 'x', { reason: 'disk-full' })), 10);
    assert.equal(exitCodeOf(new DrayError('resource-exhausted', 'x', { registry: 'r.io', status: 507 })), 7);
    const ofRegistry = { registry: 'r.io', request: 'PUT /v2/', status: 400 };
    assert.equal(exitCodeOf(new DrayError('invalid-argument', 'x', ofRegistry)), 9);
    assert.equal(exitCodeOf(new DrayError('not-implemented', 'x', { ...ofRegistry, status: 405 })), 9);
    assert.equal(
      exitCodeOf(new DrayError('internal', 'x', { request: 'containerd.services.images.v1.Images/List' })),
      7,
    );
    const cause = Object.assign(new Error('EACCES: x'), { code: 'EACCES' });
    assert.equal(exitCodeOf(new DrayError('permission-denied', 'x', { side: 'target', cause })), 10);
    assert.equal(exitCodeOf(new DrayError('permission-denied', 'x', { registry: 'r.io', cause })), 4);
    for (const code of ['EIO', 'EBUSY']) assert.equal(exitCodeOf(Object.assign(new Error(`${code}: x`), { code })), 10);
    assert.equal(exitCodeOf(new TypeError('x')), 1);
  });

  it('sizes and times are written for people', () => {
    assert.deepEqual([0, 1023, 1024, 9_856_614, 1024 ** 3, 5 * 1024 ** 4].map(formatSize), [
      '0 B',
      '1023 B',
      '1.0 KiB',
      '9.4 MiB',
      '1.0 GiB',
      '5.0 TiB',
    ]);
    assert.deepEqual([0, 3400, 12_000, 150_000, 7_200_000, 864_000_000].map(formatDuration), [
      '0.0s',
      '3.4s',
      '12s',
      '3m',
      '2h',
      '10d',
    ]);
  });

  it('times are read as people write them', () => {
    assert.deepEqual(
      ['90s', '5m', '1h30m', '250ms', '1.5s', '2d'].map(parseDuration),
      [90_000, 300_000, 5_400_000, 250, 1500, 172_800_000],
    );
    for (const text of ['', '5', 's', '5x', '5 m', '-5s', '5m!', '99999999999d'])
      assert.equal(parseDuration(text), undefined);
  });

  it('labels are read as key=value', () => {
    assert.deepEqual(parseLabels(['a=1', 'b=', 'c.d/e==x=y']), { a: '1', b: '', 'c.d/e': '=x=y' });
    for (const word of ['', 'a', '=b']) assert.throws(() => parseLabels([word]), /invalid label/);
  });

  it('the nearest word is near', () => {
    assert.equal(nearest('pulll', ['push', 'pull']), 'pull');
    assert.equal(nearest('xyzzy', ['push', 'pull']), undefined);
  });
});
