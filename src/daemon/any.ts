import { create, type DescMessage, type MessageInitShape, type MessageShape, toBinary } from '@bufbuild/protobuf';
import type { Any, AnySchema } from '@bufbuild/protobuf/wkt';
import { decodeMessage } from './grpc/frames.ts';

/** A message of any type, on its way out. */
export type AnyInit = MessageInitShape<typeof AnySchema>;

/** A message with its type: a name without a host in front of it, as containerd writes it. */
export function packAny<D extends DescMessage>(schema: D, init: MessageInitShape<D>): AnyInit {
  return { typeUrl: schema.typeName, value: toBinary(schema, create(schema, init)) };
}

/** The message, when it is of this type. @throws DrayError `internal` when its bytes are none. */
export function unpackAny<D extends DescMessage>(schema: D, message: Any): MessageShape<D> | undefined {
  return typeOfAny(message) === schema.typeName ? decodeMessage(schema, message.value) : undefined;
}

/** The name of a message's type, without a host. */
export function typeOfAny({ typeUrl }: Pick<Any, 'typeUrl'>): string {
  return typeUrl.slice(typeUrl.lastIndexOf('/') + 1);
}
