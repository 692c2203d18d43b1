import { readFile, writeFile } from 'node:fs/promises';
import { succeed } from './processes.ts';
import type { TemporaryDirectory } from './temporary.ts';

/** A certificate with its key, PEM, and where they are. */
export interface TestCertificate {
  readonly certificate: string;
  readonly key: string;
  readonly certificatePath: string;
  readonly keyPath: string;
}

/** An authority made for one test. */
export interface TestAuthority extends TestCertificate {
  /** A certificate of it, for a server with these names and for clients. */
  issue(commonName: string, ...alternatives: readonly string[]): Promise<TestCertificate>;
}

/** Makes an authority with openssl; everything is in `directory`. */
export async function testAuthority(directory: TemporaryDirectory, name: string = 'authority'): Promise<TestAuthority> {
  const own = paths(directory, name);
  await newKey(own.keyPath, own.certificatePath, name, '-x509', ...lifetime);
  return {
    ...(await read(own)),
    async issue(commonName, ...alternatives) {
      const issued = paths(directory, `${name}-${commonName.replace(/\W/g, '-')}`);
      const request = `${issued.certificatePath}.csr`;
      const extensions = `${issued.certificatePath}.ext`;
      const names = alternatives.map((one) => (/^[\d.]+$|:/.test(one) ? `IP:${one}` : `DNS:${one}`));
      await writeFile(
        extensions,
        names.length === 0 ? 'basicConstraints=CA:FALSE\n' : `subjectAltName=${names.join(',')}\n`,
      );
      await newKey(issued.keyPath, request, commonName);
      const authority = ['-CA', own.certificatePath, '-CAkey', own.keyPath, '-CAcreateserial'];
      const files = ['-in', request, '-out', issued.certificatePath, '-extfile', extensions];
      await succeed('openssl', ['x509', '-req', ...files, ...authority, ...lifetime]);
      return await read(issued);
    },
  };
}

const lifetime = ['-days', '2'];

/** A new key, and the request for a certificate of it; with `-x509` the certificate, signed by itself. */
async function newKey(keyPath: string, out: string, commonName: string, ...more: readonly string[]): Promise<void> {
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', keyPath];
  await succeed('openssl', ['req', ...key, '-out', out, '-subj', `/CN=${commonName}`, ...more]);
}

function paths(directory: TemporaryDirectory, name: string): { certificatePath: string; keyPath: string } {
  return { certificatePath: directory.join(`${name}.pem`), keyPath: directory.join(`${name}-key.pem`) };
}

async function read(where: { certificatePath: string; keyPath: string }): Promise<TestCertificate> {
  const [certificate, key] = await Promise.all([
    readFile(where.certificatePath, 'utf8'),
    readFile(where.keyPath, 'utf8'),
  ]);
  return { ...where, certificate, key };
}
