import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { Writable } from 'node:stream';
import { describe, it, mock } from 'node:test';
import type { Context } from '../../src/cli/context.ts';
import { Output, type OutputMode } from '../../src/cli/output.ts';
import { importProgress } from '../../src/cli/progress/import.ts';
import { PlainProgress } from '../../src/cli/progress/plain.ts';
import { openProgress } from '../../src/cli/progress/progress.ts';
import { tableOf } from '../../src/cli/table.ts';
import { command as imagesLs } from '../../src/cli/verbs/images-ls.ts';
import { is } from '../../src/errors.ts';
import { memoryServices } from '../../src/testing/memory-services.ts';
import { randomImage } from '../../src/testing/random.ts';
import { ScriptedRegistry } from '../../src/testing/scripted-registry.ts';
import { dray, drayDone, drayStart, program } from '../support/command.ts';
import { run } from '../support/processes.ts';
import { temporaryDirectory } from '../support/temporary.ts';

function failing(code: string): Writable {
  const error = Object.assign(new Error(`${code}: no luck, write`), { code });
  return new Writable({ write: (_chunk, _encoding, done) => done(error) });
}

const silent = (): Writable => new Writable({ write: (_chunk, _encoding, done) => done() });

describe('a terminal at stderr', () => {
  const terminal = (columns?: number) => Object.assign(silent(), { isTTY: true, columns });

  it('is drawn on, in colours if nobody minds', () => {
    const output = new Output(silent(), terminal(132), { NO_COLOR: '1' });
    assert.deepEqual([output.drawingWidth, output.colour], [132, false]);
    assert.equal(new Output(silent(), terminal(132), { TERM: 'xterm', NO_COLOR: '' }).colour, true);
  });

  it('that says it has no width has the usual one', () => {
    for (const columns of [0, undefined]) assert.equal(new Output(silent(), terminal(columns), {}).drawingWidth, 80);
  });

  it('that is a dumb one, or none, gets lines and nothing else', () => {
    for (const output of [new Output(silent(), terminal(80), { TERM: 'dumb' }), new Output(silent(), silent(), {})]) {
      assert.deepEqual([output.drawingWidth, output.colour], [undefined, false]);
      assert.throws(
        () => openProgress('pull', 'tty', output),
        (error) => is(error, 'invalid-argument'),
      );
      using progress = openProgress('pull', 'auto', output);
      assert.ok(progress instanceof PlainProgress);
    }
  });
});

describe('what is written to stdout', () => {
  it('and does not arrive, is told at the end', async () => {
    const output = new Output(failing('ENOSPC'), silent(), {});
    await output.line('result');
    await assert.rejects(
      output.finish(),
      (error) => is(error, 'resource-exhausted') && error.context.operation === 'write to stdout',
    );
  });

  for (const code of ['EPIPE', 'EOF'])
    it(`and is not wanted any more (${code}), is no error, and no more names are asked for`, async () => {
      const output = new Output(failing(code), silent(), {});
      let asked = 0;
      await output.names(
        (async function* () {
          for (; asked < 100; asked += 1) yield 'name';
        })(),
      );
      assert.ok(asked < 3, `${asked}`);
      await output.finish();
    });

  it('of a list of images is looked for as long as somebody reads it, and in no content where names are enough', async () => {
    const { root } = randomImage({ seed: 'listed' });
    const list = async (stdout: Writable, mode: OutputMode): Promise<number> => {
      await using services = memoryServices();
      for (let n = 0; n < 100; n += 1) await services.images.create({ name: `app:${n}`, target: root });
      const looks = mock.method(services.content, 'info').mock;
      const output = new Output(stdout, silent(), {});
      output.configure(mode);
      const context = { arguments: { positionals: [], flag: () => false }, output, services: async () => services };
      assert.equal(await imagesLs.run(context as unknown as Context), undefined);
      return looks.callCount();
    };
    assert.equal(await list(silent(), { ndjson: true }), 100);
    assert.ok((await list(failing('EPIPE'), { ndjson: true })) < 3);
    assert.equal(await list(silent(), { quiet: true }), 0);
  });

  it('of a list begins before its end is known, a thousand lines at a time that stand below each other', async () => {
    let looked = 0;
    const items = async function* () {
      for (; looked < 5000; looked += 1) yield `item ${'x'.repeat(looked / 1000)}`;
    };
    const columns = [
      { head: 'NAME', value: (item: string) => item },
      { head: 'LENGTH', right: true, value: (item: string) => String(item.length) },
    ];
    const lines = tableOf(items(), columns);
    assert.equal((await lines.next()).value, 'NAME   LENGTH');
    assert.equal(looked, 998);
    const rest = await Array.fromAsync(lines);
    assert.equal(rest.length, 5000);
    assert.equal(rest.at(0), 'item        5');
    assert.equal(rest.at(-1), 'item xxxx       9');
  });

  it('faster than it is read, leaves nothing behind with each wait', async () => {
    const stdout = new Writable({ highWaterMark: 1, write: (_chunk, _encoding, done) => setImmediate(done) });
    const output = new Output(stdout, silent(), {});
    const before = stdout.listenerCount('error');
    for (let n = 0; n < 20; n += 1) await output.line('result');
    assert.equal(stdout.listenerCount('error'), before);
    assert.equal(stdout.listenerCount('drain'), 0);
    await output.finish();
  });

  it('to a full disk ends with 10 and a line that says so', {
    skip: process.platform === 'linux' ? false : 'there is no /dev/full',
  }, async () => {
    const command = [process.execPath, program];
    for (const words of [['version'], ['images', 'ls', '--json']]) {
      await using directory = await temporaryDirectory();
      const env = { ...process.env, DRAY_ROOT: directory.path };
      const { code, stderr } = await run('sh', ['-c', 'exec "$0" "$@" > /dev/full', ...command, ...words], { env });
      assert.equal(code, 10);
      assert.match(stderr, /write to stdout failed|"operation":"write to stdout"/);
      assert.doesNotMatch(stderr, /\n\s+at /);
    }
  });
});

