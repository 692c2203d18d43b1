import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Timestamp as TimestampMessage, TimestampSchema } from '@bufbuild/protobuf/wkt';
import { expiryOf } from '../content/labels.ts';
import type { Info, Status } from '../content/store.ts';
import { DrayError } from '../errors.ts';
import type { Image } from '../services/image-store.ts';
import type { Lease } from '../services/lease-manager.ts';
import type { Descriptor } from '../spec/descriptor.ts';
import { parseDigest } from '../spec/digest.ts';
import { Timestamp } from '../spec/timestamp.ts';
import type { Info as InfoMessage, InfoSchema, Status as StatusMessage, StatusSchema } from './gen/content_pb.ts';
import type { Image as ImageMessage, ImageSchema } from './gen/images_pb.ts';
import type { Lease as LeaseMessage, LeaseSchema } from './gen/leases_pb.ts';
import type { Descriptor as DescriptorMessage, DescriptorSchema } from './gen/types_pb.ts';

/** What the services mean and what travels, each as the other. Everything that comes in is checked here. */

const second = 1_000_000_000n;

export function toTimestamp({ nanoseconds }: Timestamp): MessageInitShape<typeof TimestampSchema> {
  const nanos = ((nanoseconds % second) + second) % second;
  return { seconds: (nanoseconds - nanos) / second, nanos: Number(nanos) };
}

/** A time that was not said is 1970, as containerd's own clients have it. @throws DrayError `invalid-argument` for none. */
export function fromTimestamp(message: TimestampMessage | undefined): Timestamp {
  return Timestamp.of((message?.seconds ?? 0n) * second + BigInt(message?.nanos ?? 0));
}

/** @throws DrayError `invalid-argument` for a number of bytes that is negative or beyond what JavaScript counts exactly. */
export function fromSize(size: bigint): number {
  if (size >= 0n && size <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(size);
  throw new DrayError('invalid-argument', `impossible number of bytes ${size}`);
}

export function toDescriptor(descriptor: Descriptor): MessageInitShape<typeof DescriptorSchema> {
  const { mediaType, digest, size, annotations = {} } = descriptor;
  return { mediaType, digest, size: BigInt(size), annotations: { ...annotations } };
}

/** @throws DrayError `invalid-argument` for a malformed digest or size. */
export function fromDescriptor(message: DescriptorMessage | undefined): Descriptor {
  if (message === undefined) throw new DrayError('invalid-argument', 'a descriptor is missing');
  const { mediaType, digest, size, annotations } = message;
  const described = { mediaType, digest: parseDigest(digest), size: fromSize(size) };
  return Object.keys(annotations).length === 0 ? described : { ...described, annotations };
}

export function toInfo({ digest, size, createdAt, updatedAt, labels }: Info): MessageInitShape<typeof InfoSchema> {
  const times = { createdAt: toTimestamp(createdAt), updatedAt: toTimestamp(updatedAt) };
  return { digest, size: BigInt(size), ...times, labels };
}

export function fromInfo(message: InfoMessage | undefined): Info {
  if (message === undefined) throw incomplete('info');
  const { digest, size, createdAt, updatedAt, labels } = message;
  return {
    digest: parseDigest(digest),
    size: fromSize(size),
    createdAt: fromTimestamp(createdAt),
    updatedAt: fromTimestamp(updatedAt ?? createdAt),
    labels,
  };
}

export function toStatus(status: Status): MessageInitShape<typeof StatusSchema> {
  const { ref, offset, total = 0, expected = '', startedAt, updatedAt } = status;
  const times = { startedAt: toTimestamp(startedAt), updatedAt: toTimestamp(updatedAt) };
  return { ref, offset: BigInt(offset), total: BigInt(total), expected, ...times };
}

export function fromStatus(message: StatusMessage | undefined): Status {
  if (message === undefined) throw incomplete('status');
  const { ref, offset, total, expected, startedAt, updatedAt } = message;
  return {
    ref,
    offset: fromSize(offset),
    ...(total === 0n ? {} : { total: fromSize(total) }),
    ...(expected === '' ? {} : { expected: parseDigest(expected) }),
    startedAt: fromTimestamp(startedAt),
    updatedAt: fromTimestamp(updatedAt),
  };
}

export function toImage({ name, target, labels, createdAt, updatedAt }: Image): MessageInitShape<typeof ImageSchema> {
  const times = { createdAt: toTimestamp(createdAt), updatedAt: toTimestamp(updatedAt) };
  return { name, target: toDescriptor(target), labels, ...times };
}

export function fromImage(message: ImageMessage | undefined): Image {
  if (message === undefined) throw incomplete('image');
  const { name, target, labels, createdAt, updatedAt } = message;
  return {
    name,
    target: fromDescriptor(target),
    labels,
    createdAt: fromTimestamp(createdAt),
    updatedAt: fromTimestamp(updatedAt),
  };
}

export function toLease({ id, labels, createdAt }: Lease): MessageInitShape<typeof LeaseSchema> {
  return { id, labels, createdAt: toTimestamp(createdAt) };
}

export function fromLease(message: LeaseMessage | undefined): Lease {
  if (message === undefined) throw incomplete('lease');
  const { id, labels, createdAt } = message;
  const expiresAt = expiryOf(labels);
  return { id, labels, createdAt: fromTimestamp(createdAt), ...(expiresAt === undefined ? {} : { expiresAt }) };
}

function incomplete(what: string): DrayError {
  return new DrayError('internal', `the peer answered without the ${what}`);
}
