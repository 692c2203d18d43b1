import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { describe as group, it } from 'node:test';
import { htpasswd } from '../../../src/registry/index.ts';
import { serve } from '../../registry/support.ts';
import { run } from '../../support/processes.ts';
import { temporaryDirectory } from '../../support/temporary.ts';

/**
 * The conformance suite of the distribution specification itself, as its authors publish it: the program of the folder
 * `conformance` of that repository, built with Go, named by `OCI_CONFORMANCE` or on the path as `oci-conformance`.
 */
const program = [
  process.env['OCI_CONFORMANCE'] ?? '',
  ...(process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'oci-conformance')),
].find((path) => path !== '' && existsSync(path));

const passwords = 'me:$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a\n';

/** What the suite writes of its totals; its exit code is 0 when its set-up fails, so that says nothing. */
async function totals(results: string): Promise<Record<string, number>> {
  const head = /<testsuites ([^>]*)>/.exec(await readFile(join(results, 'junit.xml'), 'utf8'))?.[1] ?? '';
  const found = head.matchAll(/(tests|errors|failures|skipped|disabled)="(\d+)"/g);
  return Object.fromEntries(Array.from(found, ([, name = '', count]) => [name, Number(count)]));
}

group(
  'the conformance suite',
  { skip: program === undefined && 'not here: build it and name it in OCI_CONFORMANCE' },
  () => {
    for (const authenticated of [false, true]) {
      it(`passes whole, authentication ${authenticated ? 'on' : 'off'}`, async () => {
        await using directory = await temporaryDirectory();
        await writeFile(directory.join('htpasswd'), passwords);
        const authentication = authenticated ? await htpasswd(directory.join('htpasswd')) : undefined;
        let running: Awaited<ReturnType<typeof serve>> | undefined;
        const collect = async (): Promise<unknown> => running?.store.collect();
        await using registry = await serve({ authentication, sparse: 'all', collect, collectInterval: 200 });
        running = registry;
        const { stdout, stderr } = await run(program ?? '', [], {
          cwd: directory.path,
          env: {
            ...process.env,
            OCI_REGISTRY: registry.address,
            OCI_TLS: 'disabled',
            OCI_VERSION: 'dev',
            OCI_DATA_SPARSE: 'true',
            OCI_RESULTS_DIR: directory.join('results'),
            ...(authenticated ? { OCI_USERNAME: 'me', OCI_PASSWORD: 'secret' } : {}),
          },
        });
        const { tests = 0, ...rest } = await totals(directory.join('results'));
        assert.deepEqual(rest, { errors: 0, failures: 0, skipped: 0, disabled: 0 }, `${stdout}\n${stderr}`);
        assert.ok(tests > 800, `only ${tests} tests ran`);
      });
    }
  },
);