it('what others wrote moves no cursor: not in a table, and not in an error', async () => {
  await using directory = await temporaryDirectory();
  const environment = { DRAY_ROOT: directory.path };
  const id = '\u001b[31mred\u009b\rx';
  await drayDone(['lease', 'create', '--id', id], { environment });
  const table = await drayDone(['lease', 'ls'], { environment });
  assert.ok(table.includes('\\u001b[31mred\\u009b\\u000dx'), table);
  assert.equal(await drayDone(['lease', 'ls', '-q'], { environment }), id);
  const { stderr } = await dray(['lease', 'create', '--id', id], { environment });
  assert.match(stderr, /lease \\u001b\[31mred/);
  assert.doesNotMatch(`${table}${stderr}`, /\u001b/);
  const annotations = { 'org.opencontainers.image.ref.name': 'a\u001b[31m\nerror: b' };
  const manifests = [{ mediaType: 'a/b', digest: `sha256:${'0'.repeat(64)}`, size: 1, annotations }];
  await writeFile(directory.join('index.json'), JSON.stringify({ manifests }));
  const lost = await dray(['copy', `oci:${directory.path}:c`, 'store:x'], { environment });
  assert.match(lost.stderr, /hint: there are: sha256:0000/);
  assert.doesNotMatch(lost.stderr, /\u001b/);
});

it('what others wrote moves no cursor of a terminal: in no line, list or document, and in no progress', async (context) => {
  const written: string[] = [];
  const sink = (): Writable =>
    new Writable({
      write(chunk, _encoding, done) {
        written.push(String(chunk));
        done();
      },
    });
  const output = new Output(Object.assign(sink(), { isTTY: true }), Object.assign(sink(), { isTTY: true }), {});
  const name = '\u001b[31mred\u009b2J\u202egnp';
  output.say(`removed ${name}\nand more`);
  await output.line(name);
  const one = async function* (): AsyncGenerator<string> {
    yield name;
  };
  const columns = [{ head: 'NAME', value: (item: string) => item }];
  for (const mode of [{ quiet: true }, { json: true }, { ndjson: true }, {}]) {
    output.configure(mode);
    await output.list(one(), columns, (item) => item);
    await output.names(one());
  }
  output.configure({});
  context.mock.timers.enable({ apis: ['setInterval'] });
  using progress = importProgress('tty', output);
  progress.report({ entry: name, state: 'active', offset: 0, size: 1 });
  context.mock.timers.tick(100);
  const all = written.join('').replaceAll('\r\u001b[K', '');
  assert.doesNotMatch(all, /[\p{Bidi_Control}\x00-\x09\x0b-\x1f\x7f-\x9f]/u);
  assert.equal(all.split('\\u001b[31mred\\u009b2J\\u202egnp').length - 1, 11);
  await output.write(Buffer.from(name));
  assert.equal(written.at(-1), name, 'bytes are what was asked for');
});

it('a pull whose progress nobody reads any more is done to its end', async () => {
  const image = randomImage({ seed: 'unheard', layers: [100_000] });
  await using registry = await ScriptedRegistry.start();
  registry.add('app', image, '1');
  await using directory = await temporaryDirectory();
  const environment = { DRAY_ROOT: directory.path };
  await using running = drayStart(['pull', `${registry.host}/app:1`, '--all-platforms'], { environment });
  running.child.stderr?.destroy();
  const [code] = await once(running.child, 'close');
  assert.equal(code, 0);
  assert.equal(running.output(), `${registry.host}/app@${image.root.digest}\n`);
  assert.equal(await drayDone(['images', 'ls', '-q'], { environment }), `${registry.host}/app:1`);
});
