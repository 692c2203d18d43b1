import { EmptySchema } from '@bufbuild/protobuf/wkt';
import { unlessAborted } from '../../../content/abort.ts';
import { DrayError } from '../../../errors.ts';
import { packAny, unpackAny } from '../../any.ts';
import { StreamInitSchema, Streaming } from '../../gen/streaming_pb.ts';
import { type Routes, routesOf } from '../../grpc/service.ts';
import { namespaceOf, type Tenants } from '../tenant.ts';
import { MessageStream } from './message-stream.ts';
import type { Streams } from './streams.ts';

/** `containerd.services.streaming.v1.Streaming`: the client opens streams and names them in later calls. */
export function streamingService(tenants: Tenants, streams: Streams): Routes {
  return routesOf(Streaming, {
    async *stream(requests, call) {
      const namespace = namespaceOf(tenants, call);
      const incoming = requests[Symbol.asyncIterator]();
      const { value: first } = await unlessAborted(incoming.next(), call.signal);
      const init = first === undefined ? undefined : unpackAny(StreamInitSchema, first);
      if (init === undefined) throw new DrayError('invalid-argument', 'the first message of a stream names it');
      using stream = new MessageStream(incoming);
      using _ = streams.add(namespace, init.id, stream);
      const gone = (): void => stream.end(call.signal.reason);
      call.signal.addEventListener('abort', gone, { once: true });
      yield packAny(EmptySchema, {});
      yield* stream.answers();
    },
  });
}
