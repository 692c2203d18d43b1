import pLimit from 'p-limit';
import { eitherSignal, unlessAborted } from '../../../content/abort.ts';
import { DrayError } from '../../../errors.ts';
import { packAny, unpackAny } from '../../any.ts';
import { AuthRequestSchema, type AuthResponse, AuthResponseSchema, AuthType } from '../../gen/transfer_types_pb.ts';
import type { Answer, Authenticate } from './image-transfers.ts';
import type { MessageStream } from './message-stream.ts';

/** Milliseconds that a client gets to find credentials. */
const answerTime = 60_000;

/** Asks a client over a stream, one question after the other. */
export function authenticateOver(stream: MessageStream, reference: string): Authenticate {
  const oneAtOnce = pLimit(1);
  return (host, { signal }) =>
    oneAtOnce(async () => {
      await unlessAborted(stream.send(packAny(AuthRequestSchema, { host, reference })), signal);
      return answerOf(await answerOn(stream, host, signal));
    });
}

async function answerOn(stream: MessageStream, host: string, signal: AbortSignal | undefined): Promise<AuthResponse> {
  const late = AbortSignal.timeout(answerTime);
  const either = eitherSignal(signal, late);
  try {
    const message = await unlessAborted(stream.receive(), either);
    const response = message && unpackAny(AuthResponseSchema, message);
    if (response !== undefined) return response;
  } catch (error) {
    // An answer that comes too late must not be taken for that to another question.
    stream.end();
    if (error !== late.reason) throw error;
  }
  throw new DrayError('unauthenticated', `the client gave no credentials for ${host}`);
}

function answerOf({ authType, username, secret }: AuthResponse): Answer | undefined {
  if (secret === '') return undefined;
  switch (authType) {
    case AuthType.CREDENTIALS:
      return { is: 'password', username, password: secret };
    case AuthType.REFRESH:
      return { is: 'identity-token', token: secret };
    case AuthType.HEADER:
      return { is: 'header', value: secret };
    default:
      return undefined;
  }
}
