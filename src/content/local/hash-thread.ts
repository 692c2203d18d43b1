// A thread that hashes what is in shared memory; the other end is in hashing.ts.
import { createHash, type Hash } from 'node:crypto';
import { parentPort } from 'node:worker_threads';

/** What a hashing thread is asked to do to one of its hashes. */
export type HashTask =
  | { readonly id: number; readonly update: Uint8Array; readonly algorithm: string }
  | { readonly id: number; readonly digest: true; readonly algorithm: string }
  | { readonly id: number; readonly forget: true };

/** The answer to a task, in the order of the tasks; the digest in hexadecimal digits when that was asked for. */
export type HashAnswer = string | null;

function answerTasks(port: NonNullable<typeof parentPort>): void {
  const hashes = new Map<number, Hash>();
  const hashOf = (id: number, algorithm: string): Hash => {
    const hash = hashes.get(id) ?? createHash(algorithm);
    hashes.set(id, hash);
    return hash;
  };
  const perform = (task: HashTask): HashAnswer => {
    if ('digest' in task) return hashOf(task.id, task.algorithm).copy().digest('hex');
    if ('update' in task) hashOf(task.id, task.algorithm).update(task.update);
    else hashes.delete(task.id);
    return null;
  };
  port.on('message', (task: HashTask) => port.postMessage(perform(task)));
}

if (parentPort !== null) answerTasks(parentPort);
