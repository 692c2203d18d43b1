import { type DescMessage, fromBinary, fromJson, toBinary, toJson } from '@bufbuild/protobuf';
import { type Any, StructSchema } from '@bufbuild/protobuf/wkt';
import type { StoreEvent } from '../services/events.ts';
import { type AnyInit, typeOfAny } from './any.ts';
import {
  ContentCreateSchema,
  ContentDeleteSchema,
  NamespaceCreateSchema,
  NamespaceDeleteSchema,
  NamespaceUpdateSchema,
  SnapshotCommitSchema,
  SnapshotPrepareSchema,
  SnapshotRemoveSchema,
} from './gen/event_types_pb.ts';
import { ImageCreateSchema, ImageDeleteSchema, ImageUpdateSchema } from './gen/images_pb.ts';

type Fields = StoreEvent['event'];

// The message of each topic. All their fields are text, numbers or labels, which is what the fields of an event are as well.
const schemas: ReadonlyMap<string, DescMessage> = new Map<string, DescMessage>([
  ['/content/create', ContentCreateSchema],
  ['/content/delete', ContentDeleteSchema],
  ['/images/create', ImageCreateSchema],
  ['/images/update', ImageUpdateSchema],
  ['/images/delete', ImageDeleteSchema],
  ['/namespaces/create', NamespaceCreateSchema],
  ['/namespaces/update', NamespaceUpdateSchema],
  ['/namespaces/delete', NamespaceDeleteSchema],
  ['/snapshot/prepare', SnapshotPrepareSchema],
  ['/snapshot/commit', SnapshotCommitSchema],
  ['/snapshot/remove', SnapshotRemoveSchema],
]);

/**
 * The fields of an event as a message of the type that containerd has for its topic, as a `Struct` where it has none. The type is
 * a name without a host in front of it, as containerd writes it.
 */
export function packEvent(topic: string, fields: Fields): AnyInit {
  const schema = schemas.get(topic) ?? StructSchema;
  return { typeUrl: schema.typeName, value: toBinary(schema, fromJson(schema, fields, { ignoreUnknownFields: true })) };
}

/** The fields of an event's message; none for a type that dray does not know. */
export function unpackEvent(topic: string, event: Any | undefined): Fields {
  if (event === undefined) return {};
  const type = typeOfAny(event);
  const schema = [schemas.get(topic), StructSchema].find((known) => known?.typeName === type);
  if (schema === undefined) return {};
  const message = fromBinary(schema, event.value);
  return toJson(schema, message, { useProtoFieldName: true, alwaysEmitImplicit: true }) as unknown as Fields;
}
