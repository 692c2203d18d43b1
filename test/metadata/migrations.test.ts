import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { describe, it } from 'node:test';
import { openStore } from '../../src/metadata/open-store.ts';
import { migrate } from '../../src/metadata/schema/migrate.ts';
import { migrations } from '../../src/metadata/schema/migrations.ts';
import { digestOf } from '../../src/spec/digest.ts';
import { fails } from '../../src/testing/content-store/expectations.ts';
import { run } from '../support/processes.ts';
import { temporaryDirectory } from '../support/temporary.ts';
import { put, temporaryStore } from './support.ts';

/** What a schema of that many steps could hold, written as a dray of that time did. */
const rows: readonly (readonly string[])[] = [
  [
    `INSERT INTO namespace VALUES ('default', '{"team":"a"}')`,
    `INSERT INTO blob VALUES ('default', '${digestOf('old')}', 3, '{"k":"v"}', 1700000000123456789, 1700000000123456790)`,
    `INSERT INTO ingest VALUES ('default', 'r', '${digestOf('later')}', 'token', 1700000000123456789)`,
  ],
  [
    `INSERT INTO image (namespace, name, target, labels, created_at, updated_at) VALUES ('default', 'app',
      '{"mediaType":"m","digest":"${digestOf('old')}","size":3}', '{}', 1700000000000000001, 1700000000000000002)`,
  ],
  [
    `INSERT INTO lease VALUES ('default', 'l', '{}', NULL, 1700000000000000003)`,
    `INSERT INTO lease_resource VALUES ('default', 'l', 'content', '${digestOf('old')}')`,
  ],
  [`INSERT INTO event (timestamp, namespace, topic, fields) VALUES (1, 'default', '/x', '{}')`],
];

function schemaOf(path: string): string[] {
  const database = new DatabaseSync(path, { readOnly: true });
  try {
    const found = database.prepare('SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name').all();
    return found.map((row) => String(row['sql']));
  } finally {
    database.close();
  }
}

describe('the schema', () => {
  for (let version = 0; version <= migrations.length; version += 1) {
    it(`comes from version ${version} to the newest, with all that was there`, async () => {
      await using directory = await temporaryDirectory();
      const path = directory.join('metadata.db');
      const old = new DatabaseSync(path);
      old.exec('PRAGMA journal_mode = WAL');
      if (version > 0) migrate(old, migrations.slice(0, version));
      for (const sql of rows.slice(0, version).flat()) old.exec(sql);
      old.close();
      {
        await using store = await openStore({ root: directory.path });
        const { content, images, leases } = store.services('default');
        const infos = await Array.fromAsync(content.walk('labels.k==v'));
        assert.deepEqual(
          infos.map((info) => [info.digest, info.createdAt.nanoseconds]),
          version < 1 ? [] : [[digestOf('old'), 1700000000123456789n]],
        );
        assert.equal(
          (await Array.fromAsync(images.list('target.digest=='.concat(digestOf('old'))))).length,
          version < 2 ? 0 : 1,
        );
        assert.equal((await Array.fromAsync(leases.list())).length, version < 3 ? 0 : 1);
        await put(content, 'r', 'new');
      }
      await using fresh = await temporaryStore();
      assert.deepEqual(schemaOf(path), schemaOf(join(fresh.root, 'metadata.db')));
    });
  }

  it('that fails half-way stays as it was', async () => {
    await using directory = await temporaryDirectory();
    const database = new DatabaseSync(directory.join('metadata.db'));
    migrate(database, migrations.slice(0, 1));
    const broken = { name: 'broken', sql: 'CREATE TABLE half (x); CREATE TABLE half (x);' };
    assert.throws(() => migrate(database, [...migrations.slice(0, 1), broken]), /half/);
    assert.equal(database.prepare('PRAGMA user_version').get()?.['user_version'], 1);
    assert.equal(database.prepare("SELECT count(*) AS n FROM sqlite_schema WHERE name = 'half'").get()?.['n'], 0);
    database.close();
  });

  it('of somebody else is refused and left as it is', async () => {
    await using directory = await temporaryDirectory();
    const path = directory.join('metadata.db');
    const database = new DatabaseSync(path);
    database.exec('CREATE TABLE theirs (x); PRAGMA user_version = 1;');
    database.close();
    const before = schemaOf(path);
    await fails(openStore({ root: directory.path }), 'failed-precondition', /not one of dray/);
    assert.deepEqual(schemaOf(path), before);
  });

  it('of a directory that may only be read is refused', { skip: unlessRoot() }, async () => {
    await using fixture = await temporaryStore();
    await put(fixture.services.content, 'r', 'x');
    await fixture.store[Symbol.asyncDispose]();
    const program = join(import.meta.dirname, 'store-process.ts');
    const names = await readdir(fixture.root);
    const before = await readFile(join(fixture.root, 'metadata.db'));
    const { stdout, stderr } = await run(process.execPath, [program, 'read-only', fixture.root]);
    assert.match(stdout, /^permission-denied/, stderr);
    assert.deepEqual(await readdir(fixture.root), names);
    assert.deepEqual(await readFile(join(fixture.root, 'metadata.db')), before);
  });
});

/** Who is not root owns the directory, and who is has to become somebody else to be refused. */
function unlessRoot(): string | false {
  return process.getuid?.() === 0 ? false : 'only root can become a user who may not write';
}
