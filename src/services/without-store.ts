import { DrayError } from '../errors.ts';
import type { Services } from './services.ts';

/** The services of whoever has no store: each fails with `failed-precondition` when it is asked for. */
export function withoutStore(): Services {
  return {
    namespace: 'default',
    get content() {
      return refuse();
    },
    get images() {
      return refuse();
    },
    get leases() {
      return refuse();
    },
    get events() {
      return refuse();
    },
    get namespaces() {
      return refuse();
    },
    async [Symbol.asyncDispose]() {},
  };
}

function refuse(): never {
  throw new DrayError('failed-precondition', 'there is no store to do this with', {
    side: 'store',
    hint: 'open the client on one',
  });
}
