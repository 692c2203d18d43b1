import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { type Algorithm, digestOf } from '../../src/spec/digest.ts';
import { randomBytes } from '../../src/testing/random.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { type Answer, type SendOptions, serve, type TestRegistry } from './support.ts';

const repository = 'team/app';
const uploads = `/v2/${repository}/blobs/uploads/`;

/** What a session is to become, of which it has a part from the start. */
interface Session {
  readonly location: string;
  readonly content: Uint8Array;
  offset: number;
  ended: boolean;
}

interface Model {
  readonly sessions: Session[];
  /** Blobs that have to be there. */
  readonly blobs: Map<string, Uint8Array>;
}

interface Real {
  registry: TestRegistry;
  readonly root: string;
}

/** One request or several, checked against what is known; `at` is any session that there was, ended ones too. */
type Command = fc.AsyncCommand<Model, Real>;

function onSession(
  name: string,
  at: number,
  run: (session: Session, model: Model, real: Real) => Promise<void>,
): Command {
  return {
    check: ({ sessions }) => sessions.length > 0,
    run: async (model, real) => await run(model.sessions[at % model.sessions.length] as Session, model, real),
    toString: () => `${name} of session ${at}`,
  };
}

function part({ content }: Session, from: number, to: number): Required<SendOptions> {
  return { headers: { 'Content-Range': `${from}-${to - 1}` }, body: content.subarray(from, to) };
}

function assertOffset({ status, headers }: Answer, expected: number, session: Session): void {
  assert.equal(headers['range'], `0-${Math.max(0, session.offset - 1)}`);
  assert.equal(headers.location, session.location);
  assert.equal(status, expected);
}

const start: Command = {
  check: () => true,
  run: async ({ sessions }, { registry }) => {
    const { status, headers } = await registry.send('POST', uploads);
    assert.equal(status, 202);
    const content = randomBytes(1000, `session ${sessions.length}`);
    sessions.push({ location: headers.location ?? '', content, offset: 0, ended: false });
  },
  toString: () => 'start',
};

const restart: Command = {
  check: () => true,
  run: async (_model, real) => {
    await real.registry[Symbol.asyncDispose]();
    real.registry = await serve({ root: real.root });
  },
  toString: () => 'restart',
};

const ask = (at: number): Command =>
  onSession('status', at, async (session, _model, { registry }) => {
    const answer = await registry.send('GET', session.location);
    if (session.ended) assert.equal(answer.status, 404);
    else assertOffset(answer, 204, session);
  });

const cancel = (at: number): Command =>
  onSession('cancel', at, async (session, _model, { registry }) => {
    assert.equal((await registry.send('DELETE', session.location)).status, session.ended ? 404 : 204);
    session.ended = true;
  });

const stream = (at: number, length: number): Command =>
  onSession(`stream of ${length}`, at, async (session, _model, { registry }) => {
    const body = session.content.subarray(session.offset, session.offset + length);
    const answer = await registry.send('PATCH', session.location, { body });
    if (session.ended) return assert.equal(answer.status, 404);
    session.offset += body.byteLength;
    assertOffset(answer, 202, session);
  });

/** A chunk that begins `shift` bytes behind where it should; `lie` bytes more are announced than come. */
const chunk = (at: number, length: number, shift: number, lie: number): Command =>
  onSession(`chunk of ${length} at +${shift} and ${lie}`, at, async (session, _model, { registry }) => {
    const from = Math.max(0, session.offset + shift);
    const to = Math.min(session.content.byteLength, from + length);
    if (to <= from || to + lie <= from) return;
    const { body } = part(session, from, to);
    const headers = { 'Content-Range': `${from}-${to + lie - 1}` };
    const answer = await registry.send('PATCH', session.location, { headers, body });
    if (session.ended) return assert.equal(answer.status, 404);
    if (lie !== 0) return assert.equal(answer.status, 400);
    if (from !== session.offset) return assertOffset(answer, 416, session);
    session.offset = to;
    assertOffset(answer, 202, session);
  });

