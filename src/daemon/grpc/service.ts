import type { DescMessage, DescMethod, DescService, MessageInitShape, MessageShape } from '@bufbuild/protobuf';
import { DrayError } from '../../errors.ts';
import { decodeMessage } from './frames.ts';
import type { Incoming } from './incoming.ts';

/** What a method may know of the call it answers. */
export interface ServerCall {
  /** The fields of the call's metadata, by lower-case name. Of several values of one the first counts, as in containerd. */
  readonly metadata: ReadonlyMap<string, string>;
  /** Aborts when the caller has gone. */
  readonly signal: AbortSignal;
}

type Kind = 'unary' | 'server_streaming' | 'client_streaming' | 'bidi_streaming';

type Answer<K extends Kind, I extends DescMessage, O extends DescMessage> = K extends 'unary'
  ? (request: MessageShape<I>, call: ServerCall) => Promise<MessageInitShape<O>>
  : K extends 'server_streaming'
    ? (request: MessageShape<I>, call: ServerCall) => AsyncIterable<MessageInitShape<O>>
    : (requests: AsyncIterable<MessageShape<I>>, call: ServerCall) => AsyncIterable<MessageInitShape<O>>;

/** The methods of a service: one answer to one request, several to one, or several to several. */
export type Methods<S extends DescService> = {
  readonly [M in keyof S['method']]: S['method'][M] extends {
    methodKind: infer K extends Kind;
    input: infer I extends DescMessage;
    output: infer O extends DescMessage;
  }
    ? Answer<K, I, O>
    : never;
};

type Message = MessageInitShape<DescMessage>;

/** What a call is answered with. */
export type Answers = AsyncIterable<Message>;

/** How one method is answered, whatever its kind. */
export interface Route {
  readonly output: DescMessage;
  answer(incoming: Incoming, call: ServerCall): Answers;
}

/** Methods by the path of their calls. */
export type Routes = ReadonlyMap<string, Route>;

/** The routes of a service. */
export function routesOf<S extends DescService>(service: S, methods: Methods<S>): Routes {
  return new Map(
    service.methods.map((method) => {
      // That method and answer belong together is what the type of `methods` says.
      const answer = (methods as Record<string, unknown>)[method.localName];
      return [`/${service.typeName}/${method.name}`, { output: method.output, answer: answering(method, answer) }];
    }),
  );
}

function answering(method: DescMethod, answer: unknown): Route['answer'] {
  switch (method.methodKind) {
    case 'unary':
      return async function* (incoming, call) {
        const request = await onlyRequest(method, incoming);
        yield (await (answer as Answer<'unary', DescMessage, DescMessage>)(request, call)) as Message;
      };
    case 'server_streaming':
      return async function* (incoming, call) {
        const request = await onlyRequest(method, incoming);
        yield* (answer as Answer<'server_streaming', DescMessage, DescMessage>)(request, call) as Answers;
      };
    default:
      return (incoming, call) =>
        (answer as Answer<'bidi_streaming', DescMessage, DescMessage>)(requests(method, incoming), call) as Answers;
  }
}

async function* requests(method: DescMethod, incoming: Incoming): AsyncGenerator<MessageShape<DescMessage>> {
  for (let bytes = await incoming.next(); bytes !== undefined; bytes = await incoming.next())
    yield decodeMessage(method.input, bytes);
}

async function onlyRequest(method: DescMethod, incoming: Incoming): Promise<MessageShape<DescMessage>> {
  const bytes = await incoming.next();
  if (bytes === undefined) throw new DrayError('internal', `${method.name} was called without a message`);
  return decodeMessage(method.input, bytes);
}
