import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Database, Transaction } from '../../src/metadata/database.ts';
import { openStore } from '../../src/metadata/open-store.ts';
import { put, temporaryStore } from './support.ts';

const add = (transaction: Transaction, name: string): number =>
  transaction.run("INSERT INTO namespace VALUES (?, '{}')", name);

const names = (database: Database): string[] =>
  database.all<{ name: string }>('SELECT name FROM namespace ORDER BY name').map(({ name }) => name);

describe('a change in steps', () => {
  it('lets everything else of the process have its turn, and returns what it comes to', async () => {
    await using fixture = await temporaryStore();
    let turns = 0;
    const count = (): void => {
      turns += 1;
      if (turns < 5) setImmediate(count);
    };
    setImmediate(count);
    const result = await fixture.store.database.writeInSteps(function* (transaction) {
      add(transaction, 'long');
      // It would never end if it kept the turn.
      while (turns < 5) yield;
      return 'done';
    });
    assert.equal(result, 'done');
    assert.deepEqual(names(fixture.store.database), ['long']);
  });

  it('is one transaction: others see nothing of it before its end, and nothing when a step throws', async () => {
    await using fixture = await temporaryStore();
    await using other = await openStore({ root: fixture.root });
    const seen: string[][] = [];
    const change = fixture.store.database.writeInSteps(function* (transaction) {
      for (const name of ['a', 'b']) {
        add(transaction, name);
        seen.push(names(other.database));
        yield;
      }
      throw new Error('the last step');
    });
    await assert.rejects(change, { message: 'the last step' });
    assert.deepEqual(seen, [[], []]);
    assert.deepEqual(names(fixture.store.database), []);
  });

  it('that only looks, and makes notes, sees one moment and keeps nobody out', { timeout: 30_000 }, async () => {
    await using fixture = await temporaryStore();
    await using other = await openStore({ root: fixture.root });
    const [begun, written] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let hasWritten = false;
    void written.promise.then(() => {
      hasWritten = true;
    });
    const seen = fixture.store.database.readInSteps(function* (transaction) {
      transaction.run('CREATE TEMP TABLE note AS SELECT name FROM namespace');
      begun.resolve();
      while (!hasWritten) yield;
      return [names(fixture.store.database), transaction.all('SELECT * FROM temp.note')];
    });
    await begun.promise;
    await other.database.write((transaction) => add(transaction, 'late'));
    written.resolve();
    assert.deepEqual(await seen, [[], []]);
    assert.deepEqual(names(fixture.store.database), ['late']);
  });

  it('is taken back when it is aborted, with the reason of the signal', async () => {
    await using fixture = await temporaryStore();
    const stop = new AbortController();
    const change = fixture.store.database.writeInSteps(
      function* (transaction) {
        add(transaction, 'a');
        yield;
        stop.abort(new Error('enough'));
        for (;;) yield;
      },
      { signal: stop.signal },
    );
    await assert.rejects(change, { message: 'enough' });
    assert.deepEqual(names(fixture.store.database), []);
  });

  it('has the changes before it done, and those behind it wait, here and elsewhere', async () => {
    await using fixture = await temporaryStore();
    await using other = await openStore({ root: fixture.root });
    const { database } = fixture.store;
    const order: string[] = [];
    const note = (name: string) => (transaction: Transaction) => {
      order.push(name);
      add(transaction, name);
    };
    const elsewhere = Promise.withResolvers<void>();
    const before = database.write(note('before'));
    const long = database.writeInSteps(function* (transaction) {
      order.push('begins');
      elsewhere.resolve(other.database.write(note('elsewhere')));
      yield;
      note('ends')(transaction);
    });
    const behind = database.write(note('behind'));
    await Promise.all([before, long, behind, elsewhere.promise]);
    assert.deepEqual(order.slice(0, 3), ['before', 'begins', 'ends']);
    assert.deepEqual(order.slice(3).sort(), ['behind', 'elsewhere']);
    assert.deepEqual(names(database), ['before', 'behind', 'elsewhere', 'ends']);
  });

  it('is finished before the store is closed, as what was asked for before and after it', async () => {
    await using fixture = await temporaryStore();
    const store = await openStore({ root: fixture.root });
    const before = store.database.write((transaction) => add(transaction, 'before'));
    const change = store.database.writeInSteps(function* (transaction) {
      for (const name of ['n0', 'n1', 'n2']) {
        add(transaction, name);
        yield;
      }
    });
    const after = store.database.write((transaction) => transaction.run("DELETE FROM namespace WHERE name = 'n1'"));
    await store[Symbol.asyncDispose]();
    await Promise.all([before, change, after]);
    assert.deepEqual(names(fixture.store.database), ['before', 'n0', 'n2']);
    assert.throws(() => names(store.database), { kind: 'failed-precondition', message: 'the store is closed' });
  });
});

describe('a collection of more than one step takes', () => {
  it('finds what is needed and what is not, wherever it is in the tables', async () => {
    await using fixture = await temporaryStore();
    const { services, store } = fixture;
    const { digest } = await put(services.content, 'kept', 'kept');
    await store.database.write((transaction) => {
      const insert = (namespace: string, n: number, labels: object): string => {
        const name = `sha256:${n.toString(16).padStart(64, '0')}` as const;
        transaction.run('INSERT INTO blob VALUES (?, ?, 1, ?, 1, 1)', namespace, name, JSON.stringify(labels));
        return name;
      };
      add(transaction, 'other');
      for (let n = 0; n < 2500; n += 1) insert(n % 2 ? 'other' : 'default', n, {});
      // A chain longer than what one step follows, of which each link names two that nothing else does.
      let below: string = digest;
      for (let n = 3000; n < 3900; n += 3)
        below = insert('default', n, {
          'containerd.io/gc.ref.content.below': below,
          'containerd.io/gc.ref.content.one': insert('default', n + 1, {}),
          'containerd.io/gc.ref.content.two': insert('default', n + 2, {}),
        });
      const target = JSON.stringify({ mediaType: 'application/x', digest: below, size: 1 });
      transaction.run(
        "INSERT INTO image (namespace, name, target, labels, created_at, updated_at) VALUES ('default', 'i', ?, '{}', 1, 1)",
        target,
      );
    });
    const removed = new Map<string, number>();
    const summary = await store.collect({
      onRemove: ({ type, namespace = '' }) => removed.set(type + namespace, (removed.get(type + namespace) ?? 0) + 1),
    });
    assert.equal(summary.content, 2500);
    assert.deepEqual(Object.fromEntries(removed), { contentdefault: 1250, contentother: 1250 });
    assert.equal(store.database.all('SELECT 1 FROM blob').length, 901);
    assert.equal((await store.collect()).content, 0);
  });
});