/** Clients that all believe that the next chunk is theirs. */
const race = (at: number, lengths: readonly number[]): Command =>
  onSession(`race of ${lengths}`, at, async (session, _model, { registry }) => {
    const { offset, location, content } = session;
    const ends = lengths.map((length) => Math.min(content.byteLength, offset + length)).filter((end) => end > offset);
    const sent = ends.map((end) => registry.send('PATCH', location, part(session, offset, end)));
    // One who is overtaken may find the connection closed.
    const answers = (await Promise.allSettled(sent)).map((one) =>
      one.status === 'fulfilled' ? one.value.status : 409,
    );
    if (session.ended) return assert.ok(answers.every((status) => status === 404));
    assert.ok(
      answers.every((status) => [202, 409, 416].includes(status)),
      `${answers}`,
    );
    assert.ok(answers.filter((status) => status === 202).length <= 1, `${answers}`);
    const { headers } = await registry.send('GET', location);
    const last = Number(headers['range']?.slice('0-'.length));
    const there = last === 0 && offset === 0 && !answers.includes(202) ? 0 : last + 1;
    const won = ends[answers.indexOf(202)];
    assert.ok(won === undefined ? there >= offset : there === won, `${there} bytes after ${answers}`);
    session.offset = there;
  });

const end = (at: number, length: number, algorithm: Algorithm, isRight: boolean): Command =>
  onSession(`end with ${length}, ${algorithm}, ${isRight}`, at, async (session, { blobs }, { registry }) => {
    const whole = session.content.subarray(0, session.offset + length);
    const digest = digestOf(isRight ? whole : randomBytes(9, 'wrong'), algorithm);
    const body = whole.subarray(session.offset);
    const answer = await registry.send('PUT', `${session.location}?digest=${digest}`, { body });
    assert.equal(answer.status, session.ended ? 404 : isRight ? 201 : 400);
    if (!session.ended && isRight) blobs.set(digest, whole);
    session.ended = true;
  });

const atOnce = (length: number, isRight: boolean): Command => ({
  check: () => true,
  run: async ({ blobs }, { registry }) => {
    const body = randomBytes(length, 'at once');
    const digest = digestOf(isRight ? body : randomBytes(9, 'wrong'));
    const { status } = await registry.send('POST', `${uploads}?digest=${digest}`, { body });
    assert.equal(status, isRight ? 201 : 400);
    if (isRight) blobs.set(digest, body);
  },
  toString: () => `at once ${length} ${isRight}`,
});

const at = fc.nat(5);
const length = fc.oneof(fc.constantFrom(0, 1, 1000), fc.nat(60));
const commands = fc.commands(
  [
    fc.constant(start),
    fc.constant(restart),
    at.map(ask),
    at.map(cancel),
    fc.tuple(at, length).map(([...args]) => stream(...args)),
    fc
      .tuple(at, length, fc.constantFrom(0, 0, 0, 1, -1, 500), fc.constantFrom(0, 0, 0, 1, -1))
      .map(([...args]) => chunk(...args)),
    fc.tuple(at, fc.array(length, { minLength: 2, maxLength: 4 })).map(([...args]) => race(...args)),
    fc
      .tuple(at, length, fc.constantFrom<Algorithm>('sha256', 'sha512'), fc.constantFrom(true, true, false))
      .map(([...args]) => end(...args)),
    fc.tuple(length, fc.boolean()).map(([...args]) => atOnce(...args)),
  ],
  { maxCommands: 40, size: 'max' },
);

it('an upload does what its requests add up to, in any order, wrong ones between, at once and over restarts', async () => {
  await fc.assert(
    fc.asyncProperty(commands, async (history) => {
      await using directory = await temporaryDirectory();
      const root = directory.join('store');
      const real: Real = { registry: await serve({ root }), root };
      const model: Model = { sessions: [], blobs: new Map() };
      try {
        await fc.asyncModelRun(() => ({ model, real }), history);
        for (const [digest, bytes] of model.blobs) {
          const { status, body } = await real.registry.send('GET', `/v2/${repository}/blobs/${digest}`);
          assert.equal(status, 200);
          assert.deepEqual(new Uint8Array(body), new Uint8Array(bytes));
        }
        const open = model.sessions.filter(({ ended }) => !ended).length;
        assert.equal((await Array.fromAsync(real.registry.services.content.statuses())).length, open);
      } finally {
        await real.registry[Symbol.asyncDispose]();
      }
    }),
    { numRuns: 25 },
  );
});
